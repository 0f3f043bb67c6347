/**
 * Notices a process that has stopped to answer, such as one whose driver does not return from a call. Asks it
 * something now and then while it has work. Time is counted in own ticks: a machine that slept is no silent process.
 */

export interface HeartbeatOptions {
  readonly intervalMs: number;
  /** Settles when the process answers, whatever it says. */
  readonly ask: () => Promise<unknown>;
  readonly isBusy: () => boolean;
  /** How long an answer may take now. */
  readonly limitMs: () => number;
  /** Called once for each silence. */
  readonly onSilence: () => void;
}

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Ticks since the question that has no answer yet. */
  #silentTicks = 0;
  #isAsking = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  /** Call when there is work; it stops by itself when there is none. */
  start(): void {
    this.#timer ??= setInterval(() => this.#tick(), this.#options.intervalMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#isAsking = false;
    this.#silentTicks = 0;
  }

  #tick(): void {
    const { isBusy, ask, intervalMs, limitMs, onSilence } = this.#options;
    if (!isBusy()) {
      this.stop();
      return;
    }
    if (!this.#isAsking) {
      this.#isAsking = true;
      this.#silentTicks = 0;
      const timer = this.#timer;
      const answered = (): void => {
        // Of another process, whose silence is over.
        if (this.#timer === timer) this.#isAsking = false;
      };
      ask().then(answered, answered);
      return;
    }
    this.#silentTicks++;
    if (this.#silentTicks * intervalMs < limitMs()) return;
    this.stop();
    onSilence();
  }
}
