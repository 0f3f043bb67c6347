/** Medians of turns, and how far the simulator was from what happened. Pure. */
import { median } from "../harness/statistics.ts";
import type { Figures, LiveTurn } from "./turn.ts";

/** Of one policy in one setting: the medians of its turns. */
export type LiveRow<Name extends string> = Omit<LiveTurn<Name>, "wrong">;

/** A row a setting and policy, in the order of their first turns. */
export function rowsOf<Name extends string>(turns: readonly LiveTurn<Name>[]): readonly LiveRow<Name>[] {
  return [...groups(turns, ({ setting, policy }) => `${setting} ${policy}`).values()].map((all) => {
    const { setting, policy } = all[0]!;
    return {
      ...{ setting, policy },
      live: medians(all.map((one) => one.live)),
      simulated: medians(all.map((one) => one.simulated)),
    };
  });
}

/** The largest of the relative differences of these figures, as part of what happened. */
export function errorOf<Name extends string>(
  { live, simulated }: LiveRow<Name>,
  names: readonly NoInfer<Name>[],
): number {
  return Math.max(...names.map((name) => Math.abs(simulated[name] / live[name] - 1)));
}

export interface OrderAgreement {
  /** Of policies in the same setting that happened to be further apart than noise. */
  readonly pairs: number;
  /** Those of them that the simulator puts in the same order. */
  readonly agreeing: number;
}

/** Two figures that differ by less might be the other way round in the next turn. */
const noise = 0.1;

/** Whether the simulator puts policies in the order in which they came. */
export function orderAgreement<Name extends string>(
  rows: readonly LiveRow<Name>[],
  name: NoInfer<Name>,
): OrderAgreement {
  let pairs = 0;
  let agreeing = 0;
  for (const all of groups(rows, ({ setting }) => setting).values())
    for (const [i, one] of all.entries())
      for (const other of all.slice(i + 1)) {
        const [a, b] = [one.live[name], other.live[name]];
        if (Math.abs(a - b) <= noise * Math.max(a, b)) continue;
        pairs++;
        if (a < b === one.simulated[name] < other.simulated[name]) agreeing++;
      }
  return { pairs, agreeing };
}

/** Of each figure. */
export function medians<Name extends string>(all: readonly Figures<Name>[]): Figures<Name> {
  const names = Object.keys(all[0]!) as Name[];
  return Object.fromEntries(names.map((name) => [name, median(all.map((one) => one[name]))])) as Record<
    Name,
    number
  >;
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
