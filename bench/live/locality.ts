/**
 * Locality in small: working sets of two, three and four times what one device holds, at a half of what LB can answer, and
 * one of them at a third and at three quarters; each policy live, and in the simulator on the same calls.
 */
import { deadline } from "../../gateway/scheduler/policies/deadline/deadline.ts";
import { lalb, lalbo3 } from "../../gateway/scheduler/policies/lalb.ts";
import { lb } from "../../gateway/scheduler/policies/lb.ts";
import { Arena } from "./arena.ts";
import { liveArrivals, slicesOf } from "./arrivals.ts";
import { type Calibration, type Calibrator, calibrationOf } from "./calibrate.ts";
import { arrivalsOf, joined, latenciesOf, playArrivals } from "./play.ts";
import { predict } from "./predict.ts";
import { type LiveSettings, slicesFor } from "./settings.ts";
import { slots, type World } from "./setup.ts";
import { type LatencyFigure, latencyFigures, simulatedSlices } from "./slices.ts";
import type { LiveTurn } from "./turn.ts";

export type LocalityFigure = LatencyFigure | "missRatio" | "falseMissRatio";

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
  calibrator: Calibrator,
  { seconds, isQuick, isTwice }: LiveSettings,
  log: (line: string) => void,
): Promise<readonly LocalityTurn[]> {
  await using arena = await Arena.open(world, calibrator, policies, localityFunctions, isTwice ? 2 : 1);
  const functions = world.functions.slice(0, localityFunctions);
  const turns: LocalityTurn[] = [];
  for (const { functions: count, load } of isQuick ? [middle] : settings) {
    const slices = slicesFor(seconds);
    const first = calibrationOf([await calibrator.measure()]);
    const callsPerSecond = load * capacityOf(first, world.devices, count);
    const arrivals = liveArrivals({ functions: count, callsPerSecond, durationMs: seconds * 1_000 });
    const calls = slicesOf(arrivals, slices);
    const { calibration, contestants } = await arena.hold({
      slices,
      play: (gateway, slice) => playArrivals(gateway, calls[slice]!),
    });
    for (const {
      policy,
      again,
      devices,
      resident,
      slices: played,
      missRatio,
      falseMissRatio,
      wrong,
    } of contestants) {
      const own = joined(played);
      turns.push({
        ...{
          setting: `${count} functions at ${load}`,
          policy: policy.name,
          again,
          callsPerSecond,
          calls: own.length,
        },
        ...{ wrong, calibration },
        live: {
          ...latencyFigures(played.map((one) => latenciesOf(one.played))),
          ...{ missRatio, falseMissRatio },
        },
        simulated: predict(
          { policy, arrivals: arrivalsOf(own), calibration, devices, resident, functions },
          (outcomes) => ({
            ...latencyFigures(simulatedSlices(outcomes, played)),
            ...{ missRatio: outcomes.missRatio, falseMissRatio: outcomes.falseMissRatio },
          }),
        ),
      });
      log(lineOf(turns.at(-1)!));
    }
  }
  return turns;
}

/** Calls a second that LB would answer, where that many of its calls find weights as there are places on a device. */
function capacityOf(
  { runMs, loadMs, slowness, loadSlowness }: Calibration,
  devices: number,
  functions: number,
): number {
  const missed = Math.max(0, 1 - slots / functions);
  return (1_000 * devices) / (runMs * slowness.at(-1)! + missed * loadMs * loadSlowness.at(-1)!);
}

function lineOf({ setting, policy, live, simulated }: LocalityTurn): string {
  const of = ({ meanMs, p98Ms, missRatio }: LocalityTurn["live"]) =>
    `mean ${meanMs.toFixed(1)} ms, p98 ${p98Ms.toFixed(1)} ms, misses ${missRatio.toFixed(2)}`;
  return `${setting}, ${policy}: ${of(live)}; simulated ${of(simulated)}`;
}
