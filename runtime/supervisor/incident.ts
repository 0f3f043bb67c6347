/** What happens to a device process beside its work, for the log and for metrics. Types and words only. */
import type { Loss } from "./blame.ts";

export type LossCause = Loss<unknown>["type"];

export type Incident =
  /** The device cannot be used any more, and its process is being ended where it has not ended by itself. */
  | { readonly type: "condemned"; readonly cause: LossCause; readonly reason: string }
  /** The process is gone. Counts are of jobs. */
  | {
      readonly type: "lost";
      readonly cause: LossCause;
      readonly ending: string;
      readonly atDevice: number;
      readonly blamed: readonly string[];
      readonly givenUp: number;
      readonly rerun: number;
      /** GPU sessions that ended with it, and the subject of the one that is to blame. */
      readonly sessions: number;
      readonly blamedSession?: string;
    }
  | { readonly type: "start-failed"; readonly failures: number; readonly reason: string }
  /** Another process is ready. `recoveryMs` counts from when the loss was noticed. */
  | { readonly type: "recovered"; readonly cause: LossCause; readonly recoveryMs: number };

/** Counts since the gateway started. */
export interface DeviceHealth {
  /** Processes that were ready so far. */
  readonly generation: number;
  readonly losses: Readonly<Record<LossCause, number>>;
  /** Jobs and GPU sessions. */
  readonly blamed: number;
  /** Jobs that were run again. */
  readonly rerun: number;
  /** Milliseconds from noticing a loss to the next process being ready, the last 100. */
  readonly recoveryMs: readonly number[];
}

const keptRecoveries = 100;

/** Keeps the counts. */
export class HealthRecord {
  readonly #losses: Record<LossCause, number> = { "time-limit": 0, hang: 0, crash: 0, killed: 0 };
  readonly #recoveryMs: number[] = [];
  #generation = 0;
  #blamed = 0;
  #rerun = 0;

  get value(): DeviceHealth {
    return {
      generation: this.#generation,
      losses: { ...this.#losses },
      blamed: this.#blamed,
      rerun: this.#rerun,
      recoveryMs: [...this.#recoveryMs],
    };
  }

  get generation(): number {
    return this.#generation;
  }

  started(): void {
    this.#generation++;
  }

  note(incident: Incident): void {
    switch (incident.type) {
      case "lost":
        this.#losses[incident.cause]++;
        this.#blamed += incident.blamed.length + (incident.blamedSession === undefined ? 0 : 1);
        this.#rerun += incident.rerun;
        break;
      case "recovered":
        this.#recoveryMs.push(incident.recoveryMs);
        if (this.#recoveryMs.length > keptRecoveries) this.#recoveryMs.shift();
        break;
      case "condemned":
      case "start-failed":
        break;
      default:
        incident satisfies never;
    }
  }
}
