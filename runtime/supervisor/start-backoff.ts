/** When a process that fails to start may be tried again: soon at first, and refused to callers once that is no use. */
import { DawnletError } from "../../kernels/errors.ts";

const firstWaitMs = 100;
const longestWaitMs = 30_000;
const triesInARow = 3;

export class StartBackoff {
  #failures = 0;
  #notBefore = 0;
  #error: unknown;

  get failures(): number {
    return this.#failures;
  }

  /** Until the next start may begin. */
  waitMs(now: number): number {
    return Math.max(0, this.#notBefore - now);
  }

  /** @returns whether callers should wait for another try. */
  failed(error: unknown, now: number): boolean {
    this.#failures++;
    this.#error = error;
    const waitMs = Math.min(longestWaitMs, firstWaitMs * 2 ** (this.#failures - 1));
    this.#notBefore = now + waitMs;
    return this.#failures < triesInARow && mayPass(error);
  }

  /** It has done some work, or lived for a while. */
  worked(): void {
    this.#failures = 0;
    this.#notBefore = 0;
    this.#error = undefined;
  }

  /** What callers are told who come while waiting is of no use; undefined where they may wait. */
  refusal(now: number): DawnletError | undefined {
    const isHopeless = this.#failures >= triesInARow || (this.#failures > 0 && !mayPass(this.#error));
    const waitMs = this.waitMs(now);
    if (!isHopeless || waitMs === 0) return undefined;
    const why = this.#error instanceof Error ? this.#error.message : String(this.#error);
    return new DawnletError(
      "UNAVAILABLE",
      `Cannot use the device as its process failed to start ${this.#failures} times, and the next try is in ${Math.ceil(waitMs / 1000)} s: ${why}`,
    );
  }
}

/** What has to do with the process; a machine without an adapter will not have one a moment later. */
function mayPass(error: unknown): boolean {
  return error instanceof DawnletError && (error.code === "UNAVAILABLE" || error.code === "DEVICE_LOST");
}
