/** How far the simulator was from what happened, and that from what happened again. Pure. */
import { median } from "../harness/statistics.ts";
import type { Figures, LiveTurn } from "./turn.ts";

/** Something that is held against a figure of what happened, as a part of it. */
export type PartsOf = <Name extends string>(
  turns: readonly LiveTurn<Name>[],
  name: NoInfer<Name>,
) => readonly number[];

/** By how much it is too high, or too low, as part of what happened. */
export function errorsOf<Name extends string>(
  turns: readonly LiveTurn<Name>[],
  name: NoInfer<Name>,
): readonly number[] {
  return turns.map(({ live, simulated }) => simulated[name] / live[name] - 1);
}

/** By how much a policy that was entered twice came out higher, or lower, the second time, as part of the first. */
export function differencesOf<Name extends string>(
  turns: readonly LiveTurn<Name>[],
  name: NoInfer<Name>,
): readonly number[] {
  const firsts = turns.filter(({ again }) => !again);
  return turns
    .filter(({ again }) => again)
    .map(({ setting, policy, live }) => {
      const first = firsts.find((one) => one.setting === setting && one.policy === policy)!;
      return live[name] / first.live[name] - 1;
    });
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
  turns: readonly LiveTurn<Name>[],
  name: NoInfer<Name>,
): OrderAgreement {
  let pairs = 0;
  let agreeing = 0;
  for (const all of groups(turns, ({ setting, again }) => `${setting} ${again}`).values())
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
