/**
 * Events as a log holds them, checked when they are read: what events.ts and specs.ts say, as a schema. What JSON has
 * none of, numbers without end and NaN, are texts there.
 */
import * as v from "valibot";
import type { SchedulerEvent } from "./events.ts";

export interface TimedEvent {
  /** Milliseconds, on the clock of whoever sent the event. */
  readonly now: number;
  readonly event: SchedulerEvent;
}

/** For JSON.stringify. NaN is a defect of whoever sends it, and a log is there to find it. */
export function withEndlessNumbers(_key: string, value: unknown): unknown {
  return typeof value !== "number" || Number.isFinite(value) ? value : String(value);
}

const number = v.union([
  v.number(),
  v.pipe(v.picklist(["Infinity", "-Infinity", "NaN"]), v.transform(Number)),
]);
const count = v.pipe(v.number(), v.integer(), v.minValue(1));
const id = v.pipe(v.number(), v.integer());
const name = v.string();

const functionSpec = v.strictObject({
  id: name,
  tenant: name,
  tenantWeight: v.exactOptional(number),
  weightBytes: number,
  deadlineMs: v.exactOptional(number),
  batchLimit: v.exactOptional(number),
  quota: v.exactOptional(v.strictObject({ request: number, limit: number })),
  occupancy: v.exactOptional(number),
  isDivisible: v.exactOptional(v.boolean()),
  coldStartMs: v.exactOptional(number),
  isPinned: v.exactOptional(v.boolean()),
  keepAliveMs: v.exactOptional(number),
  priority: v.exactOptional(number),
  refusedBy: v.exactOptional(v.array(name)),
  known: v.exactOptional(v.array(v.strictObject({ class: name, batch: count, runMs: number }))),
});

const deviceSpec = v.strictObject({
  id: name,
  class: name,
  node: name,
  bus: name,
  budgetBytes: number,
  loadBytesPerMs: number,
  loadFixedMs: v.exactOptional(number),
  fixedBytes: v.exactOptional(number),
  aheadMs: v.exactOptional(number),
  hasCopyEngine: v.exactOptional(v.boolean()),
  cutsFromMs: v.exactOptional(number),
});

const requestSpec = v.strictObject({
  id,
  function: name,
  deadline: v.exactOptional(number),
  refuseLate: v.exactOptional(v.boolean()),
  rows: v.exactOptional(count),
  batchKey: v.exactOptional(name),
  device: v.exactOptional(name),
});

const event = v.variant("type", [
  v.strictObject({ type: v.literal("function"), function: functionSpec }),
  v.strictObject({ type: v.literal("function-removed"), function: name }),
  v.strictObject({ type: v.literal("device-up"), device: deviceSpec }),
  v.strictObject({ type: v.literal("device-down"), device: name }),
  v.strictObject({ type: v.literal("budget"), device: name, bytes: number }),
  v.strictObject({ type: v.literal("arrival"), request: requestSpec }),
  v.strictObject({ type: v.literal("cancelled"), request: id }),
  v.strictObject({
    type: v.literal("loaded"),
    device: name,
    function: name,
    loadMs: v.exactOptional(number),
  }),
  v.strictObject({ type: v.literal("resident"), device: name, function: name }),
  v.strictObject({ type: v.literal("load-failed"), device: name, function: name }),
  v.strictObject({ type: v.literal("evicted"), device: name, function: name }),
  v.strictObject({ type: v.literal("wanted"), device: name, function: name }),
  v.strictObject({ type: v.literal("unwanted"), device: name, function: name, reason: v.string() }),
  v.strictObject({ type: v.literal("ended"), run: id, runMs: number }),
  v.strictObject({ type: v.literal("failed"), run: id, isRetried: v.boolean() }),
  v.strictObject({ type: v.literal("tick") }),
]);

export const timedEventSchema: v.GenericSchema<unknown, TimedEvent> = v.strictObject({ now: number, event });
