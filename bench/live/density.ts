/** Density in small: how many of ever more functions have 98 % of their calls in time; Torpor, SimpleSwap and ours. */
import { deadline } from "../../gateway/scheduler/policies/deadline/deadline.ts";
import { simpleSwap, torpor } from "../../gateway/scheduler/policies/torpor.ts";
import { score } from "../density/score.ts";
import { type Outcomes, quantileOf } from "../simulate/outcomes.ts";
import { liveArrivals } from "./arrivals.ts";
import { Calibrations } from "./calibrate.ts";
import { LiveGateway } from "./live-gateway.ts";
import { playArrivals } from "./play.ts";
import { predict } from "./predict.ts";
import type { LiveSettings } from "./settings.ts";
import type { World } from "./setup.ts";
import type { Figures, LiveTurn } from "./turn.ts";

/** Functions that meet their deadline, and that of 98 % of all calls. */
export type DensityFigure = "meeting" | "p98Ms";

export interface DensityTurn extends LiveTurn<DensityFigure> {
  readonly called: number;
  readonly deadlineMs: number;
}

const policies = [simpleSwap, torpor, deadline];
/** Of what a call takes alone whose weights are not there. */
const deadlineFactor = 4;
/** With all functions, of what devices could answer if every call were cold. */
const fullLoad = 0.7;

export async function measureDensity(
  world: World,
  { rounds, seconds, isQuick }: LiveSettings,
): Promise<readonly DensityTurn[]> {
  const { length: most } = world.functions;
  const counts = isQuick ? [most] : [Math.ceil(most / 3), Math.ceil((2 * most) / 3), most];
  const turns: DensityTurn[] = [];
  for (let round = 0; round < rounds; round++) {
    const calibrations = new Calibrations(world);
    const { runMs, loadMs, hostMs, slowness, loadSlowness } = await calibrations.take();
    const deadlineMs = deadlineFactor * (runMs + loadMs + hostMs);
    const coldMs = runMs * slowness.at(-1)! + loadMs * loadSlowness.at(-1)!;
    const perFunction = (fullLoad * 1_000 * world.devices) / coldMs / most;
    for (const count of counts) {
      const functions = world.functions.slice(0, count);
      const deadlines = functions.map(() => deadlineMs);
      const callsPerSecond = perFunction * count;
      const options = { functions: count, callsPerSecond, durationMs: seconds * 1_000, seed: round + 1 };
      const arrivals = liveArrivals(options);
      const played = [];
      for (let turn = 0; turn < policies.length; turn++) {
        const policy = policies[(round + turn) % policies.length]!;
        await using gateway = await LiveGateway.open(world, policy);
        await gateway.warm(count);
        const calls = await playArrivals(gateway, arrivals, deadlineMs);
        const { deviceSpecs: devices, wrong } = gateway;
        played.push({
          ...{ policy, devices, wrong },
          ...score(
            calls.map((call) => ({ ...call, wasResident: false })),
            deadlines,
          ),
        });
      }
      await calibrations.take();
      const calibration = calibrations.typical;
      for (const one of played) {
        const { policy, devices, wrong, functionsCalled, functionsMeetingDeadline, p98Ms } = one;
        turns.push({
          setting: `${count} functions`,
          ...{ policy: policy.name, called: functionsCalled, deadlineMs, wrong },
          live: { meeting: functionsMeetingDeadline, p98Ms },
          simulated: predict({ policy, arrivals, calibration, devices, functions, deadlineMs }, (outcomes) =>
            figuresOf(outcomes, deadlineMs),
          ),
        });
      }
    }
  }
  return turns;
}

function figuresOf(outcomes: Outcomes, deadlineMs: number): Figures<DensityFigure> {
  const met = outcomes
    .latenciesByFunction()
    .filter((all) => all.length > 0 && quantileOf(all, 0.98) <= deadlineMs);
  return { meeting: met.length, p98Ms: quantileOf(outcomes.latencies(), 0.98) };
}
