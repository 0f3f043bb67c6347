/** A scheduler and the reference beside it, through the same events; every step compares them. */
import { expect } from "vitest";
import type { SchedulerAction } from "../../../../gateway/scheduler/core/actions.ts";
import { withEventLog } from "../../../../gateway/scheduler/core/event-log.ts";
import type { SchedulerEvent } from "../../../../gateway/scheduler/core/events.ts";
import { createScheduler, type Scheduler } from "../../../../gateway/scheduler/core/scheduler.ts";
import type { PolicyUnderTest } from "./policies.ts";
import { eventOf, type Move } from "./random-events.ts";
import { ReferenceCluster } from "./reference-cluster.ts";

export class Play {
  readonly reference = new ReferenceCluster();
  readonly scheduler: Scheduler;
  /** One entry an event. */
  readonly actions: (readonly SchedulerAction[])[] = [];
  now = 0;
  readonly #isDiligent: boolean;
  readonly #logged: Scheduler;
  #log = "";

  constructor({ policy, isDiligent }: PolicyUnderTest) {
    this.scheduler = createScheduler(policy);
    this.#logged = withEventLog(this.scheduler, { policy: policy.name }, (line) => {
      this.#log += line;
    });
    this.#isDiligent = isDiligent;
  }

  get log(): string {
    return this.#log;
  }

  through(moves: readonly Move[]): void {
    for (const { afterMs, what } of moves) {
      this.now += afterMs;
      this.#expectRefusal();
      const event = eventOf(what, this.reference);
      if (event !== undefined) this.send(event);
    }
  }

  send(event: SchedulerEvent): void {
    const actions = this.#logged.step(event, this.now);
    this.actions.push(actions);
    this.reference.step(event, this.now, actions);
    this.reference.expectLike(this.scheduler.cluster);
    if (this.#isDiligent) expect(this.reference.neglected()).toEqual([]);
  }

  /** Loads and runs end, and what then begins, until nothing does any more. */
  finish(): void {
    const { reference } = this;
    const most = 50 + 4 * reference.requests.size;
    for (let round = 0; ; round++) {
      expect(round).toBeLessThan(most);
      this.now += 1;
      const loading = reference.loading();
      const runs = [...reference.runs.keys()];
      const [wake] = reference.wakesAt.toSorted((a, b) => a - b);
      for (const [device, { fn }] of loading)
        this.send({ type: "loaded", device: device.id, function: fn.spec.id });
      for (const run of runs) this.send({ type: "ended", run, runMs: 3 });
      if (loading.length + runs.length > 0) continue;
      if (wake === undefined) return;
      this.now = Math.max(this.now, wake);
      this.send({ type: "tick" });
    }
  }

  /** Of what never was, or has gone: refused, and the next comparison finds that nothing has changed. */
  #expectRefusal(): void {
    const gone = this.reference.goneRuns.at(-1) ?? 1_000_000;
    const last = this.reference.requests.size;
    const refused: SchedulerEvent[] = [
      { type: "ended", run: gone, runMs: 1 },
      { type: "failed", run: gone, isRetried: true },
      { type: "device-down", device: "none" },
      { type: "loaded", device: "none", function: "f0" },
      { type: "arrival", request: { id: last + 1, function: "f0", device: "none" } },
      { type: "arrival", request: { id: last, function: "f0" } },
    ];
    const event = refused[this.actions.length % (last === 0 ? 5 : 6)]!;
    expect(() => this.scheduler.step(event, this.now)).toThrow(RangeError);
  }
}
