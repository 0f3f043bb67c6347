/**
 * The conformance suite: cases and checks run against any DeviceApi, in any runtime. Reports, throws nothing and
 * knows no test runner, so that it also runs in a page.
 */
import { planSlots } from "../../kernels/program/analyze.ts";
import { poisonProgram } from "../../kernels/program/poison.ts";
import type { DeviceApi, DeviceDescription, PlainRunRequest } from "../../runtime/device/api.ts";
import { type ConformanceCase, disagreement, floatsOf, type Suite } from "./case.ts";
import { type Check, ensureEmpty } from "./checks/check.ts";
import { keepingChecks } from "./checks/keeping.ts";
import { leftoverChecks } from "./checks/leftovers.ts";
import { loadingChecks } from "./checks/loading.ts";
import { refusalChecks } from "./checks/refusals.ts";
import { sharingChecks } from "./checks/sharing.ts";
import { swappingChecks } from "./checks/swapping.ts";

export interface Report {
  readonly name: string;
  readonly durationMs: number;
  /** Why the device does not conform; undefined where it does. */
  readonly failure?: string;
  /** What could not be checked on this device. */
  readonly leftOut?: string;
  /** Largest difference of an output's elements (bytes, where they are no float32) from what the reference device gave. */
  readonly largestDifference?: number;
}

export const checks: readonly Check[] = [
  ...loadingChecks,
  ...refusalChecks,
  ...keepingChecks,
  ...leftoverChecks,
  ...sharingChecks,
  ...swappingChecks,
];

/**
 * Devices of one kind must give the same bits. Software adapters are one whatever opened them; what a GPU gives
 * may depend on the compiler of each implementation.
 */
export function adapterKind({ adapter }: DeviceDescription): string {
  const { vendor, architecture, device, description, implementation } = adapter;
  const software = /swiftshader|llvmpipe/i.exec(`${architecture} ${device} ${description}`);
  return software
    ? software[0].toLowerCase()
    : [implementation, vendor, architecture, device, description].join(" ");
}

/** Runs the case or the check of a name. One that fails leaves nothing loaded for the next to stumble over. */
export async function runByName(target: DeviceApi, suite: Suite, name: string): Promise<Report> {
  const loaded = new Set<string>();
  const device = remembering(target, loaded);
  const startedAt = performance.now();
  const finish = (rest: Omit<Report, "name" | "durationMs">): Report => ({
    name,
    durationMs: performance.now() - startedAt,
    ...rest,
  });
  try {
    const check = checks.find((each) => each.name === name);
    if (check !== undefined) {
      const leftOut = await check.run(device, (await check.programs?.()) ?? []);
      return finish(leftOut === undefined ? {} : { leftOut });
    }
    const found = suite.cases.find((each) => each.name === name);
    if (found === undefined) throw new Error(`No case or check is called '${name}'`);
    return finish({ largestDifference: await runCase(device, suite, found) });
  } catch (error) {
    for (const id of loaded) await target.unload(id).catch(() => undefined);
    return finish({ failure: error instanceof Error ? error.message : String(error) });
  }
}

/** The same device, with the ids of what was loaded on it. */
function remembering(device: DeviceApi, loaded: Set<string>): DeviceApi {
  return {
    describe: () => device.describe(),
    checkShader: (code) => device.checkShader(code),
    load(id, program, options) {
      loaded.add(id);
      return device.load(id, program, options);
    },
    reload: (id) => device.reload(id),
    evict: (id) => device.evict(id),
    dropHost: (digests) => device.dropHost(digests),
    measureUpload: () => device.measureUpload(),
    unload: (id) => device.unload(id),
    run: (request: PlainRunRequest) => device.run(request),
    readTensor: (id) => device.readTensor(id),
    releaseTensors: (ids) => device.releaseTensors(ids),
    memory: () => device.memory(),
  };
}

/** @returns the outputs of each run, in memory that held garbage before. */
export async function outputsOf(device: DeviceApi, one: ConformanceCase): Promise<Uint8Array[][]> {
  const { program, writesBeforeReads, runs } = one;
  await device.load("case", program, { writesBeforeReads });
  await device.load("garbage", poisonProgram(planSlots(program).slotBytes, 0xdeadbeef), {
    writesBeforeReads: true,
  });
  try {
    const outputs: Uint8Array[][] = [];
    for (const { inputs } of runs) {
      await device.run({ program: "garbage", inputs: [] });
      outputs.push([...(await device.run({ program: "case", inputs })).outputs]);
    }
    return outputs;
  } finally {
    for (const id of ["case", "garbage"]) await device.unload(id);
  }
}

/** @throws Error where an output is wrong. @returns the largest difference from the reference's bits. */
async function runCase(device: DeviceApi, { reference }: Suite, one: ConformanceCase): Promise<number> {
  const isSameKind = adapterKind(await device.describe()) === reference.kind;
  const referenceRuns = reference.outputs.get(one.name) ?? [];
  const outputs = await outputsOf(device, one);
  let largest = 0;
  for (const [i, run] of outputs.entries()) {
    const { expected } = one.runs[i]!;
    if (run.length !== expected.length)
      throw new Error(`Run ${i} gave ${run.length} outputs: expected ${expected.length}`);
    for (const [j, output] of run.entries()) {
      const where = `Output ${j} of run ${i}`;
      const wrong = disagreement(output, expected[j]!);
      if (wrong !== undefined) throw new Error(`${where} is wrong: ${wrong}`);
      const before = referenceRuns[i]?.[j];
      if (before === undefined) throw new Error(`${where} has no reference`);
      const difference = differenceOf(output, before, one.program.outputs[j]!.dataType === "float32");
      if (difference > 0 && isSameKind)
        throw new Error(
          `${where} differs by ${difference} from what the same kind of adapter gave elsewhere`,
        );
      largest = Math.max(largest, difference);
    }
  }
  await ensureEmpty(device);
  return largest;
}

/** 0 for equal bits only. Finite, because reports travel as JSON. */
function differenceOf(actual: Uint8Array, reference: Uint8Array, isFloat: boolean): number {
  if (actual.byteLength !== reference.byteLength) return Number.MAX_VALUE;
  if (actual.every((byte, i) => byte === reference[i])) return 0;
  const [values, wanted] = isFloat ? [floatsOf(actual), floatsOf(reference)] : [actual, reference];
  let largest = 0;
  for (const [i, value] of values.entries()) largest = Math.max(largest, Math.abs(value - wanted[i]!));
  // NaN and zeros of another sign are differences too.
  return Number.isFinite(largest) ? Math.max(largest, Number.MIN_VALUE) : Number.MAX_VALUE;
}
