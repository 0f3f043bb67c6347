/**
 * Checks a recorded Program against the reference before anybody is served by it: replayed on fresh buffers, with
 * inputs that the recording may not have seen, in memory that held garbage before.
 */
import { planSlots } from "../../kernels/program/analyze.ts";
import { poisonProgram } from "../../kernels/program/poison.ts";
import type { Program } from "../../kernels/program/program.ts";
import { eachRow } from "../../kernels/tensor-rows.ts";
import { compareTensors } from "../../models/verify/compare.ts";
import type { DeviceApi } from "../device/api.ts";
import type { VerificationCase } from "./cases.ts";

export interface Verification {
  readonly maxAbsoluteError: number;
  /** No output depends on what activation memory held before: it need not be cleared. */
  readonly writesBeforeReads: boolean;
  /** The longest run, in milliseconds: what to expect of this adapter. */
  readonly slowestRunMs: number;
  /** What disagrees, in words; undefined where all agrees. */
  readonly disagreement: string | undefined;
}

/** As floats these are a NaN and an innocent 1.23: a kernel that reads garbage shows at least one of them. */
const patterns = [0xffffffff, 0x3f9d70a4] as const;
const id = "verified";

/** @param cases at least one. */
export async function verifyProgram(
  device: DeviceApi,
  program: Program,
  cases: readonly VerificationCase[],
): Promise<Verification> {
  await device.load(id, program, { writesBeforeReads: true });
  try {
    const verification = await verifyInGarbage(device, program, cases);
    if (verification !== undefined) return { ...verification, writesBeforeReads: true };
  } finally {
    await device.unload(id);
  }
  await device.load(id, program, { writesBeforeReads: false });
  try {
    const comparison = new Comparison(program);
    for (const one of cases) if (!comparison.isRight(await comparison.replay(device, one), one)) break;
    return { ...comparison.result, writesBeforeReads: false };
  } finally {
    await device.unload(id);
  }
}

/** Of a model whose replay takes longer, fewer cases are replayed. */
export const slowReplayMs = 3_000;

type Compared = Omit<Verification, "writesBeforeReads">;

/**
 * The cases without clearing. The first one runs in both kinds of garbage, where its outputs must be bit-equal; of a
 * model that is slow to run only one more case is replayed: the least that shows an output which ignores its inputs.
 * @returns undefined where garbage may have had a part in an output.
 */
async function verifyInGarbage(
  device: DeviceApi,
  program: Program,
  cases: readonly VerificationCase[],
): Promise<Compared | undefined> {
  const { slotBytes } = planSlots(program);
  const replayIn = async (pattern: number, one: VerificationCase) => {
    const poison = `poison-${pattern}`;
    await device.load(poison, poisonProgram(slotBytes, pattern), { writesBeforeReads: true });
    await device.run({ program: poison, inputs: [] });
    const outputs = await comparison.replay(device, one);
    await device.unload(poison);
    return outputs;
  };
  const comparison = new Comparison(program);
  const [one, ...others] = cases as [VerificationCase, ...VerificationCase[]];
  const startedAt = performance.now();
  const first = await replayIn(patterns[0], one);
  const isSlow = performance.now() - startedAt > slowReplayMs;
  if (!comparison.isRight(first, one)) return undefined;
  const again = await replayIn(patterns[1], one);
  const isSame = first.every((output, i) => output.every((byte, at) => byte === again[i]![at]));
  if (!isSame) return undefined;
  for (const [i, other] of (isSlow ? others.slice(0, 1) : others).entries()) {
    const outputs = await replayIn(patterns[(i + 1) % patterns.length]!, other);
    if (!comparison.isRight(outputs, other)) return undefined;
  }
  return comparison.result;
}

/** What has come of the cases so far. */
class Comparison {
  readonly #program: Program;
  readonly #dispatches: number;
  #maxAbsoluteError = 0;
  #slowestRunMs = 0;
  #disagreement: string | undefined;

  constructor(program: Program) {
    this.#program = program;
    this.#dispatches = program.steps.filter((step) => step.type === "dispatch").length;
  }

  get result(): Compared {
    return {
      maxAbsoluteError: this.#maxAbsoluteError,
      slowestRunMs: this.#slowestRunMs,
      disagreement: this.#disagreement,
    };
  }

  async replay(device: DeviceApi, { inputs }: VerificationCase): Promise<readonly Uint8Array[]> {
    const startedAt = performance.now();
    const { outputs } = await device.run({ program: id, inputs: inputs.map((tensor) => tensor.data) });
    this.#slowestRunMs = Math.max(this.#slowestRunMs, Math.round(performance.now() - startedAt));
    return outputs;
  }

  /** Examples of a batch one by one: in each the yardstick is its own largest value. */
  isRight(outputs: readonly Uint8Array[], { expected, isBatch = false }: VerificationCase): boolean {
    for (const [i, { name, shape }] of this.#program.outputs.entries()) {
      const reference = expected.get(name);
      if (reference === undefined) return this.#disagree(name, "is missing from the reference");
      if (`${reference.shape}` !== `${shape}`)
        return this.#disagree(name, `has shape [${shape}], the reference [${reference.shape}]`);
      const parts = isBatch ? eachRow(reference) : [reference];
      const partBytes = outputs[i]!.byteLength / parts.length;
      for (const [row, part] of parts.entries()) {
        const actual = outputs[i]!.subarray(row * partBytes, (row + 1) * partBytes);
        const { firstBad, maxAbsoluteError } = compareTensors(actual, part, this.#dispatches);
        this.#maxAbsoluteError = Math.max(this.#maxAbsoluteError, maxAbsoluteError);
        if (firstBad === undefined) continue;
        const what = isBatch
          ? `of row ${row} differs from what the row gives alone`
          : "differs from the reference";
        return this.#disagree(name, `${what} at element ${firstBad} (largest error ${maxAbsoluteError})`);
      }
    }
    return true;
  }

  #disagree(output: string, what: string): false {
    this.#disagreement = `output '${output}' ${what}`;
    return false;
  }
}
