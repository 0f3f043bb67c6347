/** Least recently used: who has been idle longest goes first. The baseline, and what LALB and LALBO3 assume. */
import { type EvictionPolicy, lastTouchedMs } from "./policy.ts";
import { idleText } from "./words.ts";

export const lru: EvictionPolicy = {
  name: "lru",
  key: (resident) => [lastTouchedMs(resident)],
  explain: (resident, nowMs) => `least recently used: ${idleText(resident, nowMs)}`,
};
