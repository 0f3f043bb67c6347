/**
 * How weights come in. Each device brings in one function at a time; devices on one bus share its bandwidth equally. A
 * load begins with a part that moves nothing (a process that starts, say) and leaves the bus to others. Where
 * devices are software, loads have the processors' speed instead, and share it with what computes.
 */
import type { CoreUser, SharedCores } from "./shared-cores.ts";

export interface Transfer {
  fixedMs: number;
  leftBytes: number;
  /** With the time. */
  readonly done: (at: number) => void;
}

interface Line {
  readonly queue: Transfer[];
}

export class BusModel implements CoreUser {
  readonly #bytesPerMs: number;
  readonly #schedule: (at: number, job: () => void) => void;
  readonly #cores: SharedCores | undefined;
  readonly #lines = new Map<string, Line>();
  /** The first of each line that has one. */
  readonly #moving = new Set<Transfer>();
  #at = 0;
  #version = 0;

  /** @param bytesPerMs of the bus; of each load, where there are `cores`. */
  constructor(bytesPerMs: number, schedule: (at: number, job: () => void) => void, cores?: SharedCores) {
    this.#bytesPerMs = bytesPerMs;
    this.#schedule = schedule;
    this.#cores = cores;
    cores?.join(this);
  }

  get busyParts(): number {
    return this.#moving.size;
  }

  add(now: number, device: string, transfer: Transfer): void {
    this.advance(now);
    let line = this.#lines.get(device);
    if (line === undefined) {
      line = { queue: [] };
      this.#lines.set(device, line);
    }
    line.queue.push(transfer);
    if (line.queue.length === 1) this.#moving.add(transfer);
    this.#changed(now);
  }

  get #rate(): number {
    if (this.#cores !== undefined) return this.#bytesPerMs / this.#cores.loads;
    let sharing = 0;
    for (const { fixedMs } of this.#moving) if (fixedMs <= 0) sharing++;
    return this.#bytesPerMs / Math.max(1, sharing);
  }

  advance(now: number): void {
    const elapsed = now - this.#at;
    this.#at = now;
    if (elapsed <= 0) return;
    const rate = this.#rate;
    for (const transfer of this.#moving) {
      if (transfer.fixedMs > 0) transfer.fixedMs = Math.max(0, transfer.fixedMs - elapsed);
      else transfer.leftBytes -= elapsed * rate;
      if (transfer.fixedMs < toleranceMs) transfer.fixedMs = 0;
    }
  }

  plan(now: number): void {
    const version = ++this.#version;
    if (this.#moving.size === 0) return;
    const rate = this.#rate;
    let waitMs = Number.POSITIVE_INFINITY;
    for (const { fixedMs, leftBytes } of this.#moving)
      waitMs = Math.min(waitMs, fixedMs > 0 ? fixedMs : leftBytes / rate);
    const at = now + Math.max(0, waitMs);
    this.#schedule(at, () => {
      if (version === this.#version) this.#finish(at);
    });
  }

  #changed(now: number): void {
    if (this.#cores === undefined) this.plan(now);
    else this.#cores.changed(now);
  }

  #finish(now: number): void {
    this.advance(now);
    const done: Transfer[] = [];
    const toleranceBytes = this.#rate * toleranceMs;
    for (const { queue } of this.#lines.values()) {
      const [head] = queue;
      if (head === undefined || head.fixedMs > 0 || head.leftBytes > toleranceBytes) continue;
      queue.shift();
      this.#moving.delete(head);
      if (queue[0] !== undefined) this.#moving.add(queue[0]);
      done.push(head);
    }
    this.#changed(now);
    for (const transfer of done) transfer.done(now);
  }
}

/** What rounding may leave: late in a long simulation, less than this is less than the clock can tell. */
const toleranceMs = 1e-6;
