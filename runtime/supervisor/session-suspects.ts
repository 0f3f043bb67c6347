/**
 * Which GPU session is to blame when a device is lost. Of work that does not end the device process says whose it is.
 * Where it hung or ended, one loss proves nothing while runs or sessions of others were there; but the only subject
 * that had work at each of the last three such losses is blamed. No clock, no links.
 */
import type { LossCause } from "./incident.ts";

/** A loss, as far as sessions go. @typeParam L names one of them. */
export interface SessionLoss<L> {
  readonly cause: LossCause;
  /** Whose work did not end, by what the device process said. */
  readonly stuck: L | undefined;
  /** One of those that are there, if they are all of one group. */
  readonly only: L | undefined;
  /** Those that may have had work at the device: of each subject one. */
  readonly busy: ReadonlyMap<string, L>;
  /** Jobs that were at the device. */
  readonly atDevice: number;
}

/** Losses in a row that prove something: sessions of others are hardly at each of them as well. */
const lossesBeforeBlame = 3;
/** Losses that are further back have nothing to do with those of now. */
const forgottenMs = 10 * 60_000;

interface Note {
  readonly subjects: ReadonlySet<string>;
  readonly at: number;
}

export class SessionSuspects<L> {
  /** The last losses, the oldest first. */
  #notes: Note[] = [];

  /** @returns who is to blame. What counted against it is kept, so that it is to blame for the next loss as well. */
  judge({ cause, stuck, only, busy, atDevice }: SessionLoss<L>, now: number): L | undefined {
    switch (cause) {
      case "time-limit":
        return stuck;
      case "hang":
        // Alone by chance: a process does not hang for reasons of its own.
        return (atDevice === 0 ? only : undefined) ?? this.#recurring(busy, now);
      case "crash":
        return this.#recurring(busy, now);
      case "killed":
        return undefined;
      default:
        return cause satisfies never;
    }
  }

  /** The last loss turned out to be the fault of a run. */
  takeBack(): void {
    this.#notes.pop();
  }

  #recurring(busy: ReadonlyMap<string, L>, now: number): L | undefined {
    if (busy.size === 0) return undefined;
    this.#notes = [...this.#notes.slice(1 - lossesBeforeBlame), { subjects: new Set(busy.keys()), at: now }];
    const notes = this.#notes.filter(({ at }) => now - at <= forgottenMs);
    if (notes.length < lossesBeforeBlame) return undefined;
    const [one, ...others] = [...busy.keys()].filter((subject) =>
      notes.every(({ subjects }) => subjects.has(subject)),
    );
    return one === undefined || others.length > 0 ? undefined : busy.get(one);
  }
}
