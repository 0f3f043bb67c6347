/**
 * Figures from repeated measurements on a machine that does other things too. Contestants take turns
 * within a round, so that what disturbs one disturbs the others, and are compared round by round.
 */

/**
 * The value below which the fraction `p` (0 to 1) of the values lies, linear between neighbours.
 * @throws RangeError without values or for a `p` outside 0 to 1.
 */
export function percentile(values: ArrayLike<number>, p: number): number {
  if (values.length === 0) throw new RangeError("No values to take a percentile of");
  if (!(p >= 0 && p <= 1)) throw new RangeError(`${p} is no fraction from 0 to 1`);
  const sorted = Float64Array.from(values).sort();
  const position = p * (sorted.length - 1);
  const below = Math.floor(position);
  const lower = sorted[below]!;
  const upper = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return lower + (upper - lower) * (position - below);
}

/** NaN without values. */
export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}

export function median(values: ArrayLike<number>): number {
  return percentile(values, 0.5);
}

/** One measurement in milliseconds, or in any other unit that all contestants share. */
export type Measurement = () => number | Promise<number>;

/** Measures the wall-clock time of an action in milliseconds. */
export function timed(action: () => unknown): () => Promise<number> {
  return async () => {
    const start = performance.now();
    await action();
    return performance.now() - start;
  };
}

export interface Ratio {
  /** Median of the rounds' ratios: the figure to quote. */
  readonly median: number;
  readonly p10: number;
  readonly p90: number;
  /** One for each round. */
  readonly rounds: readonly number[];
}

export interface Rounds<Name extends string> {
  /** What each contestant measured, by round. */
  readonly values: Readonly<Record<Name, readonly number[]>>;
  /** `of` divided by `to`, within each round. */
  ratio(of: Name, to: Name): Ratio;
}

/**
 * Lets contestants take turns for so many rounds; the first of a round is another one each time.
 * Each runs once before that, unmeasured.
 */
export async function interleave<Name extends string>(
  contestants: Readonly<Record<Name, Measurement>>,
  rounds: number,
): Promise<Rounds<Name>> {
  const names = Object.keys(contestants) as Name[];
  const values = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (const name of names) await contestants[name]();
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(round + turn) % names.length]!;
      values[name].push(await contestants[name]());
    }
  }
  return {
    values,
    ratio(of, to) {
      const ratios = values[of].map((value, round) => value / values[to][round]!);
      const [p10, p90] = [percentile(ratios, 0.1), percentile(ratios, 0.9)];
      return { median: median(ratios), p10, p90, rounds: ratios };
    },
  };
}
