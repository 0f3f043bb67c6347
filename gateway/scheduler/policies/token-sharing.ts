/**
 * Devices shared by tokens, as KubeShare and FaST-GShare (ICPP'23) do it: functions stay on a device; whoever holds a
 * token runs. First those that had less of their window than their quota requests, the largest gap first, then those that
 * had least; who has reached its limit waits for the next window. How much of a device a token stands for is what the two
 * differ in. One run of a function at a time; a process that starts holds up nobody.
 */
import type { Cluster } from "../core/cluster.ts";
import type { DeviceState } from "../core/device-state.ts";
import type { FunctionState } from "../core/function-state.ts";
import type { Run } from "../core/request.ts";
import { type BoundFunctions, rejectElsewhere } from "./bound-functions.ts";
import { bringIn, isThere } from "./bring-in.ts";
import { FunctionQueues } from "./function-queues.ts";
import { Queueing } from "./queueing.ts";
import { QuotaTimes } from "./quota-times.ts";

/** Of quotas. No source gives FaST-GShare's; KubeShare's own is 10 s, of tokens that can be taken back. */
export const windowMs = 100;

/** Parts of a device are sums of decimal fractions. */
const rounding = 1e-9;

interface Candidate {
  readonly fn: FunctionState;
  /** Of its first request. */
  readonly id: number;
  readonly missingMs: number;
  readonly usedMs: number;
}

export class TokenSharing extends Queueing<FunctionQueues> {
  readonly #bound: BoundFunctions;
  /** Part of a device that a token of the function stands for, 0 to 1. */
  readonly #partOf: (fn: FunctionState) => number;
  readonly #times = new QuotaTimes(windowMs);
  #wakeAt = Number.NEGATIVE_INFINITY;

  constructor(cluster: Cluster, bound: BoundFunctions, partOf: (fn: FunctionState) => number) {
    super(cluster, new FunctionQueues());
    this.#bound = bound;
    this.#partOf = partOf;
  }

  /** What was expected was counted when it began. */
  ended(run: Run, runMs: number): void {
    this.#times.use(run.function, runMs - run.runMs, this.cluster.now);
  }

  advance(now: number): void {
    const candidates = new Map<DeviceState, Candidate[]>();
    for (const device of this.cluster.devices)
      if (device.isUp && this.#freePart(device) > 0) candidates.set(device, []);
    let nextAt = Number.POSITIVE_INFINITY;
    for (const fn of [...this.queue.functions]) {
      const device = this.#deviceOf(fn);
      if (device === undefined || fn.running > 0 || !isThere(device, fn)) continue;
      const at = this.#times.mayRunAt(fn, now);
      if (at > now) nextAt = Math.min(nextAt, at);
      else candidates.get(device)?.push(this.#candidate(fn, now));
    }
    for (const [device, those] of candidates) this.#giveTokens(device, those, now);
    // Only now: what comes in may take the place of what has no token.
    for (const fn of this.queue.functions) bringIn(this.#bound.deviceOf(fn)!, fn);
    this.#wake(nextAt, now);
  }

  #candidate(fn: FunctionState, now: number): Candidate {
    const { id } = this.queue.first(fn)!;
    return { fn, id, missingMs: this.#times.missingMs(fn, now), usedMs: this.#times.usedMs(fn, now) };
  }

  /** Of the device, beside what holds a token. */
  #freePart(device: DeviceState): number {
    let free = 1;
    for (const { function: fn } of device.runs) free -= this.#partOf(fn);
    return free;
  }

  #deviceOf(fn: FunctionState): DeviceState | undefined {
    const device = this.#bound.deviceOf(fn);
    const reason = `no device has so much time and memory left as '${fn.id}' is to have`;
    rejectElsewhere(this.cluster, this.queue, fn, device, reason);
    return this.queue.first(fn) && device;
  }

  /** In their order, as long as there is enough of the device: nobody is passed over for being large. */
  #giveTokens(device: DeviceState, candidates: Candidate[], now: number): void {
    let free = this.#freePart(device) + rounding;
    for (const { fn } of candidates.sort(compare)) {
      free -= this.#partOf(fn);
      if (free < 0) return;
      const request = this.queue.first(fn)!;
      this.queue.remove(request);
      const { runMs } = this.cluster.run(device, [request]);
      this.#times.use(fn, runMs, now);
    }
  }

  #wake(at: number, now: number): void {
    if (at === Number.POSITIVE_INFINITY || (this.#wakeAt > now && this.#wakeAt <= at)) return;
    this.#wakeAt = at;
    this.cluster.wake(at);
  }
}

function compare(a: Candidate, b: Candidate): number {
  if (a.missingMs > 0 || b.missingMs > 0) return b.missingMs - a.missingMs;
  return a.usedMs - b.usedMs || a.id - b.id;
}
