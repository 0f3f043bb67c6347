/** Time that passes only when somebody waits for it, and a device in that time: as many runs at once as it has places. */
import type { Clock, FinishedRun } from "../../../../gateway/functions/profile/measure-cell.ts";

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

export class FakeClock implements Clock {
  #now = 0;
  #sleepers: Sleeper[] = [];
  #isDriving = false;

  now(): number {
    return this.#now;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((wake) => {
      this.#sleepers.push({ at: this.#now + ms, wake });
      void this.#drive();
    });
  }

  /** Once all that could go on has, the next who sleeps wakes. */
  async #drive(): Promise<void> {
    if (this.#isDriving) return;
    this.#isDriving = true;
    while (this.#sleepers.length > 0) {
      for (let turn = 0; turn < 50; turn++) await Promise.resolve();
      this.#sleepers.sort((a, b) => a.at - b.at);
      const { at, wake } = this.#sleepers.shift()!;
      this.#now = Math.max(this.#now, at);
      wake();
    }
    this.#isDriving = false;
  }
}

export interface FakeDeviceOptions {
  /** Runs that go at the same speed side by side; more wait. */
  readonly places: number;
  readonly runMs: number;
  /** Of each run beside the device: messages, copies. */
  readonly overheadMs?: number;
}

export class FakeDevice {
  /** Begins and ends of runs on the device, and how many were asked for at a time. */
  readonly spans: Array<{ readonly from: number; readonly to: number }> = [];
  mostAsked = 0;
  #asked = 0;
  readonly #freeAt: number[];
  readonly #clock: Clock;
  readonly #options: FakeDeviceOptions;

  constructor(clock: Clock, options: FakeDeviceOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#freeAt = Array.from({ length: options.places }, () => 0);
  }

  async run(factor = 1): Promise<FinishedRun> {
    const { runMs, overheadMs = 0 } = this.#options;
    this.mostAsked = Math.max(this.mostAsked, ++this.#asked);
    const executeMs = runMs * factor;
    const place = this.#freeAt.indexOf(Math.min(...this.#freeAt));
    const from = Math.max(this.#clock.now(), this.#freeAt[place]!);
    const to = from + executeMs;
    this.#freeAt[place] = to;
    this.spans.push({ from, to });
    await this.#clock.sleep(to + overheadMs - this.#clock.now());
    this.#asked--;
    return { executeMs };
  }
}
