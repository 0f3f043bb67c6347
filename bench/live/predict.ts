/** The same calls in the simulator, which is told what calibration measured and what the gateway tells its scheduler. */

import type { SchedulingPolicy } from "../../gateway/scheduler/core/policy.ts";
import type { DeviceSpec } from "../../gateway/scheduler/core/specs.ts";
import type { Outcomes } from "../simulate/outcomes.ts";
import { slownessFrom } from "../simulate/shared-cores.ts";
import { simulate } from "../simulate/simulation.ts";
import type { Arrivals } from "../traces/arrivals.ts";
import { randomStream } from "../traces/random.ts";
import type { Calibration } from "./calibrate.ts";
import type { LiveFunction } from "./functions.ts";

export interface PredictOptions {
  readonly policy: SchedulingPolicy;
  readonly devices: readonly DeviceSpec[];
  readonly functions: readonly LiveFunction[];
  readonly arrivals: Arrivals;
  readonly calibration: Calibration;
}

export function predict({ policy, devices, functions, arrivals, calibration }: PredictOptions): Outcomes {
  const { runMs, loadMs, hostMs, slowness, loadSlowness, spread } = calibration;
  const random = randomStream(1, 0);
  return simulate({
    policy,
    arrivals,
    devices: devices.map((spec, i) => ({
      ...spec,
      loadBytesPerMs: functions[i % functions.length]!.weightBytes / loadMs,
    })),
    functions: functions.map(({ name, weightBytes }) => ({
      ...{ id: name, tenant: "", weightBytes, runMs, hostMs },
      known: [{ class: devices[0]!.class, batch: 1, runMs }],
    })),
    slowness: { runs: slownessFrom(slowness), loads: slownessFrom(loadSlowness) },
    noise: () => spread[Math.floor(random() * spread.length)]!,
    // What a load adds to a run was measured as what is left after all overlap.
    tailPart: 1,
  });
}
