/**
 * How much of each device's time functions with a quota have had lately. A function that has had its limit waits until
 * enough of that is past; one that has had less than its request goes before others (FaST-GShare's rule: request and
 * limit, by window). Time is charged when a run begins, by what is expected, and corrected when it has ended.
 */
import type { DeviceState } from "../../core/device-state.ts";
import type { FunctionState } from "../../core/function-state.ts";

/** Long enough for several runs of a large model, short enough that a limit is felt as a speed and not as pauses. */
export const windowMs = 1_000;

interface Use {
  at: number;
  /** As of `at`: each millisecond counts less with its age, e⁻¹ after a window. */
  ms: number;
}

export class QuotaMeter {
  /** Weak: functions are removed, and theirs goes with them. */
  readonly #uses = new WeakMap<DeviceState, WeakMap<FunctionState, Use>>();

  /** @param ms more, or less where it was too much. */
  charge(device: DeviceState, fn: FunctionState, ms: number, now: number): void {
    if (fn.spec.quota === undefined) return;
    const use = this.#use(device, fn, now);
    use.ms = Math.max(0, use.ms + ms);
  }

  /** Part of the device's time in the last window. */
  share(device: DeviceState, fn: FunctionState, now: number): number {
    return this.#use(device, fn, now).ms / windowMs;
  }

  /** When it may run there: now, or when it is below its limit again. */
  allowedAt(device: DeviceState, fn: FunctionState, now: number): number {
    const { quota } = fn.spec;
    if (quota === undefined) return now;
    const excess = this.share(device, fn, now) / quota.limit;
    return excess < 1 ? now : now + windowMs * Math.log(excess) + leastMs;
  }

  /** Whether it has had less than it can count on. */
  isBelowRequest(device: DeviceState, fn: FunctionState, now: number): boolean {
    const { quota } = fn.spec;
    return quota !== undefined && this.share(device, fn, now) < quota.request;
  }

  #use(device: DeviceState, fn: FunctionState, now: number): Use {
    let uses = this.#uses.get(device);
    if (uses === undefined) {
      uses = new WeakMap();
      this.#uses.set(device, uses);
    }
    let use = uses.get(fn);
    if (use === undefined) {
      use = { at: now, ms: 0 };
      uses.set(fn, use);
    }
    use.ms *= Math.exp((use.at - now) / windowMs);
    use.at = now;
    return use;
  }
}

/** So that it is below its limit then, rounding notwithstanding. */
const leastMs = 0.001;
