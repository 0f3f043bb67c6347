/** Density in small: how many of ever more functions have 98 % of their calls in time; Torpor, SimpleSwap and ours. */
import { deadline } from "../../gateway/scheduler/policies/deadline/deadline.ts";
import { simpleSwap, torpor } from "../../gateway/scheduler/policies/torpor.ts";
import { score } from "../density/score.ts";
import { liveArrivals } from "./arrivals.ts";
import type { Calibration } from "./calibrate.ts";
import { LiveGateway } from "./live-gateway.ts";
import { playArrivals } from "./play.ts";
import type { LiveSettings } from "./settings.ts";
import type { World } from "./setup.ts";

export interface DensityTurn {
  readonly functions: number;
  readonly policy: string;
  readonly called: number;
  /** Functions that meet their deadline. */
  readonly meeting: number;
  readonly deadlineMs: number;
  readonly p98Ms: number;
  readonly wrong: number;
}

const policies = [simpleSwap, torpor, deadline];
/** Of what a call takes alone whose weights are not there. */
const deadlineFactor = 4;
/** With all functions, of what devices could answer if every call were cold. */
const fullLoad = 0.7;

export async function measureDensity(
  world: World,
  { runMs, loadMs, hostMs, slowness, loadSlowness }: Calibration,
  { rounds, seconds }: LiveSettings,
): Promise<readonly DensityTurn[]> {
  const { length: most } = world.functions;
  const deadlineMs = deadlineFactor * (runMs + loadMs + hostMs);
  const coldMs = runMs * slowness.at(-1)! + loadMs * loadSlowness.at(-1)!;
  const perFunction = (fullLoad * 1_000 * world.devices) / coldMs / most;
  const turns: DensityTurn[] = [];
  for (let round = 0; round < rounds; round++)
    for (const functions of [Math.ceil(most / 3), Math.ceil((2 * most) / 3), most])
      for (let turn = 0; turn < policies.length; turn++) {
        const policy = policies[(round + turn) % policies.length]!;
        await using gateway = await LiveGateway.open(world, policy);
        await gateway.warm(functions);
        const callsPerSecond = perFunction * functions;
        const options = { functions, callsPerSecond, durationMs: seconds * 1_000, seed: round + 1 };
        const calls = await playArrivals(gateway, liveArrivals(options), deadlineMs);
        const { functionsCalled, functionsMeetingDeadline, p98Ms } = score(
          calls.map((call) => ({ ...call, wasResident: false })),
          Array.from({ length: functions }, () => deadlineMs),
        );
        turns.push({
          ...{ functions, policy: policy.name, called: functionsCalled, meeting: functionsMeetingDeadline },
          ...{ deadlineMs, p98Ms, wrong: gateway.wrong },
        });
      }
  return turns;
}
