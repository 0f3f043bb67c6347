/**
 * Contention in small: clients that wait for their answers, each with a function of its own, through the memory cliff.
 * Static partitions are not among the policies: no device of WebGPU gives a function a part of itself.
 */
import { deadline } from "../../gateway/scheduler/policies/deadline/deadline.ts";
import { kaasBalance } from "../../gateway/scheduler/policies/kaas-balance.ts";
import { kaasCfs } from "../../gateway/scheduler/policies/kaas-cfs.ts";
import { mqfqSticky } from "../../gateway/scheduler/policies/mqfq-sticky.ts";
import { percentile } from "../harness/statistics.ts";
import { Arena } from "./arena.ts";
import type { Calibrator } from "./calibrate.ts";
import { playClients } from "./play.ts";
import { predict } from "./predict.ts";
import { type LiveSettings, slicesFor } from "./settings.ts";
import { slots, type World } from "./setup.ts";
import type { Figures, LiveTurn } from "./turn.ts";

/**
 * Answers a second: of all clients, and of the one that got fewest, times clients: many are worth little where some have
 * none. Times are NaN where nobody had an answer.
 */
export type ContentionFigure = "callsPerSecond" | "leastPerSecond" | "p50Ms" | "p90Ms";

export type ContentionTurn = LiveTurn<ContentionFigure>;

const policies = [kaasBalance, kaasCfs, mqfqSticky, deadline];

export async function measureContention(
  world: World,
  calibrator: Calibrator,
  { seconds, isQuick, isTwice }: LiveSettings,
): Promise<readonly ContentionTurn[]> {
  const cliff = slots * world.devices;
  const counts = isQuick ? [1, cliff + 2] : [1, slots, cliff, cliff + 2, 2 * cliff];
  const slices = slicesFor(seconds);
  const durationMs = seconds * 1_000;
  await using arena = await Arena.open(world, calibrator, policies, counts.at(-1)!, isTwice ? 2 : 1);
  const turns: ContentionTurn[] = [];
  for (const count of counts) {
    const { calibration, contestants } = await arena.hold({
      slices,
      play: (gateway) => playClients(gateway, count, durationMs / slices),
    });
    const functions = world.functions.slice(0, counts.at(-1)!);
    const clients = Array.from({ length: count }, (_, i) => ({ function: i }));
    for (const { policy, again, devices, resident, slices: played, wrong } of contestants) {
      const byClient = clients.map((_, i) => played.flatMap((one) => one.played[i]!));
      turns.push({
        ...{ setting: `${count} clients`, policy: policy.name, again, wrong },
        live: figuresOf(byClient, durationMs),
        simulated: predict(
          { policy, calibration, devices, resident, functions, clients, closedUntilMs: durationMs },
          (outcomes) => figuresOf(outcomes.latenciesByFunction().slice(0, count), durationMs),
        ),
      });
    }
  }
  return turns;
}

/** Without an answer a simulated call takes infinitely long. */
function figuresOf(byClient: readonly ArrayLike<number>[], durationMs: number): Figures<ContentionFigure> {
  const answered = byClient.map((all) => Array.from(all).filter(Number.isFinite));
  const latencies = answered.flat();
  const at = (p: number) => (latencies.length === 0 ? Number.NaN : percentile(latencies, p));
  const perSecond = (count: number) => (count * 1_000) / durationMs;
  const least = Math.min(...answered.map(({ length }) => length));
  return {
    callsPerSecond: perSecond(latencies.length),
    leastPerSecond: perSecond(byClient.length * least),
    ...{ p50Ms: at(0.5), p90Ms: at(0.9) },
  };
}
