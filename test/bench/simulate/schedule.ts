/** Simulated time for a model alone: what was scheduled happens in its order. */
import { EventQueue } from "../../../bench/simulate/event-queue.ts";

export class Timeline {
  readonly #queue = new EventQueue<() => void>();
  now = 0;
  readonly schedule = (at: number, job: () => void): void => this.#queue.push(at, job);

  run(): void {
    while (this.#queue.size > 0) {
      this.now = this.#queue.nextAt;
      this.#queue.pop()!();
    }
  }
}
