/**
 * Torpor's order (USENIX ATC'25, the later form of FaaSwap): what is heavy and held nowhere else goes last, because
 * bringing it back delays its calls and no other device can answer them meanwhile. Least recently used within
 * both classes. A resident changes class when another device loads or evicts the same function: the next
 * snapshot says so. The artifact counts "medium" functions among the heavy ones, and so may the caller.
 * A copy that another device is reading from is leased.
 */
import { type EvictionPolicy, lastTouchedMs, type Resident } from "./policy.ts";
import { formatDuration, idleText } from "./words.ts";

export const torpor: EvictionPolicy = {
  name: "torpor",
  key: (resident) => [resident.isHeavy && resident.isSoleCopy ? 1 : 0, lastTouchedMs(resident)],
  explain: (resident, nowMs) => `${classText(resident)}; ${idleText(resident, nowMs)}`,
};

function classText({ isHeavy, isSoleCopy, loadMs }: Resident): string {
  if (!isHeavy) return `light: loads in ${formatDuration(loadMs)}`;
  return isSoleCopy ? "heavy and the only copy, but nothing lighter is left" : "heavy, but not the only copy";
}
