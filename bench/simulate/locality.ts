/**
 * The experiment of GPU-enabled FaaS (Zhao, Jha and Hong, arXiv 2303.05601): working sets of 15, 25 and 35 functions on
 * twelve GPUs, 325 requests a minute. A GPU holds two or three of the models; loading one takes three times as long as
 * running it, so that load balancing, which finds a third of them in place, is saturated. At a quarter of the load it is not.
 */
import type { SchedulingPolicy } from "../../gateway/scheduler/core/policy.ts";
import { deadlineWith } from "../../gateway/scheduler/policies/deadline/deadline.ts";
import { lalb, lalbo3 } from "../../gateway/scheduler/policies/lalb.ts";
import { lb } from "../../gateway/scheduler/policies/lb.ts";
import { mean, median } from "../harness/statistics.ts";
import { azureLikeArrivals } from "../traces/azure-like.ts";
import { workingSetArrivals } from "../traces/minute-arrivals.ts";
import { minuteMs, minuteTraceOf } from "../traces/minute-trace.ts";
import { gridOf, type SimulatedFunction } from "./cluster-model.ts";
import { type Outcomes, quantileOf } from "./outcomes.ts";
import { simulate } from "./simulation.ts";

export interface LocalityFigures {
  readonly meanMs: number;
  readonly p99Ms: number;
  readonly missRatio: number;
  readonly falseMissRatio: number;
}

export interface LocalityRow extends LocalityFigures {
  readonly workingSet: number;
  readonly callsAMinute: number;
  readonly policy: string;
}

const gib = 2 ** 30;
const workingSets = [15, 25, 35];
export const publishedLoad = 325;
/** At which load balancing keeps up. */
export const calmLoad = 80;
const minutes = 6;
const models = 22;

/** The same devices for all: with "policy" ours differs by its decisions alone, then it loads while it computes as well. */
const policies: readonly SchedulingPolicy[] = [
  lb,
  lalb,
  lalbo3,
  { ...deadlineWith({ traits: lalbo3.traits }), name: "deadline-policy-only" },
  deadlineWith({ traits: { overlapsLoads: true, sharesSpace: false } }),
];

/** @returns medians over the seeds. */
export function measureLocality(seeds: number): readonly LocalityRow[] {
  const rows: LocalityRow[] = [];
  for (const callsAMinute of [publishedLoad, calmLoad])
    for (const workingSet of workingSets)
      for (const policy of policies) {
        const runs = Array.from({ length: seeds }, (_, seed) =>
          run(workingSet, callsAMinute, policy, seed + 1),
        );
        const middle = (figure: keyof LocalityFigures) => median(runs.map((one) => one[figure]));
        rows.push({
          ...{ workingSet, callsAMinute, policy: policy.name },
          ...{ meanMs: middle("meanMs"), p99Ms: middle("p99Ms") },
          ...{ missRatio: middle("missRatio"), falseMissRatio: middle("falseMissRatio") },
        });
      }
  return rows;
}

function run(
  workingSet: number,
  callsAMinute: number,
  policy: SchedulingPolicy,
  seed: number,
): LocalityFigures {
  const all = azureLikeArrivals({ functions: 200, durationMs: minutes * minuteMs, callsPerSecond: 20, seed });
  const arrivals = workingSetArrivals(minuteTraceOf(all), {
    ...{ functions: workingSet, seed, spread: "random" as const, minutes, callsAMinute },
  });
  const functions = Array.from({ length: workingSet }, (_, i) => classifier(i));
  const outcomes = simulate({ policy, devices: twelveGpus, functions, arrivals });
  return figuresOf(outcomes);
}

function figuresOf(outcomes: Outcomes): LocalityFigures {
  const { missRatio, falseMissRatio } = outcomes;
  const latencies = outcomes.latencies();
  return { meanMs: mean(latencies), p99Ms: quantileOf(latencies, 0.99), missRatio, falseMissRatio };
}

/** RTX 2080: 8 GB; a second a GiB, and a second and a half for each load, a process among it. */
const twelveGpus = gridOf({
  ...{ nodes: 3, devicesPerNode: 4, devicesPerBus: 1 },
  ...{ budgetBytes: 8 * gib, loadBytesPerMs: gib / 1_000, loadFixedMs: 1_500 },
});

/** A batch of 32 images through one of 22 networks: 2.4 to 3.9 GiB with what it computes in, 1.2 to 1.5 s a run. */
function classifier(index: number): SimulatedFunction {
  const size = ((index * 7) % models) / (models - 1);
  const speed = ((index * 5) % models) / (models - 1);
  const runMs = 1_200 + 300 * speed;
  return {
    ...{ id: `model${index}`, tenant: "all", weightBytes: (2.4 + 1.5 * size) * gib, runMs },
    known: [{ class: "gpu", batch: 1, runMs }],
  };
}
