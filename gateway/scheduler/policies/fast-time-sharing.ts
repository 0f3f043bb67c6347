/**
 * Sharing in time only, which FaST-GShare (ICPP'23) compares itself with (KubeShare): one token a device, so one run at a
 * time. Functions are dealt out to devices as long as their requested quotas add up to at most the whole.
 */
import type { SchedulingPolicy } from "../core/policy.ts";
import { BoundFunctions, type Fits, fitsMemory } from "./bound-functions.ts";
import { TokenSharing } from "./token-sharing.ts";

export const fastTimeSharing: SchedulingPolicy = {
  name: "fast-time",
  traits: { overlapsLoads: false, sharesSpace: false, coldStart: "process" },
  start: (cluster) => new TokenSharing(cluster, new BoundFunctions(cluster, fits, "in turn"), () => 1),
};

const fits: Fits = (device, fn, others) => {
  const requested = [fn, ...others].reduce((sum, { spec }) => sum + (spec.quota?.request ?? 0), 0);
  return requested <= 1 + 1e-9 && fitsMemory(device, fn, others);
};
