/**
 * Any events in any order: moves are drawn without knowing what has happened, and become events once it is known what
 * runs, loads and waits. Many of them come late, or are for what has gone.
 */
import fc from "fast-check";
import type { SchedulerEvent } from "../../../../gateway/scheduler/core/events.ts";
import type { DeviceSpec, FunctionSpec, RequestSpec } from "../../../../gateway/scheduler/core/specs.ts";
import type { ReferenceCluster } from "./reference-cluster.ts";
import { deviceSpec, functionSpec } from "./specs.ts";

export interface Move {
  /** Milliseconds since the move before. */
  readonly afterMs: number;
  readonly what: What;
}

type What =
  | { readonly type: "function"; readonly spec: FunctionSpec }
  | { readonly type: "function-removed"; readonly function: string }
  | { readonly type: "device-up"; readonly spec: DeviceSpec }
  | { readonly type: "device-down"; readonly device: string }
  | { readonly type: "budget"; readonly device: string; readonly bytes: number }
  | { readonly type: "arrival"; readonly spec: Omit<RequestSpec, "id"> }
  /** Of any request that ever came. */
  | { readonly type: "cancelled"; readonly pick: number }
  /** Of what is loading, in so far as anything is. */
  | { readonly type: "loaded" | "load-failed"; readonly pick: number; readonly loadMs: number | undefined }
  /** Whether that is there or not. */
  | {
      readonly type: "untimely";
      readonly event: "loaded" | "load-failed" | "evicted" | "resident";
      readonly device: string;
      readonly function: string;
    }
  /** Known or not, there or not. */
  | { readonly type: "wanted" | "unwanted"; readonly device: string; readonly function: string }
  | { readonly type: "ended"; readonly pick: number; readonly runMs: number }
  | { readonly type: "failed"; readonly pick: number; readonly isRetried: boolean }
  | { readonly type: "tick" };

const functionIds = ["f0", "f1", "f2", "f3", "f4", "f5"];
const deviceIds = ["d0", "d1", "d2"];
const classes = ["h200", "v100"];

const pick = fc.nat(20);
const bytes = fc.integer({ min: 0, max: 12 });
const anyFunction = fc.constantFrom(...functionIds);
const anyDevice = fc.constantFrom(...deviceIds);

function rarely<T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
}

const anyFunctionSpec: fc.Arbitrary<FunctionSpec> = fc
  .record({
    id: anyFunction,
    tenant: fc.constantFrom("acme", "acme", "other"),
    tenantWeight: fc.constantFrom(1, 3),
    weightBytes: bytes,
    isPinned: fc.constantFrom(false, false, false, false, false, true),
    batchLimit: fc.integer({ min: 1, max: 4 }),
    occupancy: fc.constantFrom(1, 0.5, 0.25),
    isDivisible: fc.boolean(),
    refusedBy: fc.constantFrom([], [], [], [], ["v100"]),
    priority: fc.constantFrom(0, 0, 1),
    known: fc.constantFrom([], [{ class: "h200", batch: 1, runMs: 4 }]),
    deadlineMs: rarely(fc.constantFrom(0, 20, 1_000)),
    quota: rarely(fc.constantFrom({ request: 0, limit: 0.005 }, { request: 0.3, limit: 0.5 })),
  })
  .map(({ id, ...rest }) => functionSpec(id, defined(rest) as Partial<FunctionSpec>));

/** The bus of a device stays the same. */
const anyDeviceSpec: fc.Arbitrary<DeviceSpec> = fc
  .record({
    id: anyDevice,
    class: fc.constantFrom(...classes),
    budgetBytes: fc.integer({ min: 8, max: 30 }),
    loadBytesPerMs: fc.constantFrom(0.5, 4),
    aheadMs: rarely(fc.constantFrom(5, 30)),
    hasCopyEngine: rarely(fc.constant(false)),
    cutsFromMs: rarely(fc.constant(2)),
  })
  .map(({ id, ...rest }) =>
    deviceSpec(id, { bus: id === "d2" ? "own" : "shared", ...(defined(rest) as Partial<DeviceSpec>) }),
  );

const anyRequest: fc.Arbitrary<Omit<RequestSpec, "id">> = fc
  .record({
    function: fc.constantFrom(...functionIds, ...functionIds, "none"),
    rows: rarely(fc.integer({ min: 1, max: 5 })),
    batchKey: fc.constantFrom(undefined, "a", "a", "b"),
    device: rarely(anyDevice),
    deadline: rarely(fc.nat(500)),
    refuseLate: fc.boolean(),
  })
  .map((spec) => defined(spec) as Omit<RequestSpec, "id">);

const anyWhat: fc.Arbitrary<What> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant("function" as const), spec: anyFunctionSpec }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("function-removed" as const), function: anyFunction }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("device-up" as const), spec: anyDeviceSpec }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("device-down" as const), device: anyDevice }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("budget" as const),
      device: anyDevice,
      bytes: fc.integer({ min: 5, max: 30 }),
    }),
  },
  { weight: 14, arbitrary: fc.record({ type: fc.constant("arrival" as const), spec: anyRequest }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("cancelled" as const), pick }) },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constantFrom("loaded" as const, "loaded" as const, "loaded" as const, "load-failed" as const),
      pick,
      loadMs: rarely(fc.integer({ min: 1, max: 40 })),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("untimely" as const),
      event: fc.constantFrom(...(["loaded", "load-failed", "evicted", "resident", "resident"] as const)),
      device: anyDevice,
      function: anyFunction,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constantFrom("wanted" as const, "unwanted" as const),
      device: anyDevice,
      function: anyFunction,
    }),
  },
  { weight: 9, arbitrary: fc.record({ type: fc.constant("ended" as const), pick, runMs: fc.nat(30) }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant("failed" as const), pick, isRetried: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("tick" as const) }) },
);

/** Every device but one is there from the beginning, and most functions are. */
export const anyMoves: fc.Arbitrary<readonly Move[]> = fc
  .tuple(
    fc.tuple(anyDeviceSpec, anyDeviceSpec),
    fc.array(anyFunctionSpec, { minLength: 3, maxLength: 6 }),
    fc.array(fc.record({ afterMs: fc.constantFrom(0, 0, 1, 7, 60), what: anyWhat }), {
      minLength: 60,
      maxLength: 120,
    }),
  )
  .map(([devices, functions, moves]) => [
    ...devices.map((spec): Move => ({ afterMs: 0, what: { type: "device-up", spec } })),
    ...functions.map((spec): Move => ({ afterMs: 0, what: { type: "function", spec } })),
    ...moves,
  ]);

/** @returns undefined where there is nothing that the move could be about. */
export function eventOf(what: What, reference: ReferenceCluster): SchedulerEvent | undefined {
  const { devices, functions } = reference;
  switch (what.type) {
    case "function":
      // An id belongs to other weights once the old ones are nowhere any more.
      if (functions.get(what.spec.id)?.isRemoved === true && reference.hasTraceOf(what.spec.id))
        return undefined;
      return { type: "function", function: what.spec };
    case "function-removed":
      return { type: "function-removed", function: what.function };
    case "device-up":
      return { type: "device-up", device: what.spec };
    case "device-down":
      return devices.has(what.device) ? { type: "device-down", device: what.device } : undefined;
    case "budget":
      return devices.has(what.device) ? what : undefined;
    case "arrival": {
      const { device } = what.spec;
      if (device !== undefined && !devices.has(device)) return undefined;
      return { type: "arrival", request: { id: reference.requests.size + 1, ...what.spec } };
    }
    case "cancelled":
      return { type: "cancelled", request: what.pick };
    case "loaded":
    case "load-failed": {
      const [device, residence] = pickOf(reference.loading(), what.pick) ?? [];
      if (device === undefined || residence === undefined) return undefined;
      const { type, loadMs } = what;
      const at = { device: device.id, function: residence.fn.spec.id };
      return type === "loaded" && loadMs !== undefined ? { type, ...at, loadMs } : { type, ...at };
    }
    case "untimely":
      if (!devices.has(what.device)) return undefined;
      return { type: what.event, device: what.device, function: what.function };
    case "wanted":
    case "unwanted": {
      if (!devices.has(what.device)) return undefined;
      const at = { device: what.device, function: what.function };
      return what.type === "wanted"
        ? { type: "wanted", ...at }
        : { type: "unwanted", ...at, reason: "at random" };
    }
    case "ended":
    case "failed": {
      const run = pickOf([...reference.runs.keys()], what.pick);
      if (run === undefined) return undefined;
      return what.type === "ended"
        ? { type: "ended", run, runMs: what.runMs }
        : { type: "failed", run, isRetried: what.isRetried };
    }
    case "tick":
      return what;
    default:
      return what satisfies never;
  }
}

function pickOf<T>(list: readonly T[], pick: number): T | undefined {
  return list[pick % list.length];
}

function defined<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
}
