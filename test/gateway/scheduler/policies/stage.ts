/**
 * A scheduler with devices that do as it says, in a time of its own: loads and runs end after the times that a test gave.
 * Runs of one device go side by side where the policy gives it several; a run begins when its weights are there.
 */
import type { SchedulerAction } from "../../../../gateway/scheduler/core/actions.ts";
import type { SchedulerEvent } from "../../../../gateway/scheduler/core/events.ts";
import type { SchedulingPolicy } from "../../../../gateway/scheduler/core/policy.ts";
import { createScheduler, type Scheduler } from "../../../../gateway/scheduler/core/scheduler.ts";
import type { DeviceSpec, FunctionSpec, RequestSpec } from "../../../../gateway/scheduler/core/specs.ts";

interface Times {
  readonly loadMs?: number;
  readonly runMs?: number;
}

/** What was done, when. */
export type Done = SchedulerAction & { readonly at: number };

export class Stage {
  readonly scheduler: Scheduler;
  readonly done: Done[] = [];
  now = 0;
  /** Loads are told with what they took; else what was said of the device stays what is known. */
  measures = false;
  readonly #times = new Map<string, Required<Times>>();
  readonly #coming: { at: number; order: number; event: SchedulerEvent }[] = [];
  readonly #loadedAt = new Map<string, number>();
  #order = 0;
  #lastRequest = 0;

  constructor(policy: SchedulingPolicy) {
    this.scheduler = createScheduler(policy);
  }

  device(id: string, spec: Partial<DeviceSpec> = {}): void {
    const given = { id, class: "gpu", node: "n", bus: id, budgetBytes: 100, loadBytesPerMs: 1, ...spec };
    this.hear({ type: "device-up", device: given });
  }

  /** Its runs take 10 ms and its load 10 ms where nothing is said; it knows how long its runs take. */
  function(id: string, spec: Partial<FunctionSpec> = {}, { loadMs = 10, runMs = 10 }: Times = {}): void {
    this.#times.set(id, { loadMs, runMs });
    const known = [{ class: "gpu", batch: 1, runMs }];
    this.hear({ type: "function", function: { id, tenant: "t", weightBytes: 10, known, ...spec } });
  }

  /** @returns the request's number: 1, 2, 3. */
  call(fn: string, { at = this.now, ...spec }: { at?: number } & Partial<RequestSpec> = {}): number {
    const id = ++this.#lastRequest;
    this.at(at, { type: "arrival", request: { id, function: fn, ...spec } });
    if (at === this.now) this.until(at);
    return id;
  }

  at(at: number, event: SchedulerEvent): void {
    this.#coming.push({ at, order: ++this.#order, event });
  }

  hear(event: SchedulerEvent): void {
    for (const action of this.scheduler.step(event, this.now)) this.#do(action);
  }

  /** Lets everything happen that is due by then. */
  until(end: number): void {
    for (;;) {
      this.#coming.sort((a, b) => a.at - b.at || a.order - b.order);
      const next = this.#coming[0];
      if (next === undefined || next.at > end) break;
      this.#coming.shift();
      this.now = Math.max(this.now, next.at);
      this.hear(next.event);
    }
    this.now = Math.max(this.now, end);
  }

  /** `f@a` for each run, in order; `f@a!` where it was cold. */
  get runs(): string[] {
    return this.done.flatMap((one) =>
      one.type === "run" ? [`${one.function}@${one.device}${one.isCold ? "!" : ""}`] : [],
    );
  }

  /** Points in time at which runs were given. */
  get runTimes(): number[] {
    return this.done.flatMap((one) => (one.type === "run" ? [one.at] : []));
  }

  get evictions(): string[] {
    return this.done.flatMap((one) => (one.type === "evict" ? [`${one.function}@${one.device}`] : []));
  }

  get rejections(): string[] {
    return this.done.flatMap((one) => (one.type === "reject" ? [`${one.request}: ${one.reason}`] : []));
  }

  #do(action: SchedulerAction): void {
    const { now } = this;
    this.done.push({ ...action, at: now });
    if (action.type === "wake") this.at(action.at, { type: "tick" });
    if (action.type !== "run" && action.type !== "load") return;
    const { device, function: fn } = action;
    const { loadMs, runMs } = this.#times.get(fn)!;
    const key = `${fn}@${device}`;
    if (action.type === "load" || action.isCold) {
      this.#loadedAt.set(key, now + loadMs);
      const measured = this.measures ? { loadMs } : {};
      this.at(now + loadMs, { type: "loaded", device, function: fn, ...measured });
    }
    if (action.type !== "run") return;
    const beginsAt = Math.max(now, this.#loadedAt.get(key) ?? now);
    this.at(beginsAt + runMs, { type: "ended", run: action.run, runMs });
  }
}
