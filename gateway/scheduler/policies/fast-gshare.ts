/**
 * FaST-GShare (ICPP'23): sharing in time and in space. Several functions of a device hold a token at a time, as long as
 * the parts of it that they fill add up to at most the whole. Functions are put on the first device on which the areas of
 * all, requested quota times part, are at most the whole; how exactly they are packed as rectangles is not looked at here.
 */
import type { FunctionState } from "../core/function-state.ts";
import type { SchedulingPolicy } from "../core/policy.ts";
import { BoundFunctions, type Fits, fitsMemory } from "./bound-functions.ts";
import { TokenSharing } from "./token-sharing.ts";

export const fastGshare: SchedulingPolicy = {
  name: "fast-gshare",
  traits: { overlapsLoads: false, sharesSpace: true, coldStart: "process" },
  start: (cluster) =>
    new TokenSharing(cluster, new BoundFunctions(cluster, fits, "first fit"), (fn) => fn.occupancy),
};

const fits: Fits = (device, fn, others) =>
  [fn, ...others].reduce((sum, one) => sum + area(one), 0) <= 1 + 1e-9 && fitsMemory(device, fn, others);

function area(fn: FunctionState): number {
  return (fn.spec.quota?.request ?? 0) * fn.occupancy;
}
