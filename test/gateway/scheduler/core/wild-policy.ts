/**
 * A policy that gives commands at random, most of them against the rules: the cluster has to refuse those, and to keep
 * its counts right with the others. Its chance comes from a seed, so that the same events still give the same actions.
 */
import type { Cluster } from "../../../../gateway/scheduler/core/cluster.ts";
import type { SchedulingPolicy } from "../../../../gateway/scheduler/core/policy.ts";
import { seededRandom } from "../../../../models/seeded.ts";

export function wild(sharesSpace: boolean): SchedulingPolicy {
  return {
    name: "wild",
    traits: { overlapsLoads: sharesSpace, sharesSpace },
    start(cluster) {
      const random = numbers(7);
      return {
        // Requests are found in the cluster.
        arrived: () => {},
        withdrawn: () => {},
        advance(now) {
          for (let i = 0; i < 6; i++) attempt(() => command(cluster, random, now));
        },
      };
    },
  };
}

type Numbers = (below: number) => number;

function command(cluster: Cluster, random: Numbers, now: number): void {
  const one = <T>(list: readonly T[]): T | undefined => list[random(list.length)];
  const device = one(cluster.devices);
  const fn = one([...cluster.functions.values()]);
  const requests = [...cluster.requests.values()];
  if (device === undefined || fn === undefined) return;
  switch (random(8)) {
    case 0:
      cluster.load(device, fn);
      return;
    case 1:
    case 2:
      cluster.evict(device, fn, "at random");
      return;
    case 3:
      if (random(6) === 0) cluster.wake(now + random(50));
      return;
    case 4: {
      const request = one(requests);
      if (request !== undefined && random(6) === 0) cluster.reject(request, "late", "at random");
      return;
    }
    case 5: {
      const ofFunction = requests.filter((request) => request.function === fn && random(4) > 0);
      cluster.run(device, ofFunction.slice(0, 1 + random(4)));
      return;
    }
    default: {
      const request = one(requests);
      if (request !== undefined) cluster.run(device, [request]);
    }
  }
}

/** What is against the rules is refused with a RangeError, nothing else. */
function attempt(command: () => void): void {
  try {
    command();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
}

function numbers(seed: number): Numbers {
  const random = seededRandom(seed);
  return (below) => Math.floor(random() * below);
}
