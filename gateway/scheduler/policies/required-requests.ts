/**
 * Torpor's order of functions (USENIX ATC'25, and the router of its artifact): by the number of further requests on time
 * that a function needs before enough of all its requests were on time, the required request count (RRC). Where there is
 * too much to do for all, the functions that need most are put off. Numbers only: no queue, no device.
 */

/** Part of a function's requests that has to be on time. */
export const requiredPart = 0.98;
/** Time between two sortings into high and low. */
export const updateMs = 2_000;
/** Sortings between two looks at alpha. */
export const updatesPerAdaptation = 20;
/** Relative change of the compliant part from which on alpha follows it. */
const changeThreshold = 0.04;
const largeFactor = 2;
const smallFactor = 1.01;

/** Requests of one function that have ended. */
export interface FunctionRecord {
  ended: number;
  onTime: number;
  /** From arrival to end, of all together. */
  latencyMs: number;
}

/** (p·n − m)/(1 − p): so many have to be on time, one after another, to make up for those that were not; less than 0, to spare. */
export function requiredRequests({ ended, onTime }: FunctionRecord, part = requiredPart): number {
  return (part * ended - onTime) / (1 - part);
}

/** Milliseconds that making up takes; 0 where nothing has ended. */
export function score(record: FunctionRecord): number {
  return record.ended === 0 ? 0 : (record.latencyMs / record.ended) * requiredRequests(record);
}

export function isCompliant({ ended, onTime }: FunctionRecord): boolean {
  return ended > 0 && onTime >= requiredPart * ended;
}

/**
 * How many of the functions come first: in ascending order of their scores, as long as the positive ones together stay
 * within alpha of the sum of all positive ones.
 * @param scores ascending.
 */
export function highCount(scores: readonly number[], alpha: number): number {
  let sum = 0;
  for (const one of scores) if (one > 0) sum += one;
  const budget = sum * alpha;
  let taken = 0;
  for (const [i, one] of scores.entries()) {
    if (one > 0) taken += one;
    if (taken > budget) return i;
  }
  return scores.length;
}

/** Alpha, which follows the part of functions that are compliant: up where more have become so, down where fewer. */
export class Alpha {
  value = 1;
  #updates = 0;
  /** At the last large step. */
  #compliantPart = 0;

  /** @param compliantPart of the functions that have a record, 0 to 1. */
  updated(compliantPart: number): void {
    this.#updates++;
    if (this.#updates < updatesPerAdaptation) return;
    this.#updates = 0;
    const before = this.#compliantPart;
    const change = before > 0 ? (compliantPart - before) / before : changeThreshold;
    if (change >= changeThreshold) this.value = Math.min(1, this.value * largeFactor);
    else if (change <= -changeThreshold) this.value /= largeFactor;
    else {
      this.value = Math.min(1, this.value * smallFactor);
      return;
    }
    this.#compliantPart = compliantPart;
  }
}
