/**
 * What a device computes. Each run fills a part of it; where those that run side by side fill no more than all of it each
 * goes as fast as alone, beyond that all are slowed down alike. What the device does not begin yet waits in its queue. What it
 * cuts lets others in between: they go side by side, each as much slower as both are too much for the device. What comes back
 * from it has left it to others, and is only then done.
 */
import type { CoreUser, SharedCores } from "./shared-cores.ts";

export interface ComputeJob {
  /** Milliseconds alone on the device that are left. */
  leftMs: number;
  /** Milliseconds that it takes to come back, in which it fills nothing of the device. Left out: none. */
  readonly returnMs?: number;
  /** 0 to 1. */
  readonly occupancy: number;
  /** Others go in between its parts, as if they did not have to wait for it. */
  readonly isCut?: boolean;
  readonly done: () => void;
}

export class ComputeModel implements CoreUser {
  readonly #fullFrom: number;
  readonly #schedule: (at: number, job: () => void) => void;
  readonly #cores: SharedCores | undefined;
  readonly #active: ComputeJob[] = [];
  readonly #returning: ComputeJob[] = [];
  readonly #queue: ComputeJob[] = [];
  #at = 0;
  #speed = 1;
  #version = 0;
  /** Sum of what was filled, in device milliseconds. */
  filledMs = 0;
  /** Milliseconds in which something ran. */
  busyMs = 0;

  /**
   * @param fullFrom begins a run while those that go on fill less of the device: 0 for one after another, infinity for all
   *   at once.
   * @param cores that it computes on, where others do as well.
   */
  constructor(fullFrom: number, schedule: (at: number, job: () => void) => void, cores?: SharedCores) {
    this.#fullFrom = fullFrom;
    this.#schedule = schedule;
    this.#cores = cores;
    cores?.join(this);
  }

  get busyParts(): number {
    return this.#active.length + this.#returning.length > 0 ? 1 : 0;
  }

  /** Milliseconds until now in which nothing ran. */
  idleMs(now: number): number {
    return now - this.busyMs - (this.#active.length > 0 ? now - this.#at : 0);
  }

  add(now: number, job: ComputeJob): void {
    this.advance(now);
    this.#queue.push(job);
    this.#begin();
    this.#changed(now);
  }

  advance(now: number): void {
    const elapsed = now - this.#at;
    this.#at = now;
    if (elapsed <= 0) return;
    const slowness = this.#cores?.runs ?? 1;
    for (const job of this.#returning) job.leftMs -= elapsed / slowness;
    if (this.#active.length === 0) return;
    this.busyMs += elapsed;
    const speed = this.#speed / slowness;
    for (const job of this.#active) {
      job.leftMs -= elapsed * speed;
      this.filledMs += elapsed * speed * job.occupancy;
    }
  }

  plan(now: number): void {
    let filled = 0;
    let soonest = Number.POSITIVE_INFINITY;
    for (const { occupancy, leftMs } of this.#active) {
      filled += occupancy;
      if (leftMs < soonest) soonest = leftMs;
    }
    this.#speed = filled > 1 ? 1 / filled : 1;
    let restMs = soonest / this.#speed;
    for (const { leftMs } of this.#returning) restMs = Math.min(restMs, leftMs);
    const version = ++this.#version;
    if (restMs === Number.POSITIVE_INFINITY) return;
    const at = now + Math.max(0, restMs) * (this.#cores?.runs ?? 1);
    this.#schedule(at, () => {
      if (version === this.#version) this.#finish(at);
    });
  }

  #begin(): void {
    for (let at = 0; at < this.#queue.length; ) {
      const next = this.#queue[at]!;
      if (this.#isFull(next)) {
        if (next.isCut !== true) return;
        at++;
        continue;
      }
      this.#queue.splice(at, 1);
      this.#active.push(next);
    }
  }

  /** For a job that would begin. */
  #isFull({ isCut = false }: ComputeJob): boolean {
    let filled = 0;
    let before = 0;
    for (const job of this.#active) {
      if (job.isCut === true && !isCut) continue;
      before++;
      filled += job.occupancy;
    }
    return before > 0 && filled >= this.#fullFrom;
  }

  #changed(now: number): void {
    if (this.#cores === undefined) this.plan(now);
    else this.#cores.changed(now);
  }

  #finish(now: number): void {
    this.advance(now);
    const done = taken(this.#returning);
    for (const job of taken(this.#active)) {
      const { returnMs = 0 } = job;
      job.leftMs = returnMs;
      (returnMs > 0 ? this.#returning : done).push(job);
    }
    this.#begin();
    this.#changed(now);
    for (const job of done) job.done();
  }
}

/** Those of them that nothing is left of; they leave the list. */
function taken(jobs: ComputeJob[]): ComputeJob[] {
  const over = jobs.filter(({ leftMs }) => leftMs <= tolerance);
  for (const job of over) jobs.splice(jobs.indexOf(job), 1);
  return over;
}

/** Milliseconds that rounding may leave. */
const tolerance = 1e-6;
