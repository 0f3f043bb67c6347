/**
 * Places for processes, and whose they are: never more processes than places, those that are still ending included. Who
 * finds none waits: owners in turns, each one's own in order. A tenant has at most half of the places, so that no other
 * waits for its work to end. Pure: what leaves a place for those that wait is said here, and done by others.
 */
import { abortError } from "../port/abort-error.ts";

/** Of a process, from before it starts until it is gone. */
export interface Place {
  readonly owner: string;
  /** Its process is being ended: it counts until it is freed, and is as good as free for who waits. */
  isEnding: boolean;
}

type Begin = (place: Place) => void;

/** The owner that may have all places. */
const operator = "";

export class ProcessPlaces {
  readonly #count: number;
  readonly #taken = new Set<Place>();
  /** By owner, in the order of turns. */
  readonly #waiting = new Map<string, Begin[]>();

  constructor(count: number) {
    this.#count = count;
  }

  get isWaitedFor(): boolean {
    return this.#waiting.size > 0;
  }

  /** @param owner a tenant, or "" for the operator. @throws DawnletError CANCELLED where the signal aborts. */
  take(owner: string, signal: AbortSignal): Promise<Place> {
    return new Promise((resolve, reject) => {
      const begin: Begin = (place) => {
        signal.removeEventListener("abort", giveUp);
        resolve(place);
      };
      const giveUp = () => {
        this.#leave(owner, begin);
        reject(abortError(signal, "waiting for a process"));
      };
      signal.addEventListener("abort", giveUp, { once: true });
      const own = this.#waiting.get(owner);
      if (own === undefined) this.#waiting.set(owner, [begin]);
      else own.push(begin);
      this.#advance();
    });
  }

  free(place: Place): void {
    this.#taken.delete(place);
    this.#passTurn(place.owner);
    this.#advance();
  }

  /** @param idle may leave, first those that are missed least. @returns of these as many as those that wait need. */
  toEnd(idle: readonly Place[]): readonly Place[] {
    const staying = [...this.#taken].filter(({ isEnding }) => !isEnding);
    const owners = staying.map(({ owner }) => owner);
    const left = [...idle];
    const ended: Place[] = [];
    for (const [owner, waiting] of this.#waiting) {
      for (const _ of waiting) {
        const isAtMost = countOf(owners, owner) >= this.#mostOf(owner);
        if (isAtMost || owners.length >= this.#count) {
          const index = left.findIndex((place) => !isAtMost || place.owner === owner);
          if (index < 0) break;
          const [place] = left.splice(index, 1) as [Place];
          owners.splice(owners.indexOf(place.owner), 1);
          ended.push(place);
        }
        owners.push(owner);
      }
    }
    return ended;
  }

  #mostOf(owner: string): number {
    return owner === operator ? this.#count : Math.max(1, Math.floor(this.#count / 2));
  }

  /** A place that comes free, or one more that waits, lets one begin at most. */
  #advance(): void {
    if (this.#taken.size >= this.#count) return;
    const owners = [...this.#taken].map((place) => place.owner);
    for (const [owner, waiting] of this.#waiting) {
      if (countOf(owners, owner) >= this.#mostOf(owner)) continue;
      const begin = waiting.shift()!;
      this.#passTurn(owner);
      const place = { owner, isEnding: false };
      this.#taken.add(place);
      begin(place);
      return;
    }
  }

  /** Its next one comes after those of the others. */
  #passTurn(owner: string): void {
    const own = this.#waiting.get(owner) ?? [];
    this.#waiting.delete(owner);
    if (own.length > 0) this.#waiting.set(owner, own);
  }

  #leave(owner: string, begin: Begin): void {
    const own = this.#waiting.get(owner)!;
    own.splice(own.indexOf(begin), 1);
    if (own.length === 0) this.#waiting.delete(owner);
  }
}

function countOf(owners: readonly string[], owner: string): number {
  return owners.filter((one) => one === owner).length;
}
