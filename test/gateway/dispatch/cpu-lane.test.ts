/** A CPU lane beside a device in memory, under the scheduler: what goes there, what comes back, what callers get. */
import { beforeEach, describe, expect, test, vi } from "vitest";
import type { DeviceSetListener } from "../../../gateway/devices/device-events.ts";
import type { DeviceSet } from "../../../gateway/devices/device-set.ts";
import { FunctionDevice } from "../../../gateway/devices/function-device.ts";
import { CpuLane, sessionBytes } from "../../../gateway/dispatch/cpu-lane.ts";
import { Dispatcher } from "../../../gateway/dispatch/dispatcher.ts";
import type { Unit } from "../../../gateway/dispatch/scheduled-units.ts";
import type { BatchGroup, PreparedProgram } from "../../../gateway/functions/prepared-call.ts";
import { schedulingPolicies } from "../../../gateway/scheduler/policies/policies.ts";
import { DawnletError } from "../../../kernels/errors.ts";
import { defaultMemorySettings } from "../../../kernels/manifest/memory-settings.ts";
import type { Tensor } from "../../../kernels/tensor.ts";
import type { FakeDevice } from "../devices/fake-device.ts";
import { fakeDevices, program, settled } from "../devices/fake-devices.ts";
import { FakeSessions } from "./fake-sessions.ts";

let gpu: FakeDevice;
let set: DeviceSet;
let lane: CpuLane;
let sessions: FakeSessions;
let dispatcher: Dispatcher;
let outcomes: string[];

beforeEach(() => {
  const listener: Required<Pick<DeviceSetListener, "resident" | "evicted" | "loadMeasured">> = {
    resident: (...told) => dispatcher.resident(...told),
    evicted: (device, id) => dispatcher.evicted(device, id),
    loadMeasured: (...told) => dispatcher.loadMeasured(...told),
  };
  const devices = fakeDevices(1, { listener, now: () => 0 });
  [gpu] = devices.links as [FakeDevice];
  set = devices.set;
  lane = new CpuLane({
    id: "cpu0",
    // For two of the functions below.
    budgetBytes: 2.5 * sessionBytes,
    now: () => 0,
    sessions: (onClosed) => {
      sessions = new FakeSessions(onClosed);
      return sessions;
    },
    listener: {
      resident: (id) => listener.resident(1, id),
      evicted: (id, reason) => listener.evicted(1, id, reason),
      loadMeasured: (...told) => listener.loadMeasured(1, ...told),
    },
  });
  dispatcher = new Dispatcher({
    ...{ devices: set, lanes: [lane], policy: schedulingPolicies.deadline, now: () => 0 },
  });
  outcomes = [];
});

function functionNamed(name: string): FunctionDevice {
  return new FunctionDevice(set, { name, version: 1, settings: defaultMemorySettings }, dispatcher);
}

/** Of the model of that name, which is a Program of that name. */
function prepared(id: string, rest: Partial<PreparedProgram> = {}): PreparedProgram {
  const model = { id, sizeBytes: 1_000, source: () => Promise.reject(new TypeError("not asked for here")) };
  return {
    ...{ type: "program", program: program(id, 1), inputs: [], keep: undefined, outputs: [] },
    ...{ wanted: undefined, batch: undefined, onCpu: { model, inputs: {} } },
    ...rest,
  };
}

/** Its outcome is `ok` with the device, or the code of its error. */
async function call(fn: FunctionDevice, of: PreparedProgram, signal?: AbortSignal): Promise<void> {
  const at = outcomes.push("waits") - 1;
  fn.submit(of, { signal }).then(
    ({ device }) => {
      outcomes[at] = `ok ${device}`;
    },
    (error: unknown) => {
      outcomes[at] = error instanceof DawnletError ? error.code : String(error);
    },
  );
  await settled();
}

/** A first call, which goes to the GPU and takes so long there. */
async function slowOnGpu(fn: FunctionDevice, of: PreparedProgram, gpuMs = 2_000): Promise<void> {
  await call(fn, of);
  gpu.end(of.program.id, undefined, 0, gpuMs);
  await settled();
  gpu.told.splice(0);
}

/** The runs of a new session up to one that is no faster than the one before. */
async function endWarm(id: string, executeMs: number): Promise<void> {
  sessions.end(id, executeMs);
  await settled();
  if (sessions.running.length === 0) return;
  sessions.end(id, executeMs);
  await settled();
}

const heard = () => vi.waitFor(() => expect(dispatcher.cluster.runs.size).toBe(0));

describe("a model", () => {
  test("that a GPU computes slowly is tried on the lane, and stays there where it is faster", async () => {
    const f = functionNamed("f");
    await slowOnGpu(f, prepared("a"));
    await call(f, prepared("a"));
    await endWarm("a", 50);
    await call(f, prepared("a"));
    sessions.end("a", 50);
    await settled();
    expect(outcomes).toEqual(["ok gpu0", "ok cpu0", "ok cpu0"]);
    expect(sessions.told).toEqual(["open a", "run a", "run a", "run a"]);
    expect(gpu.told).toEqual([]);
    expect(lane.sessions).toEqual([{ function: "f", bytes: sessionBytes + 2_600, running: 0 }]);
  });

  test("that a GPU computes fast is not tried there", async () => {
    const f = functionNamed("f");
    await slowOnGpu(f, prepared("a"), 5);
    for (let i = 0; i < 20; i++) {
      await call(f, prepared("a"));
      gpu.end("a", undefined, 0, 5);
      await settled();
    }
    expect(new Set(outcomes)).toEqual(new Set(["ok gpu0"]));
    expect(sessions.told).toEqual([]);
  });

  test("goes back where it turns out that the lane is slower", async () => {
    const f = functionNamed("f");
    await slowOnGpu(f, prepared("a"));
    await call(f, prepared("a"));
    await endWarm("a", 5_000);
    for (let i = 0; i < 3; i++) {
      await call(f, prepared("a"));
      gpu.end("a", undefined, 0, 2_000);
      await settled();
    }
    expect(outcomes).toEqual(["ok gpu0", "ok cpu0", "ok gpu0", "ok gpu0", "ok gpu0"]);
  });

  test("is measured when its code is compiled as well as it will be", async () => {
    const f = functionNamed("f");
    await slowOnGpu(f, prepared("a"));
    await call(f, prepared("a"));
    for (const executeMs of [180, 90, 21, 22]) {
      expect(outcomes[1]).toBe("waits");
      sessions.end("a", executeMs);
      await settled();
    }
    expect(outcomes[1]).toBe("ok cpu0");
    const [fn] = dispatcher.cluster.functions.values();
    expect(fn!.times(lane.spec.class).median(1)).toBe(22);
  });

  test("that may not run on the CPU never does", async () => {
    const f = functionNamed("f");
    const onGpu = prepared("a", { onCpu: undefined });
    await slowOnGpu(f, onGpu);
    await call(f, onGpu);
    expect(gpu.told).toEqual(["run a"]);
    expect(sessions.told).toEqual([]);
  });

  test("that is on the lane runs on the GPU where a call keeps its outputs there", async () => {
    const f = functionNamed("f");
    await slowOnGpu(f, prepared("a"));
    await call(f, prepared("a"));
    await endWarm("a", 50);
    await call(f, prepared("a", { onCpu: undefined, keep: [true] }));
    gpu.end("a");
    await settled();
    expect(outcomes.slice(1)).toEqual(["ok cpu0", "ok gpu0"]);
  });

  test("gives its outputs in the Program's order, and runs elsewhere where they are others", async () => {
    const specOf = (name: string) => ({ name, dataType: "uint8", shape: [2], buffer: 0 }) as const;
    const outputs = [specOf("y"), specOf("z")];
    const [y, z] = [1, 2].map((byte): Tensor => ({ ...specOf("y"), data: Uint8Array.of(byte, byte) }));
    const f = functionNamed("f");
    await slowOnGpu(f, prepared("a", { outputs }));
    const answer = f.submit(prepared("a", { outputs }), {});
    await settled();
    for (let i = 0; i < 2; i++) {
      sessions.end(
        "a",
        50,
        new Map([
          ["z", z!],
          ["y", y!],
        ]),
      );
      await settled();
    }
    expect((await answer).outputs).toEqual([y!.data, z!.data]);
    await call(f, prepared("a", { outputs }));
    sessions.end(
      "a",
      50,
      new Map([
        ["y", y!],
        ["z", { ...z!, shape: [1, 2] }],
      ]),
    );
    await heard();
    gpu.end("a");
    await settled();
    expect(outcomes.at(-1)).toBe("ok gpu0");
  });
});

describe("what the lane cannot run", () => {
  test("runs on another device, unseen by its caller, and never comes again", async () => {
    const f = functionNamed("f");
    await slowOnGpu(f, prepared("a"));
    sessions.openFailure = new DawnletError("UNSUPPORTED_MODEL", "no such operator");
    for (let i = 0; i < 3; i++) {
      await call(f, prepared("a"));
      gpu.end("a", undefined, 0, 2_000);
      await heard();
    }
    expect(outcomes).toEqual(["ok gpu0", "ok gpu0", "ok gpu0", "ok gpu0"]);
    expect(sessions.told).toEqual(["open a"]);
    expect(dispatcher.cluster.devices[1]!.usedBytes).toBe(0);
    // The control: what others have is tried.
    sessions.openFailure = undefined;
    await slowOnGpu(f, prepared("b"));
    await call(f, prepared("b"));
    expect(sessions.told.slice(1)).toEqual(["open b", "run b"]);
  });

  test("as its process ends three times in a row stays away", async () => {
    const f = functionNamed("f");
    await slowOnGpu(f, prepared("a"));
    for (let i = 0; i < 3; i++) {
      await call(f, prepared("a"));
      expect(sessions.running).toHaveLength(1);
      sessions.ends("a");
      sessions.end("a", new DawnletError("UNAVAILABLE", "the session process ended"));
      await heard();
      expect(dispatcher.cluster.devices[1]!.residences.size).toBe(0);
      gpu.end("a", undefined, 0, 2_000);
      await settled();
    }
    await call(f, prepared("a"));
    expect(sessions.running).toEqual([]);
    expect(gpu.running).toHaveLength(1);
    expect(outcomes).toEqual(["ok gpu0", "ok gpu0", "ok gpu0", "ok gpu0", "waits"]);
  });

  test("within two minutes runs on another device", async () => {
    const f = functionNamed("f");
    await slowOnGpu(f, prepared("a"));
    await call(f, prepared("a"));
    expect(sessions.limits).toEqual(new Set([120_000]));
    sessions.ends("a");
    sessions.end("a", new DawnletError("TIME_LIMIT_EXCEEDED", "longer than 120000 ms"));
    await heard();
    gpu.end("a", undefined, 0, 2_000);
    await settled();
    expect(outcomes).toEqual(["ok gpu0", "ok gpu0"]);
  });

  test("a GPU cannot run either is the caller's error", async () => {
    const f = functionNamed("f");
    await slowOnGpu(f, prepared("a"));
    sessions.openFailure = new DawnletError("UNSUPPORTED_MODEL", "no such operator");
    await call(f, prepared("a"));
    gpu.end("a", new DawnletError("DEVICE_LOST", "gone"));
    await heard();
    expect(outcomes).toEqual(["ok gpu0", "DEVICE_LOST"]);
  });
});

describe("the lane", () => {
  test("runs one call at a time, also those that the scheduler put together", async () => {
    const f = functionNamed("f");
    const batch = { group: groupOf(8), rows: 1 };
    await slowOnGpu(f, prepared("a"));
    await call(f, prepared("a", { batch }));
    await endWarm("a", 50);
    for (let i = 0; i < 4; i++) await call(f, prepared("a", { batch }));
    let most = 0;
    for (let runs = 0; sessions.running.length > 0; runs++) {
      expect(runs).toBeLessThan(10);
      most = Math.max(most, sessions.running.length);
      sessions.end("a", 50);
      await settled();
    }
    expect(most).toBe(1);
    expect(outcomes.slice(1)).toEqual(Array(5).fill("ok cpu0"));
    // Fewer runs than calls for the scheduler, of whose rows it is told.
    expect(dispatcher.counts.runs).toBeLessThan(dispatcher.counts.calls);
    expect(gpu.told).toEqual([]);
  });

  test("has a session leave where another needs its room, and none that is in use", async () => {
    const fns = ["a", "b", "c"].map((id) => ({ fn: functionNamed(id), of: prepared(id) }));
    for (const { fn, of } of fns) await slowOnGpu(fn, of);
    for (const { fn, of } of fns) {
      await call(fn, of);
      // As an owner of the same model might want, of whom this one knows nothing.
      lane.evict(unitOf(of));
      expect(sessions.opened.has(of.program.id)).toBe(true);
      await endWarm(of.program.id, 50);
    }
    expect(outcomes.slice(3)).toEqual(["ok cpu0", "ok cpu0", "ok cpu0"]);
    expect(sessions.told.filter((told) => told.startsWith("close"))).toEqual(["close a"]);
    const [, believed] = dispatcher.cluster.devices;
    expect(believed!.usedBytes).toBeLessThanOrEqual(believed!.budgetBytes);
    expect([...believed!.residences.keys()].map(({ id }) => id[0])).toEqual(["b", "c"]);
  });

  test("is believed to hold what is open there: a session that nobody calls ends", async () => {
    const f = functionNamed("f");
    await slowOnGpu(f, prepared("a"));
    await call(f, prepared("a"));
    await endWarm("a", 50);
    const [, believed] = dispatcher.cluster.devices;
    expect(believed!.residences.size).toBe(1);
    sessions.ends("a");
    expect(believed!.residences.size).toBe(0);
    expect(lane.sessions).toEqual([]);
    await call(f, prepared("a"));
    expect(sessions.told.slice(-2)).toEqual(["open a", "run a"]);
  });

  test("gives up a call that waits for its turn, and lets go of what is removed", async () => {
    const f = functionNamed("f");
    await slowOnGpu(f, prepared("a"));
    await call(f, prepared("a"));
    await endWarm("a", 50);
    const giveUp = new AbortController();
    await call(f, prepared("a"));
    await call(f, prepared("a"), giveUp.signal);
    giveUp.abort(new DawnletError("CANCELLED", "enough"));
    sessions.end("a", 50);
    await heard();
    expect(outcomes.slice(2)).toEqual(["ok cpu0", "CANCELLED"]);
    await f.unload("a");
    expect(sessions.told.at(-1)).toBe("close a");
    expect(dispatcher.cluster.functions.size).toBe(0);
    expect(dispatcher.cluster.devices[1]!.usedBytes).toBe(0);
  });
});

function unitOf({ program: { id }, onCpu }: PreparedProgram): Unit {
  const owner = { name: id, version: 1, settings: defaultMemorySettings };
  return {
    ...{ id, name: id, owner, programs: new Set([id]), cpuModel: onCpu!.model },
    ...{ batchLimit: 1, crowdedCalls: 0, adds: () => {} },
  };
}

/** Calls that may go together, at most so many. */
function groupOf(maxRows: number): BatchGroup {
  return {
    ...{ key: "a", maxRows, readySizes: () => "any" as const },
    sizeFor: (rows) => (rows <= maxRows ? rows : undefined),
    want: async () => {},
    merge: () => {
      throw new RangeError("not asked for here");
    },
  };
}
