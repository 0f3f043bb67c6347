/** The same calls in the simulator, which is told what calibration measured and what the gateway tells its scheduler. */
import type { SchedulingPolicy } from "../../gateway/scheduler/core/policy.ts";
import type { DeviceSpec } from "../../gateway/scheduler/core/specs.ts";
import type { Outcomes } from "../simulate/outcomes.ts";
import { slownessFrom } from "../simulate/shared-cores.ts";
import { type SimulationOptions, simulate } from "../simulate/simulation.ts";
import { randomStream } from "../traces/random.ts";
import type { Calibration } from "./calibrate.ts";
import type { LiveFunction } from "./functions.ts";
import type { Resident } from "./live-gateway.ts";
import { medians } from "./summary.ts";
import type { Figures } from "./turn.ts";

export interface PredictOptions extends Pick<SimulationOptions, "arrivals" | "clients" | "closedUntilMs"> {
  readonly policy: SchedulingPolicy;
  readonly devices: readonly DeviceSpec[];
  readonly functions: readonly LiveFunction[];
  readonly calibration: Calibration;
  /** Where weights were when the first call came. */
  readonly resident: Resident;
  /** Of each call. Left out: none. */
  readonly deadlineMs?: number;
}

/** How long single calls, runs and loads take is drawn at random: so often, of which the median counts. */
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
  const { runMs, hostMs, hostSlowness, returnPart } = calibration;
  const random = randomStream(1, draw);
  return simulate({
    ...rest,
    devices: devices.map((spec, i) => ({
      ...spec,
      loadBytesPerMs: functions[i % functions.length]!.weightBytes / calibration.loadMs,
    })),
    functions: functions.map(({ name, weightBytes }) => ({
      ...{ id: name, tenant: "", weightBytes, runMs, hostMs },
      ...(deadlineMs !== undefined && { deadlineMs }),
      known: [{ class: devices[0]!.class, batch: 1, runMs }],
    })),
    returnPart,
    slowness: {
      runs: slownessFrom(calibration.slowness),
      loads: slownessFrom(calibration.loadSlowness),
      host: (others) => hostSlowness[Math.min(others, hostSlowness.length - 1)]!,
    },
    noise: inOrder(calibration.spread, random()),
    loadNoise: inOrder(calibration.loadSpread, random()),
    hostNoise: inOrder(calibration.hostSpread, random()),
    // What a load adds to a run was measured as what is left after all overlap.
    tailPart: 1,
  });
}

/**
 * As they were measured, one after the other: a machine is slow for a while, which queues feel more than single runs.
 * @param from where to begin, 0 to 1.
 */
function inOrder(values: readonly number[], from: number): () => number {
  let next = Math.floor(from * values.length);
  return () => values[next++ % values.length]!;
}
