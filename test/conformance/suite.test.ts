/** The suite itself: does it find a device that does not conform? Each device here is right but for one thing. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { platform } from "#platform";
import { DawnletError } from "../../kernels/errors.ts";
import { findAdapter } from "../../runtime/adapter/find-adapter.ts";
import type { DeviceApi, PlainRunRequest, RunResult } from "../../runtime/device/api.ts";
import { MemoryWeights } from "../../runtime/device/weights.ts";
import { testServiceFrom } from "../gpu.ts";
import { onlyUnderNode } from "../left-out.ts";
import { type StartedDevice, startProcess } from "./carriers/process.ts";
import type { ConformanceCase, Suite } from "./case.ts";
import { openParams } from "./cases.ts";
import { budgetBytes } from "./checks/check.ts";
import { memoryRules } from "./rules/memory.ts";
import { stepRules } from "./rules/steps.ts";
import { adapterKind, checks, outputsOf, runByName } from "./suite.ts";
import { decodeSuite, encodeSuite } from "./wire.ts";

const isLeftOut = onlyUnderNode(
  "the conformance suite's own test",
  "the suite itself runs against each kind of device there, and is no other under Deno",
);

let device: StartedDevice;
let weights: ReadonlyMap<string, Uint8Array>;
let suite: Suite;

describe.skipIf(isLeftOut)("the conformance suite", () => {
  beforeAll(async () => {
    const adapter = await findAdapter(platform);
    const cases: ConformanceCase[] = [];
    for (const rule of [...stepRules, ...memoryRules]) cases.push(await rule.make());
    const programs = await Promise.all(checks.map(async (check) => (await check.programs?.()) ?? []));
    weights = new Map([...cases, ...programs.flat()].flatMap((each) => [...each.weights]));
    device = await startProcess(platform, adapter.environment, openParams(adapter), weights);
    const outputs = new Map<string, Uint8Array[][]>();
    for (const one of cases) outputs.set(one.name, await outputsOf(device.api, one));
    suite = { cases, reference: { kind: adapterKind(device.description), outputs } };
  });
  afterAll(() => device?.close());

  /** Names of what fails on a device that differs from the right one in some methods. */
  async function failures(change: (right: DeviceApi) => Partial<DeviceApi>): Promise<string[]> {
    const right = sameAs(device.api);
    const faulty = { ...right, ...change(right) };
    const failed: string[] = [];
    for (const { name } of [...suite.cases, ...checks]) {
      if ((await runByName(faulty, suite, name)).failure !== undefined) failed.push(name);
    }
    return failed;
  }

  it("a right device passes", async () => {
    expect(await failures(() => ({}))).toEqual([]);
  });

  it("a device that does not clear what was there before is found", async () => {
    const careless = await testServiceFrom(new MemoryWeights(weights), { budgetBytes, keepsLeftovers: true });
    const failed = await failures(() => ({
      ...sameAs(careless),
      load: (id, program) => careless.load(id, program, { writesBeforeReads: true }),
    }));
    expect(failed).toContain("a temporary that is read without having been written reads zeros");
    expect(failed).toContain("no Program sees what others left in any lane");
    expect(failed).toContain("a Program sees nothing of what others left in the memory that they share");
    expect(failed).not.toContain("a dispatch of no workgroups does nothing");
  });

  it("a device that does not clear before each run is found", async () => {
    const failed = await failures((right) => ({
      load: (id, program) => right.load(id, program, { writesBeforeReads: true }),
    }));
    expect(failed).toContain("what a run wrote is gone before the next run of the same Program");
    expect(failed).not.toContain("no Program sees what others left in any lane");
  });

  it("a device that is off by one bit is found", async () => {
    const failed = await failures((right) => ({
      async run(request: PlainRunRequest) {
        const { outputs, timing } = await right.run(request);
        for (const output of outputs) if (output.byteLength > 0) output[output.byteLength - 1]! ^= 1;
        return { outputs, timing };
      },
    }));
    expect(failed).toContain("a repeat runs its steps in order, as often as it says");
    expect(failed).toContain("64 runs of different Programs at once are each right");
  });

  it("a device that mixes up runs at the same time is found", async () => {
    let previous: Promise<RunResult> | undefined;
    const failed = await failures((right) => ({
      async run(request: PlainRunRequest) {
        const own = right.run(request);
        const other = previous;
        previous = own;
        try {
          await own;
        } finally {
          if (previous === own) previous = undefined;
        }
        return other ?? own;
      },
    }));
    expect(failed).toContain("64 runs of different Programs at once are each right");
    expect(failed).not.toContain("a repeat runs its steps in order, as often as it says");
  });

  it("a device that keeps memory, or errors without their codes, is found", async () => {
    const leaking = await failures((right) => ({
      async memory() {
        const memory = await right.memory();
        return { ...memory, weightBytes: memory.weightBytes + 4 };
      },
    }));
    expect(leaking).toContain("a Program is loaded, unloaded and loaded again, and leaves nothing behind");
    const codeless = await failures((right) => ({
      run: (request: PlainRunRequest) =>
        right.run(request).catch((error: Error) => {
          throw new DawnletError("INTERNAL", error.message);
        }),
    }));
    expect(codeless).toContain("calls with wrong inputs or ids are refused");
  });

  it("a suite survives its way to a page", () => {
    expect(decodeSuite(encodeSuite(suite))).toEqual(suite);
  });
});

function sameAs(api: DeviceApi): DeviceApi {
  return {
    describe: () => api.describe(),
    checkShader: (code) => api.checkShader(code),
    load: (id, program, options) => api.load(id, program, options),
    reload: (id) => api.reload(id),
    evict: (id) => api.evict(id),
    dropHost: (digests) => api.dropHost(digests),
    measureUpload: () => api.measureUpload(),
    unload: (id) => api.unload(id),
    run: (request: PlainRunRequest) => api.run(request),
    readTensor: (id) => api.readTensor(id),
    releaseTensors: (ids) => api.releaseTensors(ids),
    memory: () => api.memory(),
  };
}
