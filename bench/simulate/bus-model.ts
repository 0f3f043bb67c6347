/**
 * How weights come in. Each device brings in one function at a time; devices on one bus share its bandwidth equally. What
 * comes before the bytes (a process that starts, say) holds up nobody, on the same device neither. Where devices are
 * software, loads have the processors' speed instead, and share it with what computes.
 */
import type { CoreUser, SharedCores } from "./shared-cores.ts";

export interface Transfer {
  /** Before its bytes begin to move. */
  readonly fixedMs: number;
  leftBytes: number;
  /** Its bytes begin to move. With the time. */
  readonly begun?: (at: number) => void;
  /** With the time. */
  readonly done: (at: number) => void;
}

export class BusModel implements CoreUser {
  readonly #bytesPerMs: number;
  readonly #schedule: (at: number, job: () => void) => void;
  readonly #cores: SharedCores | undefined;
  /** By device; the first of each moves. */
  readonly #lines = new Map<string, Transfer[]>();
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
    if (transfer.fixedMs <= 0) this.#enter(now, device, transfer);
    else {
      const at = now + transfer.fixedMs;
      this.#schedule(at, () => this.#enter(at, device, transfer));
    }
  }

  #enter(now: number, device: string, transfer: Transfer): void {
    this.advance(now);
    let line = this.#lines.get(device);
    if (line === undefined) {
      line = [];
      this.#lines.set(device, line);
    }
    line.push(transfer);
    if (line.length === 1) this.#move(now, transfer);
    this.#changed(now);
  }

  #move(now: number, transfer: Transfer): void {
    this.#moving.add(transfer);
    transfer.begun?.(now);
  }

  get #rate(): number {
    if (this.#cores !== undefined) return this.#bytesPerMs / this.#cores.loads;
    return this.#bytesPerMs / Math.max(1, this.#moving.size);
  }

  advance(now: number): void {
    const elapsed = now - this.#at;
    this.#at = now;
    if (elapsed <= 0) return;
    const movedBytes = elapsed * this.#rate;
    for (const transfer of this.#moving) transfer.leftBytes -= movedBytes;
  }

  plan(now: number): void {
    const version = ++this.#version;
    if (this.#moving.size === 0) return;
    let leastBytes = Number.POSITIVE_INFINITY;
    for (const { leftBytes } of this.#moving) leastBytes = Math.min(leastBytes, leftBytes);
    const at = now + Math.max(0, leastBytes) / this.#rate;
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
    for (const line of this.#lines.values()) {
      const [head] = line;
      if (head === undefined || head.leftBytes > toleranceBytes) continue;
      line.shift();
      this.#moving.delete(head);
      if (line[0] !== undefined) this.#move(now, line[0]);
      done.push(head);
    }
    this.#changed(now);
    for (const transfer of done) transfer.done(now);
  }
}

/** What rounding may leave: late in a long simulation, less than this is less than the clock can tell. */
const toleranceMs = 1e-6;
