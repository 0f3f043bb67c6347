/** What the policies miss on the same seeded calls: printed for people, and held to what must be so. */
import { describe, expect, it } from "vitest";
import {
  type EvictionPolicyName,
  evictionPolicies,
  evictionPolicyNames,
} from "../../../../gateway/scheduler/eviction/policies.ts";
import { tableLines } from "../../../../gateway/text.ts";
import { seededRandom } from "../../../../models/seeded.ts";
import { mebibyte } from "./residents.ts";
import { type Call, type MissRatios, type SimulatedFunction, simulateCache } from "./simulate-cache.ts";

const functionCount = 120;
const callCount = 8_000;
const callsPerSecond = 10;

/**
 * From 4 to 400 MiB, evenly on a logarithmic scale, whatever their rank. A load is 2 to 20 ms for pipelines and
 * the rest, and the bytes at 8 GiB a second.
 */
function anyFunctions(random: () => number): SimulatedFunction[] {
  return Array.from({ length: functionCount }, (_, i) => {
    const bytes = Math.round(4 * mebibyte * 100 ** random());
    const loadMs = 2 + 18 * random() + (bytes / (8 * 1024 * mebibyte)) * 1_000;
    return { id: `f${i}`, bytes, loadMs, isHeavy: loadMs > 25 };
  });
}

/** Zipf's law with exponent 0.9; halfway a fifth of the functions change places. */
function anyTrace(random: () => number): Call[] {
  const weights = Array.from({ length: functionCount }, (_, rank) => 1 / (rank + 1) ** 0.9);
  const totalWeight = weights.reduce((sum, weight) => sum + weight, 0);
  const byRank = weights.map((_, rank) => rank);
  const calls: Call[] = [];
  let atMs = 0;
  for (let i = 0; i < callCount; i++) {
    if (i === callCount / 2) swapSome(byRank, functionCount / 10, random);
    atMs -= (Math.log(1 - random()) / callsPerSecond) * 1_000;
    let rest = random() * totalWeight;
    const rank = weights.findIndex((weight) => {
      rest -= weight;
      return rest < 0;
    });
    // Where rounding leaves a rest, findIndex gives -1: the last one.
    calls.push({ atMs, function: byRank.at(rank)! });
  }
  return calls;
}

function swapSome(places: number[], count: number, random: () => number): void {
  for (let i = 0; i < count; i++) {
    const [a, b] = [random(), random()].map((value) => Math.floor(value * places.length)) as [number, number];
    [places[a], places[b]] = [places[b]!, places[a]!];
  }
}

function simulateAll(seed: number, share: number) {
  const random = seededRandom(seed);
  const functions = anyFunctions(random);
  const trace = anyTrace(random);
  const totalBytes = functions.reduce((sum, { bytes }) => sum + bytes, 0);
  const capacityBytes = Math.floor(totalBytes * share);
  const ratios = Object.fromEntries(
    evictionPolicyNames.map((name) => [
      name,
      simulateCache(evictionPolicies[name], functions, trace, capacityBytes, 120_000),
    ]),
  ) as Record<EvictionPolicyName, MissRatios>;
  return { functions, trace, capacityBytes, ratios };
}

describe.each([1, 2, 3])("a device that holds a third of 120 functions, seed %i", (seed) => {
  it("is never overfull, misses some calls under every policy, and fewest where a policy is at home", () => {
    const { capacityBytes, ratios } = simulateAll(seed, 1 / 3);
    console.log(table(seed, ratios));
    for (const name of evictionPolicyNames) {
      const { calls, heavyCalls, bytes, cost, peakBytes } = ratios[name];
      expect(peakBytes).toBeLessThanOrEqual(capacityBytes);
      // A cache of a third that is in use all the time.
      expect(peakBytes).toBeGreaterThan(capacityBytes * 0.9);
      for (const ratio of [calls, heavyCalls, bytes, cost]) {
        expect(ratio).toBeGreaterThan(0);
        expect(ratio).toBeLessThan(1);
      }
    }
    expect(ratios.cost.cost).toBeLessThanOrEqual(ratios.lru.cost);
    expect(ratios.cost.calls).toBeLessThanOrEqual(ratios.lru.calls);
    // What Torpor's classes are for.
    expect(ratios.torpor.heavyCalls).toBeLessThanOrEqual(ratios.lru.heavyCalls);
    expect(ratios.lfu.bytes).toBeLessThanOrEqual(ratios.lru.bytes);
  });
});

it("a device that holds everything loads each function once, whatever the policy", () => {
  const { functions, trace, ratios } = simulateAll(1, 1);
  const called = new Set(trace.map((call) => call.function));
  for (const name of evictionPolicyNames) {
    expect(ratios[name].calls).toBe(called.size / trace.length);
    expect(ratios[name].peakBytes).toBe([...called].reduce((sum, i) => sum + functions[i]!.bytes, 0));
  }
});

function table(seed: number, ratios: Readonly<Record<EvictionPolicyName, MissRatios>>): string {
  const percent = (ratio: number) => `${(ratio * 100).toFixed(1)} %`;
  const rows = evictionPolicyNames.map((name) => {
    const { calls, heavyCalls, bytes, cost } = ratios[name];
    return [name, ...[calls, heavyCalls, bytes, cost].map(percent)];
  });
  const heading = [`seed ${seed}`, "calls missed", "of heavy ones", "bytes missed", "load time missed"];
  return tableLines([heading, ...rows]).join("\n");
}
