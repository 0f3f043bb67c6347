/**
 * Contention in small: clients that wait for their answers, each with a function of its own, through the memory cliff.
 * Static partitions are not among the policies: no device of WebGPU gives a function a part of itself.
 */
import { deadline } from "../../gateway/scheduler/policies/deadline/deadline.ts";
import { kaasBalance } from "../../gateway/scheduler/policies/kaas-balance.ts";
import { kaasCfs } from "../../gateway/scheduler/policies/kaas-cfs.ts";
import { mqfqSticky } from "../../gateway/scheduler/policies/mqfq-sticky.ts";
import { percentile } from "../harness/statistics.ts";
import { Calibrations } from "./calibrate.ts";
import { LiveGateway } from "./live-gateway.ts";
import { playClients } from "./play.ts";
import { predict } from "./predict.ts";
import type { LiveSettings } from "./settings.ts";
import { slots, type World } from "./setup.ts";
import type { Figures, LiveTurn } from "./turn.ts";

/** Times are NaN where nobody had an answer. */
export type ContentionFigure = "callsPerSecond" | "p50Ms" | "p90Ms";

export type ContentionTurn = LiveTurn<ContentionFigure>;

const policies = [kaasBalance, kaasCfs, mqfqSticky, deadline];
/** Shorter than other turns: policies are at rest after some runs of each client. */
const turnShare = 0.5;

export async function measureContention(
  world: World,
  { rounds, seconds, isQuick }: LiveSettings,
): Promise<readonly ContentionTurn[]> {
  const cliff = slots * world.devices;
  const counts = isQuick ? [1, cliff + 2] : [1, slots, cliff, cliff + 2, 2 * cliff];
  const durationMs = seconds * 1_000 * turnShare;
  const turns: ContentionTurn[] = [];
  for (let round = 0; round < rounds; round++) {
    const calibrations = new Calibrations(world);
    await calibrations.take();
    for (const count of counts) {
      const played = [];
      for (let turn = 0; turn < policies.length; turn++) {
        const policy = policies[(round + turn) % policies.length]!;
        await using gateway = await LiveGateway.open(world, policy);
        await gateway.warm(count);
        const latencies = await playClients(gateway, count, durationMs);
        played.push({ policy, latencies, devices: gateway.deviceSpecs, wrong: gateway.wrong });
      }
      await calibrations.take();
      const calibration = calibrations.typical;
      for (const { policy, latencies, devices, wrong } of played) {
        const functions = world.functions.slice(0, count);
        const clients = functions.map((_, i) => ({ function: i }));
        turns.push({
          ...{ setting: `${count} clients`, policy: policy.name, wrong },
          live: figuresOf(latencies, durationMs),
          simulated: predict(
            { policy, calibration, devices, functions, clients, closedUntilMs: durationMs },
            (outcomes) => figuresOf(outcomes.latencies(), durationMs),
          ),
        });
      }
    }
  }
  return turns;
}

function figuresOf(latencies: ArrayLike<number>, durationMs: number): Figures<ContentionFigure> {
  const at = (p: number) => (latencies.length === 0 ? Number.NaN : percentile(latencies, p));
  return { callsPerSecond: (latencies.length * 1_000) / durationMs, p50Ms: at(0.5), p90Ms: at(0.9) };
}
