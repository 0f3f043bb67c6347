/**
 * What calls tell the autoscaler, version by version: how many come in an interval, and how long nobody calls between
 * them. A time without calls that is shorter than an interval is none: nothing could be done within it, and of a burst
 * the calls would outnumber the bursts.
 */
import type { ProgramOwner } from "../devices/owner.ts";
import type { Forecast, ForecastState } from "../scheduler/scaling/forecast/forecast.ts";
import { type IdleTimes, noIdleTimes, withIdleTime } from "../scheduler/scaling/idle-times.ts";

export interface CallWatchOptions {
  /** Milliseconds. */
  readonly now: () => number;
  readonly intervalMs: number;
  readonly forecast: Forecast;
}

interface Watched {
  /** Since the last interval ended. */
  calls: number;
  running: number;
  /** When the last call ended; undefined before the first one has. */
  endedAt: number | undefined;
  /** When it was heard of first. */
  readonly since: number;
  idleTimes: IdleTimes;
  forecast: ForecastState;
}

export class CallWatch {
  readonly #options: CallWatchOptions;
  /** Those that are gone take it with them. */
  readonly #watched = new WeakMap<ProgramOwner, Watched>();

  constructor(options: CallWatchOptions) {
    this.#options = options;
  }

  /** A call has come, and ends with its answer. */
  called(owner: ProgramOwner, answer: Promise<unknown>): void {
    this.began(owner);
    const ended = () => this.ended(owner);
    answer.then(ended, ended);
  }

  began(owner: ProgramOwner): void {
    const { now, intervalMs } = this.#options;
    const watched = this.#of(owner);
    watched.calls++;
    if (watched.running++ > 0 || watched.endedAt === undefined) return;
    const idleMs = now() - watched.endedAt;
    if (idleMs >= intervalMs) watched.idleTimes = withIdleTime(watched.idleTimes, idleMs);
  }

  /** One that began has its answer. */
  ended(owner: ProgramOwner): void {
    const watched = this.#of(owner);
    watched.running--;
    watched.endedAt = this.#options.now();
  }

  /** An interval is over. @returns calls a second that the next one is expected to bring. */
  intervalEnded(owner: ProgramOwner): number {
    const { forecast, intervalMs } = this.#options;
    const watched = this.#of(owner);
    watched.forecast = forecast.observe(watched.forecast, watched.calls);
    watched.calls = 0;
    return forecast.next(watched.forecast) / (intervalMs / 1_000);
  }

  /** Whether a call of it has come since it was heard of. */
  wasCalled(owner: ProgramOwner): boolean {
    const { endedAt, running } = this.#of(owner);
    return endedAt !== undefined || running > 0;
  }

  /** For how long nobody has called it: 0 while calls run, or less than an interval after. */
  idleMs(owner: ProgramOwner): number {
    const { now, intervalMs } = this.#options;
    const { running, endedAt, since } = this.#of(owner);
    const idleMs = running > 0 ? 0 : now() - (endedAt ?? since);
    return idleMs < intervalMs ? 0 : idleMs;
  }

  idleTimes(owner: ProgramOwner): IdleTimes {
    return this.#of(owner).idleTimes;
  }

  #of(owner: ProgramOwner): Watched {
    let watched = this.#watched.get(owner);
    if (watched === undefined) {
      const { now, forecast } = this.#options;
      watched = {
        ...{ calls: 0, running: 0, endedAt: undefined, since: now() },
        ...{ idleTimes: noIdleTimes, forecast: forecast.initial },
      };
      this.#watched.set(owner, watched);
    }
    return watched;
  }
}
