/** What the autoscaler is told: what functions need now, and how it is to go about it. Types and defaults only. */
import type { Configuration } from "../profile/configurations.ts";

/** The lowest place at which a function's weights are to be kept. */
export type Tier = "device" | "host" | "store";

/** What the autoscaler is told of a function, each time. */
export interface FunctionDemand {
  readonly name: string;
  /** Of weights, on a device. */
  readonly bytes: number;
  /** Calls a second that are forecast, with whatever margin the forecast takes. */
  readonly rate: number;
  /** As the idle window says: see idle-window.ts. */
  readonly tier: Tier;
  /** The weights are in host memory now. */
  readonly isInHost: boolean;
  /** By the kind of device, as `configurationsOf` gives them; it is put on no device of another kind. */
  readonly configurations: ReadonlyMap<string, readonly Configuration[]>;
  /** Devices that have the weights now: of those that would do, they are taken first. Left out: none. */
  readonly heldBy?: ReadonlySet<string>;
  /** The device on which it is pinned: it has a replica there first, and to the last. Left out: it is pinned nowhere. */
  readonly home?: string | undefined;
}

export interface ScalingOptions {
  /** Nothing is taken away unless what stays is above the rate by this part of it. FaST-GShare's repository: 0.2. */
  readonly deadBand: number;
  /** How long a function has too much before something is taken. */
  readonly shrinkAfterMs: number;
  /**
   * Replicas change size where they are, which needs no loading (as HAS-GPU does); false for FaST-GShare as published,
   * which adds and removes them only.
   */
  readonly isVertical: boolean;
  /**
   * Configurations count as most efficient that are so by this part of the best; the largest is taken. As a function is
   * on a device once, small replicas would take it to many devices, and its weights with it. 1 for FaST-GShare as published.
   */
  readonly leastEfficiency: number;
}

export const defaultScaling: ScalingOptions = {
  deadBand: 0.2,
  shrinkAfterMs: 60_000,
  isVertical: true,
  leastEfficiency: 0.8,
};
