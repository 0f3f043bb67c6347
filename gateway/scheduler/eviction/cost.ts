/**
 * Cost-aware: who saves least for the memory it takes goes first. What a resident saves is the loading that would
 * be paid without it, and so the value of a byte is
 *
 *     usesPerSecond × loadMs / heldBytes      milliseconds of loading avoided, a second and byte
 *
 * This is the frequency × cost / size of GreedyDual-Size-Frequency (Cherkasova, HP Labs HPL-98-69, 1998), which
 * FaasCache (Fuerst and Sharma, ASPLOS'21) brought to functions. They add a clock that rises with each eviction,
 * to age counts that only grow; our rate decays by itself, and a snapshot is all that is needed.
 *
 * Filling memory by value per byte is the greedy solution of the knapsack that maximises what is saved; it is
 * near the best while single functions are small against the memory. Where loads take the same time per byte
 * the formula is that of LFU: it is the fixed part of a load (pipelines, many small weights), or weights that
 * come from disk, that makes functions differ.
 */
import { formatBytes } from "../../text.ts";
import { type EvictionPolicy, heldBytes, lastTouchedMs, type Resident } from "./policy.ts";
import { formatDuration, rateText } from "./words.ts";

export const cost: EvictionPolicy = {
  name: "cost",
  key: (resident) => [savedMsPerSecondAndByte(resident), lastTouchedMs(resident)],
  explain: (resident) =>
    `saves least for its size: ${rateText(resident)} × ${formatDuration(resident.loadMs)} to load, ` +
    `in ${formatBytes(heldBytes(resident))}`,
};

/** One without bytes counts as one byte: its value is finite, and high where it is used at all. */
function savedMsPerSecondAndByte(resident: Resident): number {
  return (resident.usesPerSecond * resident.loadMs) / Math.max(1, heldBytes(resident));
}
