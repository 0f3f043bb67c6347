/** Devices and functions for the autoscaler's tests, and what a fleet of them looks like from its actions alone. */
import { configurationsOf } from "../../../../gateway/scheduler/profile/configurations.ts";
import type { Profile } from "../../../../gateway/scheduler/profile/profile.ts";
import type { ScalingAction } from "../../../../gateway/scheduler/scaling/actions.ts";
import {
  nothingScaled,
  type ScalingState,
  type ScalingStep,
  scale,
} from "../../../../gateway/scheduler/scaling/autoscaler.ts";
import {
  defaultScaling,
  type FunctionDemand,
  type ScalingOptions,
} from "../../../../gateway/scheduler/scaling/demand.ts";
import type { ScalingDevice } from "../../../../gateway/scheduler/scaling/device-space.ts";
import { saturating } from "../profile/profiles.ts";

export const pollMs = 10_000;

export function gpus(count: number, memoryBytes = 1000): ScalingDevice[] {
  return Array.from({ length: count }, (_, i) => ({ id: `gpu${i}`, kind: "gpu", memoryBytes }));
}

export function demandOf(
  name: string,
  rate: number,
  { profile = saturating(name), ...rest }: Partial<FunctionDemand> & { readonly profile?: Profile } = {},
): FunctionDemand {
  const configurations = new Map([["gpu", configurationsOf(profile)]]);
  return { name, bytes: 100, rate, tier: "device", isInHost: true, configurations, ...rest };
}

/** An autoscaler that is asked every ten seconds. */
export class Polled {
  state: ScalingState = nothingScaled;
  nowMs = 0;
  readonly replicas = new Replicas();
  readonly #options: ScalingOptions;

  constructor(options: Partial<ScalingOptions> = {}) {
    this.#options = { ...defaultScaling, ...options };
  }

  poll(devices: readonly ScalingDevice[], demands: readonly FunctionDemand[]): ScalingStep {
    const step = scale(this.state, devices, demands, this.nowMs, this.#options);
    this.state = step.state;
    this.nowMs += pollMs;
    return step;
  }

  /** What a function can answer, by the state. */
  capacityOf(demand: FunctionDemand): number {
    let sum = 0;
    for (const { kind, replicas } of this.state.fleet) {
      const replica = replicas.get(demand.name);
      const known = demand.configurations.get(kind) ?? [];
      sum +=
        known.find(({ quota, share }) => quota === replica?.quota && share === replica.share)?.throughput ??
        0;
    }
    return sum;
  }
}

/** Replicas as a device set would have them that does what it is told. */
export class Replicas {
  readonly #held = new Map<
    string,
    { readonly device: string; readonly quota: number; readonly share: number }
  >();

  /** @throws Error where the action makes no sense: a second replica on a device, or none to remove. */
  apply(action: ScalingAction): void {
    if (action.type === "dropHost") return;
    const key = `${action.device} ${action.function}`;
    if (this.#held.has(key) === (action.type === "add")) throw new Error(`${action.type} of ${key}`);
    if (action.type === "remove") this.#held.delete(key);
    else this.#held.set(key, { device: action.device, quota: action.quota, share: action.share });
  }

  /** Quota × share of what is on a device. */
  areaOn(device: string): number {
    return this.on(device).reduce((sum, { quota, share }) => sum + quota * share, 0);
  }

  on(device: string) {
    return [...this.#held.values()].filter((replica) => replica.device === device);
  }

  get keys(): string[] {
    return [...this.#held].map(([key, { quota, share }]) => `${key} ${quota} ${share}`).sort();
  }
}
