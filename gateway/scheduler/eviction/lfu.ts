/**
 * Least frequently used, aged: who is called least of late goes first, ties by recency. The rate decays
 * (use-rate.ts), so that a function that was popular yesterday does not stay for it.
 */
import { type EvictionPolicy, lastTouchedMs } from "./policy.ts";
import { rateText } from "./words.ts";

export const lfu: EvictionPolicy = {
  name: "lfu",
  key: (resident) => [resident.usesPerSecond, lastTouchedMs(resident)],
  explain: (resident) => `least often used: ${rateText(resident)} of late, ${resident.uses} since deployed`,
};
