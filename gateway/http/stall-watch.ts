/**
 * Notices bodies of which nothing arrives any more. One timer, set for who has waited longest, does for all that wait:
 * a small call, whose body is there at once, costs an entry in a set.
 */
import { DawnletError } from "../../kernels/errors.ts";

interface Wait {
  readonly sinceMs: number;
  readonly fail: (error: DawnletError) => void;
}

export class StallWatch {
  readonly #limitMs: number;
  /** Who has waited longest comes first. */
  readonly #waits = new Set<Wait>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** What `arriving` gives. @throws DawnletError REQUEST_TIMEOUT where it takes longer than the limit. */
  wait<T>(arriving: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const wait: Wait = { sinceMs: performance.now(), fail: reject };
      this.#waits.add(wait);
      if (this.#timer === undefined) this.#watch(this.#limitMs);
      arriving.then(
        (value) => {
          this.#waits.delete(wait);
          resolve(value);
        },
        (error: unknown) => {
          this.#waits.delete(wait);
          reject(error);
        },
      );
    });
  }

  #watch(delayMs: number): void {
    this.#timer = setTimeout(() => this.#check(), delayMs);
    this.#timer.unref();
  }

  #check(): void {
    this.#timer = undefined;
    const nowMs = performance.now();
    for (const wait of this.#waits) {
      const leftMs = wait.sinceMs + this.#limitMs - nowMs;
      if (leftMs > 0) {
        this.#watch(leftMs);
        return;
      }
      this.#waits.delete(wait);
      wait.fail(stalledError(this.#limitMs));
    }
  }
}

function stalledError(limitMs: number): DawnletError {
  return new DawnletError(
    "REQUEST_TIMEOUT",
    `Cannot read the body as nothing of it has arrived for ${limitMs} ms: send it again`,
  );
}
