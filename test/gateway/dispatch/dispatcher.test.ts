/** The scheduler at work on devices in memory: what it is told, what it has them do, what callers get. */
import { beforeEach, describe, expect, test, vi } from "vitest";
import type { DeviceSet } from "../../../gateway/devices/device-set.ts";
import { FunctionDevice } from "../../../gateway/devices/function-device.ts";
import type { OwnedProgram } from "../../../gateway/devices/owner.ts";
import { Tenancy } from "../../../gateway/devices/tenancy.ts";
import type { CallWishes } from "../../../gateway/dispatch/dispatched-call.ts";
import { Dispatcher } from "../../../gateway/dispatch/dispatcher.ts";
import type { BatchGroup, MergedCall, PreparedProgram } from "../../../gateway/functions/prepared-call.ts";
import { schedulingPolicies } from "../../../gateway/scheduler/policies/policies.ts";
import { DawnletError } from "../../../kernels/errors.ts";
import { defaultMemorySettings } from "../../../kernels/manifest/memory-settings.ts";
import type { ScheduleSettings } from "../../../kernels/manifest/schedule-settings.ts";
import type { FakeDevice } from "../devices/fake-device.ts";
import { fakeDevices, program, settled } from "../devices/fake-devices.ts";
import { listenerOf } from "./dispatcher-listener.ts";

let links: readonly FakeDevice[];
let set: DeviceSet;
let dispatcher: Dispatcher;
let now: number;

function open(
  devices: number,
  policy = schedulingPolicies.deadline,
  tenantWeights: ReadonlyMap<string, number> = new Map(),
): void {
  now = 0;
  const listener = listenerOf(() => dispatcher);
  const tenancy = new Tenancy(tenantWeights);
  ({ links, set } = fakeDevices(devices, { listener, tenancy, now: () => now }));
  dispatcher = new Dispatcher({ devices: set, policy, tenancy, now: () => now });
}

const functionNamed = (name: string, schedule?: ScheduleSettings) =>
  new FunctionDevice(set, { name, version: 1, settings: defaultMemorySettings, schedule }, dispatcher);

const prepared = (of: OwnedProgram, batch?: PreparedProgram["batch"]): PreparedProgram => ({
  ...{ type: "program", program: of, inputs: [], keep: undefined, outputs: [], wanted: undefined, batch },
});

/** Calls, and what has become of each: `ok`, or the code of its error. */
function caller() {
  const outcomes: string[] = [];
  const call = (fn: FunctionDevice, of: PreparedProgram, wishes: CallWishes = {}) => {
    const at = outcomes.push("waits") - 1;
    fn.submit(of, wishes).then(
      ({ device }) => {
        outcomes[at] = `ok ${device}`;
      },
      (error: unknown) => {
        outcomes[at] = error instanceof DawnletError ? error.code : String(error);
      },
    );
  };
  return { call, outcomes };
}

/** After a failure, callers hear of it first. */
const heard = () => vi.waitFor(() => expect(dispatcher.cluster.runs.size).toBe(0));
/** The run of "a" ends, which took so long. */
async function endAfter100(): Promise<void> {
  links[0]!.end("a", undefined, 0, 100);
  await settled();
}
const told = () => links.map((link) => link.told.splice(0));

describe("with one device", () => {
  beforeEach(() => open(1));

  test("a call runs at once, and its caller gets what the device answers", async () => {
    const { call, outcomes } = caller();
    call(functionNamed("f"), prepared(program("a", 1)));
    expect(told()).toEqual([["run a"]]);
    expect(outcomes).toEqual(["waits"]);
    links[0]!.end("a");
    await settled();
    expect(outcomes).toEqual(["ok gpu0"]);
    expect(dispatcher.cluster.requests.size).toBe(0);
    expect(dispatcher.waiting).toBe(0);
  });

  test("an error of the device is the caller's, and the next call runs", async () => {
    const { call, outcomes } = caller();
    const f = functionNamed("f");
    call(f, prepared(program("a", 1)));
    links[0]!.end("a", new DawnletError("INVALID_SHADER", "no"));
    await heard();
    call(f, prepared(program("a", 1)));
    links[0]!.end("a");
    await settled();
    expect(outcomes).toEqual(["INVALID_SHADER", "ok gpu0"]);
  });

  test("long runs go one at a time, the one that is due first before those that came earlier", async () => {
    const { call } = caller();
    const f = functionNamed("f");
    const slow = (id: string) => prepared(program(id, 0));
    // So that the scheduler knows how long they take.
    for (const id of ["a", "b", "c"]) {
      call(f, slow(id));
      links[0]!.end(id, undefined, 0, 100);
      await settled();
    }
    told();
    call(f, slow("a"));
    call(f, slow("b"), { deadlineMs: 10_000 });
    call(f, slow("c"), { deadlineMs: 300 });
    expect(told()).toEqual([["run a"]]);
    await endAfter100();
    expect(told()).toEqual([["run c"]]);
  });

  test("who would be late and wants to be told is told at once; who does not is answered late", async () => {
    const { call, outcomes } = caller();
    const f = functionNamed("f");
    call(f, prepared(program("a", 0)));
    await endAfter100();
    call(f, prepared(program("a", 0)), { deadlineMs: 50, refuseLate: true });
    call(f, prepared(program("a", 0)), { deadlineMs: 500, refuseLate: true });
    await settled();
    expect(outcomes).toEqual(["ok gpu0", "DEADLINE_EXCEEDED", "waits"]);
    call(f, prepared(program("a", 0)), { deadlineMs: 50 });
    for (let i = 0; i < 2; i++) {
      await endAfter100();
    }
    expect(outcomes.slice(2)).toEqual(["ok gpu0", "ok gpu0"]);
  });

  test("the deadline of its manifest holds for calls that state none", async () => {
    const { call, outcomes } = caller();
    const f = functionNamed("f", { deadlineMs: 50 });
    call(f, prepared(program("a", 0)));
    await endAfter100();
    call(f, prepared(program("a", 0)), { refuseLate: true });
    await settled();
    expect(outcomes).toEqual(["ok gpu0", "DEADLINE_EXCEEDED"]);
  });

  test("a deadline that changes holds for calls that come afterwards; those that wait keep theirs", async () => {
    const { call } = caller();
    const [f, g] = [functionNamed("f", { deadlineMs: 10_000 }), functionNamed("g", { deadlineMs: 5_000 })];
    for (const [fn, id] of [
      [f, "a"],
      [g, "b"],
    ] as const) {
      call(fn, prepared(program(id, 0)));
      links[0]!.end(id, undefined, 0, 100);
      await settled();
    }
    told();
    for (const fn of [f, f]) call(fn, prepared(program("a", 0)));
    const before = [...dispatcher.cluster.requests.values()].map(({ deadline }) => deadline);
    expect(before).toEqual([10_000, 10_000]);
    f.configure(defaultMemorySettings, { deadlineMs: 1_000 });
    call(g, prepared(program("b", 0)));
    await endAfter100();
    // Not yet that of the function as it is now: it came before.
    expect(told()).toEqual([["run a", "run b"]]);
    call(f, prepared(program("a", 0)));
    expect([...dispatcher.cluster.requests.values()].map(({ deadline }) => deadline)).toEqual([
      ...[10_000, 5_000, 1_000],
    ]);
  });

  test("a call that waits for its quota runs by itself, however early timers are", async () => {
    const { call } = caller();
    // A tenth of a second is a little more than it may have: it waits for some 10 ms.
    const f = functionNamed("f", { quota: { request: 0.01, limit: 0.099 } });
    call(f, prepared(program("a", 0)));
    await endAfter100();
    call(f, prepared(program("a", 0)));
    told();
    // The clock stands still, and timers go off.
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(told()).toEqual([[]]);
    now = 20;
    await vi.waitFor(() => expect(told()).toEqual([["run a"]]));
  });

  test("a quota that changes holds at once, for calls that wait as well", async () => {
    const { call } = caller();
    const quota = (limit: number) => ({ quota: { request: 0.01, limit } });
    const f = functionNamed("f", quota(0.05));
    call(f, prepared(program("a", 0)));
    await endAfter100();
    call(f, prepared(program("a", 0)));
    // It has had a tenth of a second.
    expect(told()).toEqual([["run a"]]);
    expect(dispatcher.waiting).toBe(1);
    f.configure(defaultMemorySettings, quota(0.5));
    expect(told()).toEqual([["run a"]]);
    await endAfter100();
    f.configure(defaultMemorySettings, quota(0.05));
    call(f, prepared(program("a", 0)));
    expect(told()).toEqual([[]]);
    f.configure(defaultMemorySettings, {});
    expect(told()).toEqual([["run a"]]);
  });

  test("tenants that want more than there is get shares by their weights", async () => {
    open(1, schedulingPolicies.deadline, new Map([["acme", 3]]));
    const { call } = caller();
    const rest = { version: 1, settings: defaultMemorySettings };
    const owned = { a: "acme", b: "beta" };
    const functions = Object.entries(owned).map(([id, tenant]) => ({
      fn: new FunctionDevice(set, { ...rest, name: id, tenant }, dispatcher),
      program: prepared(program(id, 0)),
    }));
    const ended = async (run: string) => {
      links[0]!.end(run.slice("run ".length), undefined, 0, 100);
      await settled();
    };
    for (const { fn, program: of } of functions) {
      call(fn, of);
      await ended(`run ${fn.owner.name}`);
    }
    told();
    for (let i = 0; i < 20; i++) for (const { fn, program: of } of functions) call(fn, of);
    const runs: string[] = [];
    for (let i = 0; i < 24; i++) {
      const [given = []] = told();
      runs.push(...given);
      await ended(given[0]!);
    }
    const share = runs.filter((run) => run === "run a").length / runs.length;
    expect(share).toBeGreaterThan(0.7);
    expect(share).toBeLessThan(0.8);
  });

  test("the scheduler hears of settings that change, and of no others", () => {
    const { call } = caller();
    const f = functionNamed("f", { deadlineMs: 50 });
    call(f, prepared(program("a", 0)));
    const [fn] = dispatcher.cluster.functions.values();
    const spec = fn!.spec;
    f.configure(f.owner.settings);
    expect(fn!.spec).toBe(spec);
    f.configure({ ...defaultMemorySettings, priority: 3 });
    expect(fn!.spec).toMatchObject({ priority: 3, deadlineMs: 50 });
  });

  test("a call that is given up while it waits never runs", async () => {
    const { call, outcomes } = caller();
    const f = functionNamed("f");
    call(f, prepared(program("a", 0)));
    await endAfter100();
    told();
    const giveUp = new AbortController();
    call(f, prepared(program("a", 0)));
    call(f, prepared(program("a", 0)), { signal: giveUp.signal });
    giveUp.abort(new DawnletError("CANCELLED", "enough"));
    await endAfter100();
    expect(outcomes.slice(1)).toEqual(["ok gpu0", "CANCELLED"]);
    expect(told()).toEqual([["run a"]]);
    expect(dispatcher.cluster.requests.size).toBe(0);
  });

  test("weights that do not fit beside others make them leave, and what can never fit is refused by the device", async () => {
    const { call, outcomes } = caller();
    const f = functionNamed("f");
    for (const id of ["a", "b"]) {
      call(f, prepared(program(id, 4)));
      links[0]!.end(id);
      await settled();
    }
    expect(told()).toEqual([["run a", "evict a", "run b"]]);
    call(f, prepared(program("huge", 100)));
    await settled();
    expect(outcomes).toEqual(["ok gpu0", "ok gpu0", "OUT_OF_MEMORY"]);
  });

  test("what is not to run any more when its turn has come does not run", async () => {
    const { call, outcomes } = caller();
    const f = functionNamed("f");
    let refusal: DawnletError | undefined;
    call(f, prepared(program("a", 0)), { refusal: () => refusal });
    await endAfter100();
    for (let i = 0; i < 3; i++) call(f, prepared(program("a", 0)), { refusal: () => refusal });
    refusal = new DawnletError("QUARANTINED", "no more");
    links[0]!.end("a", new DawnletError("TIME_LIMIT_EXCEEDED", "too long"));
    await heard();
    expect(outcomes).toEqual(["ok gpu0", "TIME_LIMIT_EXCEEDED", "QUARANTINED", "QUARANTINED"]);
    expect(told()).toEqual([["run a", "run a"]]);
  });

  test("a function that is removed leaves nothing behind", async () => {
    const { call, outcomes } = caller();
    const f = functionNamed("f");
    call(f, prepared(program("a", 1)));
    links[0]!.end("a");
    await settled();
    expect(dispatcher.cluster.functions.size).toBe(1);
    await f.unload("a");
    expect(dispatcher.cluster.functions.size).toBe(0);
    expect(dispatcher.cluster.devices[0]!.usedBytes).toBe(0);
    expect(outcomes).toEqual(["ok gpu0"]);
  });

  test("when it stops, what waits is refused, what runs ends, and nothing begins any more", async () => {
    const { call, outcomes } = caller();
    const f = functionNamed("f");
    call(f, prepared(program("a", 0)));
    await endAfter100();
    for (let i = 0; i < 3; i++) call(f, prepared(program("a", 0)));
    told();
    dispatcher.stop();
    call(f, prepared(program("a", 0)));
    await endAfter100();
    expect(outcomes.slice(1)).toEqual(["ok gpu0", "UNAVAILABLE", "UNAVAILABLE", "UNAVAILABLE"]);
    expect(told()).toEqual([[]]);
    expect(dispatcher.waiting).toBe(0);
  });

  test("what a profile has measured is expected until runs say more", async () => {
    const { call, outcomes } = caller();
    const f = functionNamed("f");
    f.owner.profiled = [{ class: "gpu0", batch: 1, runMs: 500 }];
    call(f, prepared(program("a", 0)), { deadlineMs: 100, refuseLate: true });
    await settled();
    expect(outcomes).toEqual(["DEADLINE_EXCEEDED"]);
    f.owner.profiled = [{ class: "another", batch: 1, runMs: 500 }];
    call(functionNamed("g"), prepared(program("b", 0)), { deadlineMs: 100, refuseLate: true });
    expect(told()).toEqual([["run b"]]);
  });

  test("what pins leave no room for is refused at once and told why, and called again when they go", async () => {
    const { call, outcomes } = caller();
    const pinning = functionNamed("pinning");
    pinning.configure({ ...defaultMemorySettings, pin: true });
    await pinning.load(program("a", 5));
    call(pinning, prepared(program("a", 5)));
    const f = functionNamed("f");
    call(f, prepared(program("b", 3)));
    await settled();
    expect(outcomes).toEqual(["waits", "OUT_OF_MEMORY"]);
    await expect(f.submit(prepared(program("b", 3)), {})).rejects.toThrow(/pinned functions leave no room/);
    links[0]!.end("a");
    await heard();
    pinning.configure(defaultMemorySettings);
    told();
    call(f, prepared(program("b", 3)));
    expect(told()).toEqual([["evict a", "run b"]]);
  });

  test("a tenant's pin that is not in force is none for the scheduler, until it is", async () => {
    open(1, schedulingPolicies.deadline, new Map([["bob", 1]]));
    const bobs = (name: string) =>
      new FunctionDevice(
        set,
        { name, version: 1, settings: { ...defaultMemorySettings, pin: true }, tenant: "bob" },
        dispatcher,
      );
    const { call } = caller();
    const [first, second] = [bobs("first"), bobs("second")];
    call(first, prepared(program("a", 2)));
    call(second, prepared(program("b", 2)));
    const isPinned = () => [...dispatcher.cluster.functions.values()].map(({ spec }) => spec.isPinned);
    expect(isPinned()).toEqual([true, false]);
    first.configure(defaultMemorySettings);
    expect(isPinned()).toEqual([false, true]);
  });

  test("counts its decisions", async () => {
    const { call } = caller();
    const f = functionNamed("f");
    call(f, prepared(program("a", 0)));
    call(f, prepared(program("huge", 100)));
    expect(dispatcher.counts).toEqual({
      ...{ runs: 1, calls: 1, loads: 0, evictions: 0 },
      refused: { late: 0, "queue-full": 0, removed: 0, unknown: 0, "too-large": 1 },
    });
  });

  test("calls of one function that wait together run as one, and each gets its own part", async () => {
    const rows = (count: number): PreparedProgram["batch"] => ({ group: groupOf(8), rows: count });
    const { call, outcomes } = caller();
    const f = functionNamed("f");
    call(f, prepared(program("a", 0)));
    await endAfter100();
    told();
    for (let i = 0; i < 4; i++) call(f, prepared(program("a", 0), rows(1)));
    expect(told()).toEqual([["run a"]]);
    await endAfter100();
    expect(told()).toEqual([["run a*3"]]);
    links[0]!.end("a*3", undefined, 0, 110);
    await settled();
    expect(outcomes.slice(1)).toEqual(["ok gpu0", "ok part0", "ok part1", "ok part2"]);
  });

  test("where a run of several fails, each call runs alone and gets its own error", async () => {
    const rows: PreparedProgram["batch"] = { group: groupOf(8), rows: 1 };
    const { call, outcomes } = caller();
    const f = functionNamed("f");
    call(f, prepared(program("a", 0)));
    await endAfter100();
    for (let i = 0; i < 3; i++) call(f, prepared(program("a", 0), rows));
    await endAfter100();
    links[0]!.end("a*2", new DawnletError("DEVICE_LOST", "gone"));
    await vi.waitFor(() => expect(links[0]!.running).toHaveLength(2));
    links[0]!.end("a", new DawnletError("TIME_LIMIT_EXCEEDED", "mine"));
    await endAfter100();
    expect(outcomes.slice(1)).toEqual(["ok gpu0", "TIME_LIMIT_EXCEEDED", "ok gpu0"]);
  });
});

describe("with two devices", () => {
  beforeEach(() => open(2));

  test("calls go where their weights are, and elsewhere where that is answered sooner", async () => {
    const { call, outcomes } = caller();
    const f = functionNamed("f");
    const g = functionNamed("g");
    call(f, prepared(program("a", 1)));
    call(g, prepared(program("b", 1)));
    expect(told().map((one) => one.length)).toEqual([1, 1]);
    for (const link of links) link.end(link.running[0]!.id);
    await settled();
    const [first, second] = outcomes;
    call(f, prepared(program("a", 1)));
    call(g, prepared(program("b", 1)));
    for (const link of links) for (const { id } of [...link.running]) link.end(id);
    await settled();
    expect(outcomes.slice(2)).toEqual([first, second]);
  });

  test("a device that is down gets nothing, and what waits for all of them runs when one is back", async () => {
    const { call, outcomes } = caller();
    const f = functionNamed("f");
    const isUp = (device: number, up: boolean) => {
      // Another process is on its way, and does not come.
      Object.assign(links[device]!, { isUp: up, describe: () => new Promise(() => {}) });
      set.upChanged(device, up);
    };
    isUp(0, false);
    call(f, prepared(program("a", 1)));
    expect(told()).toEqual([[], ["run a"]]);
    links[1]!.end("a");
    await settled();
    isUp(1, false);
    call(f, prepared(program("a", 1)));
    expect(told()).toEqual([[], []]);
    isUp(0, true);
    await settled();
    links[0]!.end("a");
    await settled();
    expect(outcomes).toEqual(["ok gpu1", "ok gpu0"]);
  });
});

/** Calls of "a", merged as "a*<rows>", at most so many; what is split says which part it is. */
function groupOf(maxRows: number): BatchGroup {
  return {
    key: "a",
    maxRows,
    readySizes: () => "any",
    sizeFor: (rows) => (rows <= maxRows ? rows : undefined),
    want: async () => {},
    merge(calls): MergedCall {
      return {
        program: program(`a*${calls.length}`, 0),
        inputs: [],
        rows: calls.length,
        split: (run) => calls.map((_, i) => ({ ...run, device: `part${i}` })),
      };
    },
  };
}
