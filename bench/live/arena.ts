/**
 * A contest of policies on one machine. Each has a gateway of its own; they take slices of time in turn, first one and then
 * another, with a calibration before each round. What else the machine does slows all of them alike, however long it
 * lasts, and is seen by the calibrations as often as by them.
 */
import type { SchedulingPolicy } from "../../gateway/scheduler/core/policy.ts";
import type { DeviceSpec } from "../../gateway/scheduler/core/specs.ts";
import { type Calibration, type Calibrator, calibrationOf, type Measured } from "./calibrate.ts";
import { LiveGateway, type Resident } from "./live-gateway.ts";
import type { World } from "./setup.ts";

export interface Contest<Played> {
  readonly slices: number;
  /** Ends when nothing is left to be answered. */
  readonly play: (gateway: LiveGateway, slice: number) => Promise<Played>;
}

export interface ContestResult<Played> {
  readonly calibration: Calibration;
  readonly contestants: readonly Contestant<Played>[];
}

export interface Contestant<Played> {
  readonly policy: SchedulingPolicy;
  readonly again: boolean;
  /** What the scheduler was told of its devices. */
  readonly devices: readonly DeviceSpec[];
  /** Before the first call. */
  readonly resident: Resident;
  readonly slices: readonly Slice<Played>[];
  /** Of requests, those whose weights had to come in, and those of them whose weights another device had. */
  readonly missRatio: number;
  readonly falseMissRatio: number;
  readonly wrong: number;
}

export interface Slice<Played> {
  /** When it began, since the first began. */
  readonly fromMs: number;
  readonly played: Played;
}

interface Entrant {
  readonly policy: SchedulingPolicy;
  readonly again: boolean;
  readonly gateway: LiveGateway;
}

export class Arena implements AsyncDisposable {
  readonly #calibrator: Calibrator;
  readonly #entrants: readonly Entrant[];
  readonly #stack: AsyncDisposableStack;

  private constructor(calibrator: Calibrator, entrants: readonly Entrant[], stack: AsyncDisposableStack) {
    this.#calibrator = calibrator;
    this.#entrants = entrants;
    this.#stack = stack;
  }

  /**
   * For several contests: gateways that come and go keep a machine busy for seconds.
   * @param functions of the world.
   * @param times that each policy is entered, 1 or 2.
   */
  static async open(
    world: World,
    calibrator: Calibrator,
    policies: readonly SchedulingPolicy[],
    functions: number,
    times = 1,
  ): Promise<Arena> {
    await using stack = new AsyncDisposableStack();
    const entrants: Entrant[] = [];
    for (let time = 0; time < times; time++)
      for (const policy of policies) {
        const gateway = stack.use(await LiveGateway.open(world, policy));
        await gateway.warm(functions);
        entrants.push({ policy, again: time > 0, gateway });
      }
    return new Arena(calibrator, entrants, stack.move());
  }

  async hold<Played>({ slices, play }: Contest<Played>): Promise<ContestResult<Played>> {
    for (const { gateway } of this.#entrants) {
      await gateway.touch();
      // Once without being counted: what was learned in the contest before is learned anew.
      await play(gateway, 0);
    }
    const begun = this.#entrants.map((entrant) => {
      const { gateway } = entrant;
      gateway.record.clear();
      gateway.wrong = 0;
      return { ...entrant, resident: gateway.resident, taken: [] as Slice<Played>[] };
    });
    const startedAt = performance.now();
    const measured: Measured[] = [];
    for (let slice = 0; slice < slices; slice++) {
      measured.push(await this.#calibrator.measure());
      for (let turn = 0; turn < begun.length; turn++) {
        const { gateway, taken } = begun[(slice + turn) % begun.length]!;
        const fromMs = performance.now() - startedAt;
        taken.push({ fromMs, played: await play(gateway, slice) });
      }
    }
    measured.push(await this.#calibrator.measure());
    return {
      calibration: calibrationOf(measured),
      contestants: begun.map(({ policy, again, gateway, resident, taken }) => {
        const { wrong, deviceSpecs: devices } = gateway;
        const { requests, misses, falseMisses } = gateway.record;
        const beganAt = taken[0]!.fromMs;
        return {
          ...{ policy, again, devices, resident, wrong },
          slices: taken.map((one) => ({ ...one, fromMs: one.fromMs - beganAt })),
          ...{ missRatio: misses / requests, falseMissRatio: falseMisses / requests },
        };
      }),
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
