/**
 * Locality in small: working sets of two, three and four times what one device holds, at a half of what LB can answer, and
 * one of them at a third and at three quarters; each policy live, then in the simulator on the same calls.
 */
import type { DeviceSpec } from "../../gateway/scheduler/core/specs.ts";
import { deadline } from "../../gateway/scheduler/policies/deadline/deadline.ts";
import { lalb, lalbo3 } from "../../gateway/scheduler/policies/lalb.ts";
import { lb } from "../../gateway/scheduler/policies/lb.ts";
import { percentile } from "../harness/statistics.ts";
import type { Arrivals } from "../traces/arrivals.ts";
import { liveArrivals } from "./arrivals.ts";
import { type Calibration, Calibrations } from "./calibrate.ts";
import { LiveGateway } from "./live-gateway.ts";
import { playArrivals } from "./play.ts";
import { predict } from "./predict.ts";
import type { LiveSettings } from "./settings.ts";
import { slots, type World } from "./setup.ts";
import type { Figures, LiveTurn } from "./turn.ts";

export type LocalityFigure = "meanMs" | "p98Ms" | "p99Ms" | "missRatio" | "falseMissRatio";

export interface LocalityTurn extends LiveTurn<LocalityFigure> {
  readonly callsPerSecond: number;
  readonly calls: number;
  readonly calibration: Calibration;
}

interface Setting {
  readonly functions: number;
  /** Of what LB can answer. Nearer to all of it, queues multiply whatever differs. */
  readonly load: number;
}

const policies = [lb, lalb, lalbo3, deadline];
const middle: Setting = { functions: 9, load: 0.5 };
const settings: readonly Setting[] = [
  { functions: 6, load: 0.5 },
  middle,
  { functions: 12, load: 0.5 },
  { functions: 9, load: 0.33 },
  { functions: 9, load: 0.75 },
];
export const localityFunctions = 12;

export async function measureLocality(
  world: World,
  { rounds, seconds, isQuick }: LiveSettings,
  log: (line: string) => void,
): Promise<readonly LocalityTurn[]> {
  const turns: LocalityTurn[] = [];
  for (let round = 0; round < rounds; round++)
    for (const one of isQuick ? [middle] : settings) {
      const calibrations = new Calibrations(world);
      const first = await calibrations.take();
      const callsPerSecond = one.load * capacityOf(first, world.devices, one.functions);
      const arrivals = liveArrivals({
        ...{ functions: one.functions, callsPerSecond, durationMs: seconds * 1_000, seed: round + 1 },
      });
      const played: PlayedTurn[] = [];
      for (let turn = 0; turn < policies.length; turn++) {
        const policy = policies[(round + turn) % policies.length]!;
        played.push({ policy, ...(await play(world, policy, one.functions, arrivals)) });
        await calibrations.take();
      }
      const calibration = calibrations.typical;
      for (const { policy, devices, wrong, live } of played) {
        const functions = world.functions.slice(0, one.functions);
        turns.push({
          setting: `${one.functions} functions at ${one.load}`,
          ...{
            policy: policy.name,
            callsPerSecond,
            calls: arrivals.timesMs.length,
            wrong,
            calibration,
            live,
          },
          simulated: predict({ policy, arrivals, calibration, devices, functions }, (outcomes) =>
            figuresOf(outcomes.latencies(), outcomes.missRatio, outcomes.falseMissRatio),
          ),
        });
        log(lineOf(turns.at(-1)!));
      }
    }
  return turns;
}

/** Calls a second that LB would answer, where that many of its calls find weights as there are places on a device. */
export function capacityOf(
  { runMs, loadMs, slowness, loadSlowness }: Calibration,
  devices: number,
  functions: number,
): number {
  const missed = Math.max(0, 1 - slots / functions);
  return (1_000 * devices) / (runMs * slowness.at(-1)! + missed * loadMs * loadSlowness.at(-1)!);
}

interface PlayedTurn {
  readonly policy: (typeof policies)[number];
  readonly devices: readonly DeviceSpec[];
  readonly wrong: number;
  readonly live: Figures<LocalityFigure>;
}

async function play(
  world: World,
  policy: PlayedTurn["policy"],
  functions: number,
  arrivals: Arrivals,
): Promise<Omit<PlayedTurn, "policy">> {
  await using gateway = await LiveGateway.open(world, policy);
  await gateway.warm(functions);
  gateway.record.clear();
  const calls = await playArrivals(gateway, arrivals);
  const latencies = calls.flatMap(({ latencyMs }) => (latencyMs === undefined ? [] : [latencyMs]));
  const { requests, misses, falseMisses } = gateway.record;
  const live = figuresOf(latencies, misses / requests, falseMisses / requests);
  return { devices: gateway.deviceSpecs, wrong: gateway.wrong, live };
}

function figuresOf(
  latencies: ArrayLike<number>,
  missRatio: number,
  falseMissRatio: number,
): Figures<LocalityFigure> {
  const meanMs = Array.from(latencies).reduce((sum, ms) => sum + ms, 0) / latencies.length;
  const [p98Ms, p99Ms] = [percentile(latencies, 0.98), percentile(latencies, 0.99)];
  return { meanMs, p98Ms, p99Ms, missRatio, falseMissRatio };
}

function lineOf({ setting, policy, live, simulated }: LocalityTurn): string {
  const of = ({ meanMs, p98Ms, missRatio }: Figures<LocalityFigure>) =>
    `mean ${meanMs.toFixed(1)} ms, p98 ${p98Ms.toFixed(1)} ms, misses ${missRatio.toFixed(2)}`;
  return `${setting}, ${policy}: ${of(live)}; simulated ${of(simulated)}`;
}
