/** Medians of turns, and how far the simulator was from what happened. Pure. */
import { median } from "../harness/statistics.ts";
import type { LocalityFigures, LocalityTurn } from "./locality.ts";

export interface LocalityRow {
  readonly setting: string;
  readonly policy: string;
  readonly live: LocalityFigures;
  readonly simulated: LocalityFigures;
  /** Of the mean and the 98th percentile, the larger: simulated over live, less one, without its sign. */
  readonly error: number;
}

/** A row a setting and policy, in the order of their first turns. */
export function localityRows(turns: readonly LocalityTurn[]): readonly LocalityRow[] {
  return [...groups(turns, ({ setting, policy }) => `${setting} ${policy}`).values()].map((all) => {
    const { setting, policy } = all[0]!;
    const live = medianFigures(all.map((one) => one.live));
    const simulated = medianFigures(all.map((one) => one.simulated));
    const error = Math.max(
      Math.abs(simulated.meanMs / live.meanMs - 1),
      Math.abs(simulated.p98Ms / live.p98Ms - 1),
    );
    return { setting, policy, live, simulated, error };
  });
}

/** Of all pairs of policies in a setting, the part whose means are in the same order live and simulated. */
export function orderAgreement(rows: readonly LocalityRow[]): number {
  let pairs = 0;
  let agreeing = 0;
  for (const all of groups(rows, ({ setting }) => setting).values())
    for (const [i, one] of all.entries())
      for (const other of all.slice(i + 1)) {
        pairs++;
        const isFaster = one.live.meanMs < other.live.meanMs;
        if (isFaster === one.simulated.meanMs < other.simulated.meanMs) agreeing++;
      }
  return agreeing / pairs;
}

/** By `key`, the median of each figure. */
export function medianRows<T>(
  turns: readonly T[],
  key: (turn: T) => string,
  figures: readonly (keyof T & string)[],
): ReadonlyMap<string, Readonly<Record<string, number>>> {
  return new Map(
    [...groups(turns, key)].map(([name, all]) => [
      name,
      Object.fromEntries(figures.map((figure) => [figure, median(all.map((one) => Number(one[figure])))])),
    ]),
  );
}

function groups<T>(values: readonly T[], key: (value: T) => string): Map<string, T[]> {
  const found = new Map<string, T[]>();
  for (const value of values) {
    const name = key(value);
    const group = found.get(name);
    if (group === undefined) found.set(name, [value]);
    else group.push(value);
  }
  return found;
}

function medianFigures(all: readonly LocalityFigures[]): LocalityFigures {
  const of = (figure: keyof LocalityFigures) => median(all.map((one) => one[figure]));
  return {
    ...{ meanMs: of("meanMs"), p98Ms: of("p98Ms"), p99Ms: of("p99Ms") },
    ...{ missRatio: of("missRatio"), falseMissRatio: of("falseMissRatio") },
  };
}
