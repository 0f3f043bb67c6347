/** Functions in Torpor's order: their records, who is high and who low, sorted anew every two seconds. */
import type { FunctionState } from "../core/function-state.ts";
import type { Request } from "../core/request.ts";
import { Alpha, type FunctionRecord, highCount, isCompliant, score, updateMs } from "./required-requests.ts";

export class RrcOrder {
  readonly #records = new WeakMap<FunctionState, FunctionRecord>();
  /** All others are high. */
  #low = new Set<FunctionState>();
  readonly #alpha = new Alpha();
  #nextUpdate: number | undefined;

  /** One without a deadline is on time. */
  ended({ function: fn, arrivedAt, deadline }: Request, now: number): void {
    let record = this.#records.get(fn);
    if (record === undefined) {
      record = { ended: 0, onTime: 0, latencyMs: 0 };
      this.#records.set(fn, record);
    }
    record.ended++;
    record.latencyMs += now - arrivedAt;
    if (deadline === undefined || now <= deadline) record.onTime++;
  }

  /** Sorts where it is time to. Nothing hangs on when exactly: whoever asks for the order asks for this first. */
  advance(functions: Iterable<FunctionState>, now: number): void {
    this.#nextUpdate ??= now + updateMs;
    if (now < this.#nextUpdate) return;
    this.#nextUpdate = now + updateMs;
    const known = [...functions]
      .map((fn) => ({ fn, record: this.#records.get(fn) }))
      .filter((one): one is { fn: FunctionState; record: FunctionRecord } => one.record !== undefined)
      .map(({ fn, record }) => ({ fn, score: score(record), isCompliant: isCompliant(record) }))
      .sort((a, b) => a.score - b.score);
    const scores = known.map((one) => one.score);
    this.#low = new Set(known.slice(highCount(scores, this.#alpha.value)).map(({ fn }) => fn));
    if (known.length > 0) this.#alpha.updated(known.filter((one) => one.isCompliant).length / known.length);
  }

  /** Below 0 where `a` comes first: high before low; of the high ones the largest score, of the low ones the smallest. */
  compare(a: FunctionState, b: FunctionState): number {
    const isLow = this.#low.has(a);
    if (isLow !== this.#low.has(b)) return isLow ? 1 : -1;
    const difference = this.#score(a) - this.#score(b);
    return isLow ? difference : -difference;
  }

  #score(fn: FunctionState): number {
    const record = this.#records.get(fn);
    return record === undefined ? 0 : score(record);
  }
}
