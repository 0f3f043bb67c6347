/** Gaps between the calls of each function of a trace: what keep-alive is told beforehand in the published experiment. */
import type { Arrivals } from "../traces/arrivals.ts";
import { quantileOf } from "./outcomes.ts";

/** @param p 0 to 1. @returns a value a function, in milliseconds; 0 where it is called once at most. */
export function callGaps({ timesMs, functionOf, functions }: Arrivals, p: number): readonly number[] {
  const gaps: number[][] = Array.from({ length: functions }, () => []);
  const lastMs = new Float64Array(functions).fill(Number.NaN);
  for (const [i, fn] of functionOf.entries()) {
    const at = timesMs[i]!;
    const last = lastMs[fn]!;
    if (!Number.isNaN(last)) gaps[fn]!.push(at - last);
    lastMs[fn] = at;
  }
  return gaps.map((list) => (list.length === 0 ? 0 : quantileOf(Float64Array.from(list).sort(), p)));
}
