/** The same calls in the simulator, which is told what calibration measured and what the gateway tells its scheduler. */
import type { SchedulingPolicy } from "../../gateway/scheduler/core/policy.ts";
import type { DeviceSpec } from "../../gateway/scheduler/core/specs.ts";
import type { Outcomes } from "../simulate/outcomes.ts";
import { slownessFrom } from "../simulate/shared-cores.ts";
import { type SimulationOptions, simulate } from "../simulate/simulation.ts";
import { randomStream } from "../traces/random.ts";
import type { Calibration } from "./calibrate.ts";
import type { LiveFunction } from "./functions.ts";
import { medians } from "./summary.ts";
import type { Figures } from "./turn.ts";

export interface PredictOptions extends Pick<SimulationOptions, "arrivals" | "clients" | "closedUntilMs"> {
  readonly policy: SchedulingPolicy;
  readonly devices: readonly DeviceSpec[];
  readonly functions: readonly LiveFunction[];
  readonly calibration: Calibration;
  /** Of each call. Left out: none. */
  readonly deadlineMs?: number;
}

/** How long single runs take is drawn at random: so often, of which the median counts. */
const draws = 5;

/** @param figuresOf what became of the calls. */
export function predict<Name extends string>(
  options: PredictOptions,
  figuresOf: (outcomes: Outcomes) => Figures<Name>,
): Figures<Name> {
  return medians(Array.from({ length: draws }, (_, draw) => figuresOf(predictOnce(options, draw))));
}

function predictOnce(options: PredictOptions, draw: number): Outcomes {
  const { devices, functions, calibration, deadlineMs, ...rest } = options;
  const { runMs, loadMs, hostMs, slowness, loadSlowness, spread } = calibration;
  const random = randomStream(1, draw);
  return simulate({
    ...rest,
    devices: devices.map((spec, i) => ({
      ...spec,
      loadBytesPerMs: functions[i % functions.length]!.weightBytes / loadMs,
    })),
    functions: functions.map(({ name, weightBytes }) => ({
      ...{ id: name, tenant: "", weightBytes, runMs, hostMs },
      ...(deadlineMs !== undefined && { deadlineMs }),
      known: [{ class: devices[0]!.class, batch: 1, runMs }],
    })),
    slowness: { runs: slownessFrom(slowness), loads: slownessFrom(loadSlowness) },
    noise: () => spread[Math.floor(random() * spread.length)]!,
    // What a load adds to a run was measured as what is left after all overlap.
    tailPart: 1,
  });
}
