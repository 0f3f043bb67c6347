/**
 * Locality in small: working sets of two, three and four times what one device holds, at three quarters of what LB can
 * answer (nearer to it, queues multiply whatever differs), and one at a third; each policy live, then in the simulator on
 * the same calls.
 */
import type { DeviceSpec } from "../../gateway/scheduler/core/specs.ts";
import { deadline } from "../../gateway/scheduler/policies/deadline/deadline.ts";
import { lalb, lalbo3 } from "../../gateway/scheduler/policies/lalb.ts";
import { lb } from "../../gateway/scheduler/policies/lb.ts";
import { percentile } from "../harness/statistics.ts";
import type { Arrivals } from "../traces/arrivals.ts";
import { liveArrivals } from "./arrivals.ts";
import { between, type Calibration, calibrate } from "./calibrate.ts";
import { LiveGateway } from "./live-gateway.ts";
import { playArrivals } from "./play.ts";
import { predict } from "./predict.ts";
import type { LiveSettings } from "./settings.ts";
import { slots, type World } from "./setup.ts";

export interface LocalityFigures {
  readonly meanMs: number;
  readonly p98Ms: number;
  readonly p99Ms: number;
  readonly missRatio: number;
  readonly falseMissRatio: number;
}

export interface LocalityTurn {
  /** `6`, `9`, `12`, `9 calm`. */
  readonly setting: string;
  readonly policy: string;
  readonly callsPerSecond: number;
  readonly calls: number;
  readonly wrong: number;
  readonly live: LocalityFigures;
  readonly simulated: LocalityFigures;
}

export const localityPolicies = [lb, lalb, lalbo3, deadline];
const settings = [
  { name: "6", functions: 6, load: 0.75 },
  { name: "9", functions: 9, load: 0.75 },
  { name: "12", functions: 12, load: 0.75 },
  { name: "9 calm", functions: 9, load: 0.3 },
];
export const localityFunctions = 12;

export async function measureLocality(
  world: World,
  { rounds, seconds, isQuick }: LiveSettings,
  log: (line: string) => void,
): Promise<{ readonly turns: readonly LocalityTurn[]; readonly calibrations: readonly Calibration[] }> {
  const turns: LocalityTurn[] = [];
  const calibrations: Calibration[] = [];
  for (let round = 0; round < rounds; round++)
    for (const one of isQuick ? settings.slice(1, 2) : settings) {
      const calls = isQuick ? 12 : 20;
      let before = await calibrate(world, calls);
      calibrations.push(before);
      const callsPerSecond = one.load * capacityOf(before, world.devices, one.functions);
      const { length } = localityPolicies;
      for (let turn = 0; turn < length; turn++) {
        const policy = localityPolicies[(round + turn) % length]!;
        const played = await playTurn(world, { ...one, callsPerSecond, policy, seconds, seed: round + 1 });
        const after = await calibrate(world, calls);
        calibrations.push(after);
        turns.push(compared(world, played, between(before, after)));
        before = after;
        const { live, simulated } = turns.at(-1)!;
        const ms = (value: number) => value.toFixed(1);
        log(`${one.name}, ${policy.name}: ${ms(live.meanMs)} ms, simulated ${ms(simulated.meanMs)} ms`);
      }
    }
  return { turns, calibrations };
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

interface TurnOptions {
  readonly name: string;
  readonly functions: number;
  readonly callsPerSecond: number;
  readonly policy: (typeof localityPolicies)[number];
  readonly seconds: number;
  readonly seed: number;
}

interface PlayedTurn extends TurnOptions {
  readonly arrivals: Arrivals;
  readonly devices: readonly DeviceSpec[];
  readonly wrong: number;
  readonly live: LocalityFigures;
}

async function playTurn(world: World, options: TurnOptions): Promise<PlayedTurn> {
  const { functions, callsPerSecond, policy, seconds, seed } = options;
  const arrivals = liveArrivals({ functions, callsPerSecond, durationMs: seconds * 1_000, seed });
  await using gateway = await LiveGateway.open(world, policy);
  await gateway.warm(functions);
  gateway.record.clear();
  const calls = await playArrivals(gateway, arrivals);
  const latencies = calls.flatMap(({ latencyMs }) => (latencyMs === undefined ? [] : [latencyMs]));
  const { requests, misses, falseMisses } = gateway.record;
  const live = figuresOf(latencies, misses / requests, falseMisses / requests);
  return { ...options, arrivals, devices: gateway.deviceSpecs, wrong: gateway.wrong, live };
}

function compared(world: World, played: PlayedTurn, calibration: Calibration): LocalityTurn {
  const { name, functions, policy, callsPerSecond, arrivals, devices, wrong, live } = played;
  const outcomes = predict({
    ...{ policy, arrivals, calibration, devices },
    functions: world.functions.slice(0, functions),
  });
  const { missRatio, falseMissRatio } = outcomes;
  const simulated = figuresOf(outcomes.latencies(), missRatio, falseMissRatio);
  const calls = arrivals.timesMs.length;
  return { setting: name, policy: policy.name, callsPerSecond, calls, wrong, live, simulated };
}

function figuresOf(latencies: ArrayLike<number>, missRatio: number, falseMissRatio: number): LocalityFigures {
  const meanMs = Array.from(latencies).reduce((sum, ms) => sum + ms, 0) / latencies.length;
  const [p98Ms, p99Ms] = [percentile(latencies, 0.98), percentile(latencies, 0.99)];
  return { meanMs, p98Ms, p99Ms, missRatio, falseMissRatio };
}
