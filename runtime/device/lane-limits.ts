/**
 * How many runs a round may have, by how long they take: what pays for tiny runs, whose time is mostly that of the
 * submit and of the answer, does not for those that fill the device alone. Pure; a controller for each class of times.
 */
import { LaneController, maxLanes } from "./lane-controller.ts";

export interface LaneLimit {
  /** Runs that take at most this long alone, in milliseconds. Left out: any time. */
  readonly upToMs?: number;
  readonly lanes: number;
  /** How much more work they do together; left out where that was not seen. */
  readonly payoff?: number;
}

/** What was seen of a round. */
export interface RoundSample {
  /** By run: what it takes alone, undefined where that is not known. */
  readonly soloMs: readonly (number | undefined)[];
  readonly roundMs: number;
}

interface LaneClass {
  readonly upToMs: number;
  readonly controller: LaneController;
}

/**
 * It begins with what loses nothing where the runs are short, and with little memory and delay where they are long: a
 * round of 16 runs of 4 ms takes 64 ms where they do not overlap.
 */
const beginning: readonly (readonly [upToMs: number, lanes: number])[] = [
  [0.25, maxLanes],
  [1, maxLanes],
  [4, 16],
  [Number.POSITIVE_INFINITY, 2],
];

export class LaneLimits {
  readonly #classes: readonly LaneClass[] = beginning.map(([upToMs, lanes]) => ({
    upToMs,
    controller: new LaneController(lanes),
  }));

  /** Of a round of runs that take so long. @param soloMs undefined where that is not known. */
  lanesFor(soloMs: number | undefined): number {
    return this.#classOf(soloMs ?? 0).controller.lanes;
  }

  /** A round that was full, and that nothing else on the device had a part in. */
  observe({ soloMs, roundMs }: RoundSample): void {
    let sumMs = 0;
    const [first] = soloMs;
    if (first === undefined) return;
    const laneClass = this.#classOf(first);
    for (const ms of soloMs) {
      if (ms === undefined || this.#classOf(ms) !== laneClass) return;
      sumMs += ms;
    }
    laneClass.controller.observe({ lanes: soloMs.length, soloMs: sumMs, roundMs });
  }

  report(): LaneLimit[] {
    return this.#classes.map(({ upToMs, controller: { lanes, payoff } }) => ({
      ...(Number.isFinite(upToMs) && { upToMs }),
      lanes,
      ...(payoff !== undefined && { payoff }),
    }));
  }

  #classOf(soloMs: number): LaneClass {
    for (const one of this.#classes) if (soloMs <= one.upToMs) return one;
    return this.#classes.at(-1)!;
  }
}
