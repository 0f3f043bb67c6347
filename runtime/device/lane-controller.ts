/**
 * How many runs share a round: climbs to where more lanes do not pay any more. It looks at full rounds only, and at how
 * much work each millisecond of them did; now and then it tries the next larger or smaller number for a few rounds.
 * Pure: no clock, no randomness, no GPU.
 */

/** A round that had as many runs as it might have. */
export interface LaneSample {
  readonly lanes: number;
  /** What its runs would have taken one after the other. */
  readonly soloMs: number;
  readonly roundMs: number;
}

export const maxLanes = 64;
const maxLevel = Math.log2(maxLanes);
/** Rounds of a trial. */
const trialRounds = 9;
/** Rounds between trials: after one that changed nothing twice as many as before. */
const patience = { least: 16, most: 1024 };
/** Twice the lanes, with their memory and their delay, must do so much more work. */
const worthMore = 1.08;
/** Half the lanes may do so much less than the best that was seen. */
const worthLess = 0.95;
/** What was seen long ago counts for less: after a hundred trials a third. */
const fading = 0.99;

type Direction = 1 | -1;

export class LaneController {
  #level: number;
  /** By level: sums of solo times per millisecond, when last tried. */
  readonly #rates: (number | undefined)[] = [];
  #trial: Direction | undefined;
  #nextTrial: Direction = -1;
  #patience = patience.least;
  #untilTrial = patience.least;
  /** Rates of the trial, or since the last one. */
  #seen: number[] = [];

  /** @param lanes to begin with; a power of two, 64 at most. */
  constructor(lanes: number) {
    const level = Math.log2(lanes);
    if (!Number.isInteger(level) || level < 0 || level > maxLevel)
      throw new RangeError(`Lanes are a power of two up to ${maxLanes}, not ${lanes}`);
    this.#level = level;
  }

  /** Runs that the next round may have. */
  get lanes(): number {
    return 2 ** (this.#level + (this.#trial ?? 0));
  }

  /** How much more work is done with this many lanes than with one; undefined where that was not seen. */
  get payoff(): number | undefined {
    return this.#rates[this.#level];
  }

  observe({ lanes, soloMs, roundMs }: LaneSample): void {
    // Rounds that were formed before the number changed come in behind it.
    if (lanes !== this.lanes || !(soloMs > 0) || !(roundMs > 0)) return;
    this.#seen.push(soloMs / roundMs);
    if (this.#trial === undefined) this.#settled();
    else if (this.#seen.length >= trialRounds) this.#judge(this.#trial);
  }

  #settled(): void {
    if (this.#seen.length > trialRounds) this.#seen.shift();
    if (--this.#untilTrial > 0) return;
    this.#rates[this.#level] = median(this.#seen);
    const direction = this.#direction();
    if (direction === undefined) return;
    this.#trial = direction;
    this.#seen = [];
  }

  #direction(): Direction | undefined {
    const isPossible = (way: Direction) => this.#level + way >= 0 && this.#level + way <= maxLevel;
    const first = this.#nextTrial;
    const second: Direction = first === 1 ? -1 : 1;
    return isPossible(first) ? first : isPossible(second) ? second : undefined;
  }

  #judge(direction: Direction): void {
    const rate = median(this.#seen);
    const tried = this.#level + direction;
    for (const [level, old] of this.#rates.entries())
      if (old !== undefined && level !== this.#level) this.#rates[level] = old * fading;
    this.#rates[tried] = rate;
    const best = Math.max(...this.#rates.filter((known) => known !== undefined));
    const isBetter =
      direction === 1 ? rate >= worthMore * (this.#rates[this.#level] ?? 0) : rate >= worthLess * best;
    if (isBetter) this.#level = tried;
    this.#patience = isBetter ? patience.least : Math.min(2 * this.#patience, patience.most);
    // On the same way where it was right, else the other way next time.
    this.#nextTrial = isBetter ? direction : direction === 1 ? -1 : 1;
    this.#untilTrial = this.#patience;
    this.#trial = undefined;
    this.#seen = [];
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
