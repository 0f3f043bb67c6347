/**
 * A scheduler in the hands of chance: arrivals, cancellations, ends, failures, lost devices and changing budgets in any
 * order. Beside it a record of its own of what waits, runs and lies where, with which each action has to agree.
 */
import fc from "fast-check";
import { expect } from "vitest";
import type { SchedulerAction } from "../../../../gateway/scheduler/core/actions.ts";
import type { SchedulerEvent } from "../../../../gateway/scheduler/core/events.ts";
import type { SchedulingPolicy } from "../../../../gateway/scheduler/core/policy.ts";
import { createScheduler } from "../../../../gateway/scheduler/core/scheduler.ts";
import type { DeviceSpec, FunctionSpec } from "../../../../gateway/scheduler/core/specs.ts";

const budgetBytes = 100;
const deviceIds = ["a", "b", "c"];

export type Command =
  | { readonly type: "call"; readonly fn: number; readonly device: number | undefined }
  | { readonly type: "cancel" | "end" | "retry" | "fail" | "load" | "load-failed"; readonly which: number }
  | { readonly type: "down" | "up"; readonly device: number }
  | { readonly type: "budget"; readonly device: number; readonly bytes: number }
  | { readonly type: "wanted" | "unwanted"; readonly fn: number; readonly device: number }
  | { readonly type: "wait"; readonly ms: number };

const which = fc.nat(20);
const device = fc.nat(deviceIds.length - 1);

export const anyCommands: fc.Arbitrary<readonly Command[]> = fc.array(
  fc.oneof(
    {
      weight: 10,
      arbitrary: fc.record({
        type: fc.constant("call" as const),
        fn: fc.nat(20),
        device: fc.option(device, { nil: undefined, freq: 6 }),
      }),
    },
    {
      weight: 12,
      arbitrary: fc.record({ type: fc.constantFrom("end" as const, "load" as const), which }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        type: fc.constantFrom("cancel" as const, "retry" as const, "fail" as const, "load-failed" as const),
        which,
      }),
    },
    { weight: 2, arbitrary: fc.record({ type: fc.constantFrom("down" as const, "up" as const), device }) },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant("budget" as const),
        device,
        bytes: fc.constantFrom(0, 30, 60, budgetBytes),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constantFrom("wanted" as const, "unwanted" as const),
        fn: fc.nat(20),
        device,
      }),
    },
    { weight: 3, arbitrary: fc.record({ type: fc.constant("wait" as const), ms: fc.nat(3_000) }) },
  ),
  // Without a size fast-check seldom goes beyond ten.
  { maxLength: 120, size: "max" },
);

/** Any of them fits a device that has its whole budget. */
export const anyFunctions: fc.Arbitrary<readonly FunctionSpec[]> = fc
  .array(
    fc.record({
      weightBytes: fc.constantFrom(10, 30, 40, 60, budgetBytes),
      occupancy: fc.constantFrom(0.1, 0.5, 1),
      deadlineMs: fc.constantFrom(5, 100, 10_000),
      quota: fc.constantFrom(
        { request: 0, limit: 1 },
        { request: 0.2, limit: 0.4 },
        { request: 0.5, limit: 1 },
      ),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((specs) => specs.map((spec, i) => ({ ...spec, id: `f${i}`, tenant: "t", coldStartMs: 100 })));

interface Lying {
  readonly bytes: number;
  leases: number;
  isLoading: boolean;
  isAhead: boolean;
}

interface PlayedDevice {
  readonly id: string;
  isUp: boolean;
  budgetBytes: number;
  readonly lying: Map<string, Lying>;
}

interface PlayedRun {
  readonly run: number;
  readonly device: PlayedDevice;
  readonly function: string;
  readonly requests: readonly number[];
}

export class RandomPlay {
  readonly log: { readonly now: number; readonly event: SchedulerEvent }[] = [];
  readonly actions: (readonly SchedulerAction[])[] = [];
  readonly waiting = new Set<number>();
  readonly #running = new Set<number>();
  readonly #refusals: "of the homeless" | "any";
  /** What each was a call of, and where its inputs lie. */
  readonly #calls = new Map<number, { readonly weightBytes: number; readonly device: string | undefined }>();
  readonly #functions: readonly FunctionSpec[];
  readonly #devices: readonly PlayedDevice[];
  readonly #runs: PlayedRun[] = [];
  readonly #scheduler;
  #now = 0;
  #wakeAt = Number.POSITIVE_INFINITY;
  #lastRequest = 0;

  /** @param refusals whether only that may be rejected which fits no device's budget. */
  constructor(
    policy: SchedulingPolicy,
    functions: readonly FunctionSpec[],
    refusals: "of the homeless" | "any",
  ) {
    this.#refusals = refusals;
    this.#scheduler = createScheduler(policy);
    this.#functions = functions;
    this.#devices = deviceIds.map((id) => ({ id, isUp: false, budgetBytes, lying: new Map() }));
    for (const device of this.#devices) this.#up(device);
    for (const spec of functions) this.#hear({ type: "function", function: spec });
  }

  do(command: Command): void {
    switch (command.type) {
      case "call":
        this.#call(command);
        break;
      case "cancel":
        this.#cancel(pick([...this.waiting], command.which));
        break;
      case "end":
        this.#end(pick(this.#runsWithWeights(), command.which));
        break;
      case "retry":
      case "fail":
        this.#fail(pick(this.#runs, command.which), command.type === "retry");
        break;
      case "load":
      case "load-failed":
        this.#load(command.which, command.type);
        break;
      case "down":
        this.#down(this.#devices[command.device]!);
        break;
      case "up":
        this.#up(this.#devices[command.device]!);
        break;
      case "budget":
        this.#setBudget(this.#devices[command.device]!, command.bytes);
        break;
      case "wanted":
      case "unwanted":
        this.#want(command);
        break;
      case "wait":
        this.#waitUntil(this.#now + command.ms);
        break;
      default:
        command satisfies never;
    }
  }

  /** Has all devices up with their budgets, and everything end that was begun, until nothing more happens. */
  finish(): void {
    for (let i = 0; i < deviceIds.length; i++) {
      this.do({ type: "up", device: i });
      this.do({ type: "budget", device: i, bytes: budgetBytes });
    }
    for (let steps = 0; steps < 10_000; steps++) {
      if (this.#runs.length === 0 && this.#loads().length === 0 && this.waiting.size === 0) return;
      if (this.#loads().length > 0) this.do({ type: "load", which: steps });
      else if (this.#runs.length > 0) this.do({ type: "end", which: steps });
      else if (this.#wakeAt < Number.POSITIVE_INFINITY) this.#waitUntil(Math.max(this.#now, this.#wakeAt));
      else return;
    }
    throw new Error("It does not come to an end");
  }

  #call({ fn, device: index }: Extract<Command, { type: "call" }>): void {
    const id = ++this.#lastRequest;
    const device = index === undefined ? undefined : deviceIds[index]!;
    this.waiting.add(id);
    const called = this.#functions[fn % this.#functions.length]!;
    this.#calls.set(id, { weightBytes: called.weightBytes, device });
    this.#hear({
      type: "arrival",
      request: { id, function: called.id, ...(device !== undefined && { device }) },
    });
  }

  #cancel(request: number | undefined): void {
    if (request === undefined) return;
    this.waiting.delete(request);
    this.#hear({ type: "cancelled", request });
  }

  #end(played: PlayedRun | undefined): void {
    if (played === undefined) return;
    this.#close(played);
    for (const request of played.requests) this.#running.delete(request);
    this.#hear({ type: "ended", run: played.run, runMs: 1 + (played.run % 50) });
  }

  #fail(played: PlayedRun | undefined, isRetried: boolean): void {
    if (played === undefined) return;
    const { device, function: fn, requests } = played;
    const lying = device.lying.get(fn)!;
    this.#close(played);
    if (lying.leases === 0 && lying.isLoading) device.lying.delete(fn);
    for (const request of requests) {
      this.#running.delete(request);
      if (isRetried) this.waiting.add(request);
    }
    this.#hear({ type: "failed", run: played.run, isRetried });
  }

  #close(played: PlayedRun): void {
    this.#runs.splice(this.#runs.indexOf(played), 1);
    const { device, function: fn } = played;
    const lying = device.lying.get(fn)!;
    lying.leases--;
    if (lying.leases === 0 && !device.isUp) device.lying.delete(fn);
  }

  #load(which: number, type: "load" | "load-failed"): void {
    const one = pick(this.#loads(), which);
    if (one === undefined) return;
    const { device, fn, lying } = one;
    if (type === "load-failed" && (!lying.isAhead || lying.leases > 1)) return;
    if (lying.isAhead) lying.leases--;
    lying.isAhead = false;
    lying.isLoading = false;
    if (type === "load-failed") device.lying.delete(fn);
    const happened = type === "load" ? "loaded" : "load-failed";
    this.#hear({ type: happened, device: device.id, function: fn });
  }

  /** Its runs fail with it. */
  #down(device: PlayedDevice): void {
    if (!device.isUp) return;
    device.isUp = false;
    for (const [fn, lying] of device.lying) {
      if (lying.isAhead) lying.leases--;
      lying.isAhead = false;
      if (lying.leases === 0) device.lying.delete(fn);
    }
    this.#hear({ type: "device-down", device: device.id });
    for (const played of this.#runs.filter((one) => one.device === device)) {
      device.lying.get(played.function)!.isLoading = false;
      this.#fail(played, true);
    }
  }

  #up(device: PlayedDevice): void {
    if (device.isUp) return;
    device.isUp = true;
    device.budgetBytes = budgetBytes;
    this.#hear({ type: "device-up", device: specOf(device.id) });
  }

  #setBudget(device: PlayedDevice, bytes: number): void {
    device.budgetBytes = bytes;
    this.#hear({ type: "budget", device: device.id, bytes });
  }

  #want({ type, fn, device }: Extract<Command, { type: "wanted" | "unwanted" }>): void {
    const at = { device: deviceIds[device]!, function: this.#functions[fn % this.#functions.length]!.id };
    this.#hear(type === "wanted" ? { type, ...at } : { type, ...at, reason: "not called" });
  }

  #waitUntil(end: number): void {
    while (this.#wakeAt <= end) {
      this.#now = Math.max(this.#now, this.#wakeAt);
      this.#wakeAt = Number.POSITIVE_INFINITY;
      this.#hear({ type: "tick" });
    }
    this.#now = end;
  }

  #hear(event: SchedulerEvent): void {
    this.log.push({ now: this.#now, event });
    const actions = this.#scheduler.step(event, this.#now);
    this.actions.push(actions);
    for (const action of actions) this.#obey(action);
  }

  #obey(action: SchedulerAction): void {
    switch (action.type) {
      case "run":
        this.#run(action);
        break;
      case "load":
        this.#place(this.#device(action.device), action.function, true);
        break;
      case "evict": {
        const { lying } = this.#device(action.device);
        expect(lying.get(action.function)?.leases).toBe(0);
        lying.delete(action.function);
        break;
      }
      case "reject":
        expect(this.waiting.delete(action.request)).toBe(true);
        if (this.#refusals === "of the homeless") expect(this.#isHomeless(action.request)).toBe(true);
        break;
      case "wake":
        this.#wakeAt = Math.min(this.#wakeAt, action.at);
        break;
      default:
        action satisfies never;
    }
  }

  #run({ run, device: id, function: fn, requests, isCold }: Extract<SchedulerAction, { type: "run" }>): void {
    const device = this.#device(id);
    expect(device.isUp).toBe(true);
    expect(isCold).toBe(!device.lying.has(fn));
    const lying = isCold ? this.#place(device, fn, false) : device.lying.get(fn)!;
    lying.leases++;
    for (const request of requests) {
      expect(this.waiting.delete(request)).toBe(true);
      expect(this.#running.has(request)).toBe(false);
      this.#running.add(request);
    }
    this.#runs.push({ run, device, function: fn, requests });
  }

  #place(device: PlayedDevice, fn: string, isAhead: boolean): Lying {
    expect(device.lying.has(fn)).toBe(false);
    const bytes = this.#functions.find(({ id }) => id === fn)!.weightBytes;
    const lying: Lying = { bytes, leases: isAhead ? 1 : 0, isLoading: true, isAhead };
    device.lying.set(fn, lying);
    const used = [...device.lying.values()].reduce((sum, one) => sum + one.bytes, 0);
    expect(used).toBeLessThanOrEqual(device.budgetBytes);
    return lying;
  }

  #isHomeless(request: number): boolean {
    const { weightBytes, device } = this.#calls.get(request)!;
    return !this.#devices.some(
      (one) => one.budgetBytes >= weightBytes && (device === undefined || device === one.id),
    );
  }

  #device(id: string): PlayedDevice {
    return this.#devices.find((one) => one.id === id)!;
  }

  #runsWithWeights(): readonly PlayedRun[] {
    return this.#runs.filter(({ device, function: fn }) => !device.lying.get(fn)!.isLoading);
  }

  #loads(): { readonly device: PlayedDevice; readonly fn: string; readonly lying: Lying }[] {
    return this.#devices.flatMap((device) =>
      [...device.lying]
        .filter(([, { isLoading }]) => isLoading)
        .map(([fn, lying]) => ({ device, fn, lying })),
    );
  }
}

function specOf(id: string): DeviceSpec {
  const bus = id === "c" ? "other" : "shared";
  return { id, class: "gpu", node: "n", bus, budgetBytes, loadBytesPerMs: 1 };
}

function pick<T>(from: readonly T[], index: number): T | undefined {
  return from[index % from.length];
}
