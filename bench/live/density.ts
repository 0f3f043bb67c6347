/** Density in small: how many of ever more functions have 98 % of their calls in time; Torpor, SimpleSwap and ours. */
import { deadline } from "../../gateway/scheduler/policies/deadline/deadline.ts";
import { simpleSwap, torpor } from "../../gateway/scheduler/policies/torpor.ts";
import { score } from "../density/score.ts";
import { type Outcomes, quantileOf } from "../simulate/outcomes.ts";
import { Arena } from "./arena.ts";
import { liveArrivals, slicesOf } from "./arrivals.ts";
import { type Calibrator, calibrationOf } from "./calibrate.ts";
import { arrivalsOf, joined, latenciesOf, playArrivals } from "./play.ts";
import { predict } from "./predict.ts";
import { type LiveSettings, slicesFor } from "./settings.ts";
import type { World } from "./setup.ts";
import { type LatencyFigure, latencyFigures, simulatedSlices } from "./slices.ts";
import type { LiveTurn } from "./turn.ts";

/** Functions that meet their deadline, beside latencies. */
export type DensityFigure = LatencyFigure | "meeting";

export interface DensityTurn extends LiveTurn<DensityFigure> {
  readonly called: number;
  readonly deadlineMs: number;
}

const policies = [simpleSwap, torpor, deadline];
/** Of what a call takes alone whose weights are not there. */
const deadlineFactor = 4;
/** With all functions, of what devices could answer if every call were cold. */
const fullLoad = 0.5;

export async function measureDensity(
  world: World,
  calibrator: Calibrator,
  { seconds, isQuick, isTwice }: LiveSettings,
): Promise<readonly DensityTurn[]> {
  const { functions } = world;
  const { length: most } = functions;
  await using arena = await Arena.open(world, calibrator, policies, most, isTwice ? 2 : 1);
  const counts = isQuick ? [most] : [Math.ceil(most / 3), Math.ceil((2 * most) / 3), most];
  const { runMs, loadMs, hostMs, slowness, loadSlowness } = calibrationOf([await calibrator.measure()]);
  const deadlineMs = deadlineFactor * (runMs + loadMs + hostMs);
  const coldMs = runMs * slowness.at(-1)! + loadMs * loadSlowness.at(-1)!;
  const perFunction = (fullLoad * 1_000 * world.devices) / coldMs / most;
  const slices = slicesFor(seconds);
  const turns: DensityTurn[] = [];
  for (const count of counts) {
    const durationMs = seconds * 1_000;
    const arrivals = liveArrivals({ functions: count, callsPerSecond: perFunction * count, durationMs });
    const calls = slicesOf(arrivals, slices);
    const { calibration, contestants } = await arena.hold({
      slices,
      play: (gateway, slice) => playArrivals(gateway, calls[slice]!, deadlineMs),
    });
    for (const { policy, again, devices, resident, slices: played, wrong } of contestants) {
      const own = joined(played);
      const { functionsCalled, functionsMeetingDeadline } = score(
        own.map((call) => ({ ...call, wasResident: false })),
        functions.map(() => deadlineMs),
      );
      turns.push({
        ...{
          setting: `${count} functions`,
          policy: policy.name,
          again,
          called: functionsCalled,
          deadlineMs,
          wrong,
        },
        live: {
          ...latencyFigures(played.map((one) => latenciesOf(one.played))),
          meeting: functionsMeetingDeadline,
        },
        simulated: predict(
          { policy, arrivals: arrivalsOf(own), calibration, devices, resident, functions, deadlineMs },
          (outcomes) => ({
            ...latencyFigures(simulatedSlices(outcomes, played)),
            meeting: meeting(outcomes, deadlineMs),
          }),
        ),
      });
    }
  }
  return turns;
}

function meeting(outcomes: Outcomes, deadlineMs: number): number {
  return outcomes.latenciesByFunction().filter((all) => all.length > 0 && quantileOf(all, 0.98) <= deadlineMs)
    .length;
}
