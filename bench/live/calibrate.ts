/**
 * What calls take whatever the policy: a run with its weights there and without, what HTTP and the gateway add, and by how
 * much devices that are busy at the same time slow each other down. The simulator is told these and no others.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { schedulingPolicies } from "../../gateway/scheduler/policies/policies.ts";
import { mean, median } from "../harness/statistics.ts";
import { LiveGateway, type LiveSetup } from "./live-gateway.ts";
import type { ObservedRun } from "./observed-policy.ts";
import { slots } from "./setup.ts";

export interface Calibration {
  /** From the decision to run until the scheduler hears of the end, weights there, alone. */
  readonly runMs: number;
  /** What is added where they have to come in. */
  readonly loadMs: number;
  /** Of a run, the part that is not on the device, 0 to 1: its way there, and until the scheduler hears of its end. */
  readonly returnPart: number;
  /** What HTTP and the gateway add, all devices idle but for the call's own. */
  readonly hostMs: number;
  /** How many times as long runs take where 1, 2, … devices are busy. */
  readonly slowness: readonly number[];
  /** The same of loads. */
  readonly loadSlowness: readonly number[];
  /** How many times `hostMs` that is while 0, 1, … devices compute for others. */
  readonly hostSlowness: readonly number[];
  /** Single runs, loads and calls over what they take as a rule, all devices busy, in the order in which they came. */
  readonly spread: readonly number[];
  readonly loadSpread: readonly number[];
  readonly hostSpread: readonly number[];
}

/** What calls took, in the order in which they came, where 1, 2, … devices were busy. Milliseconds. */
export interface Measured {
  /** From the decision to run until the scheduler heard of the end. */
  readonly warm: readonly (readonly number[])[];
  /** Of each of `warm`, the part on the device. */
  readonly onDevice: readonly (readonly number[])[];
  readonly cold: readonly (readonly number[])[];
  /** The loads of `cold`. */
  readonly loads: readonly (readonly number[])[];
  /** Of the calls of `warm`, what was neither waiting nor running. */
  readonly host: readonly (readonly number[])[];
}

/** Of each client. */
const calls = 12;
/** Between calls of one that is alone, milliseconds: what has just worked is faster than what was idle. */
const pauseMs = 15;

/** Measures with a gateway of its own under LB, which uses devices in turn, and one run at a time on each. */
export class Calibrator implements AsyncDisposable {
  readonly #gateway: LiveGateway;
  readonly #devices: number;
  readonly #functions: number;
  /** Whose weights come in next. */
  #next = 0;

  private constructor(gateway: LiveGateway, { devices, functions }: LiveSetup) {
    this.#gateway = gateway;
    this.#devices = devices;
    this.#functions = functions.length;
  }

  static async open(setup: LiveSetup): Promise<Calibrator> {
    const gateway = await LiveGateway.open(setup, schedulingPolicies.lb);
    await gateway.warm(setup.functions.length);
    return new Calibrator(gateway, setup);
  }

  async measure(): Promise<Measured> {
    const { record } = this.#gateway;
    const devices = this.#devices;
    const warm: number[][] = [];
    const onDevice: number[][] = [];
    const cold: number[][] = [];
    const loads: number[][] = [];
    const host: number[][] = [];
    for (let busy = 1; busy <= devices; busy++) {
      // With all of them busy others wait, as under load: the gateway answers and takes calls while devices compute.
      const clients = busy === devices ? 2 * devices : busy;
      const pause = busy === 1 ? pauseMs : 0;
      // All of them in turn, more than devices hold: every one is cold, and was not read for as long as in a contest.
      record.clear();
      await this.#call(clients, calls, pause, () => this.#next++ % this.#functions);
      cold.push(record.runs.filter(({ isCold }) => isCold).map(({ tookMs }) => tookMs));
      loads.push([...record.loadsMs]);
      // What every device has room for: warm from the second round on.
      await this.#call(1, 2 * slots * devices, 0, inTurn);
      record.clear();
      const called = await this.#call(clients, calls, pause, inTurn);
      host.push(hostTimes(called, record.runs));
      const runs = record.runs.filter(({ isCold }) => !isCold);
      warm.push(runs.map(({ tookMs }) => tookMs));
      onDevice.push(runs.map(({ tookMs, deviceMs }) => Math.min(1, deviceMs / tookMs)));
    }
    return { warm, onDevice, cold, loads, host };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#gateway[Symbol.asyncDispose]();
  }

  /** So many clients, which each call one function after the other. @returns those of their calls that were right. */
  async #call(
    clients: number,
    callsEach: number,
    pause: number,
    choose: (client: number, i: number) => number,
  ): Promise<readonly TimedCall[]> {
    const called: TimedCall[] = [];
    const client = async (index: number) => {
      for (let i = 0; i < callsEach; i++) {
        if (pause > 0) await sleep(pause);
        const fn = choose(index, i);
        const sentAt = performance.now();
        const tookMs = await this.#gateway.call(fn);
        if (tookMs !== undefined) called.push({ function: fn, sentAt, tookMs });
      }
    };
    await Promise.all(Array.from({ length: clients }, (_, index) => client(index)));
    return called.sort((a, b) => a.sentAt - b.sentAt);
  }
}

/** Functions that all devices have room for. */
function inTurn(client: number, i: number): number {
  return (client + i) % slots;
}

/** By `performance.now()`. */
export interface TimedCall {
  readonly function: number;
  readonly sentAt: number;
  readonly tookMs: number;
}

/** Of each call, what was left of its time without that from its arrival to the end of its run. @param calls by `sentAt`. */
export function hostTimes(calls: readonly TimedCall[], runs: readonly ObservedRun[]): number[] {
  const unclaimed = [...runs].sort((a, b) => a.arrivedAt - b.arrivedAt);
  return calls.flatMap(({ function: fn, sentAt, tookMs }) => {
    const own = unclaimed.findIndex(
      (run) =>
        run.function.startsWith(`f${fn}@`) && run.arrivedAt >= sentAt && run.endedAt <= sentAt + tookMs,
    );
    if (own < 0) return [];
    const [{ arrivedAt, endedAt }] = unclaimed.splice(own, 1) as [ObservedRun];
    return tookMs - (endedAt - arrivedAt);
  });
}

/**
 * Of all that was measured together: a few calls say little. Outliers count in the spreads alone, which keep the order, so
 * that a time at which everything was slow stays one.
 * @param measured at least one, all of as many devices.
 */
export function calibrationOf(measured: readonly Measured[]): Calibration {
  const pooled = (of: (one: Measured) => readonly (readonly number[])[]) =>
    of(measured[0]!).map((_, i) => measured.flatMap((one) => of(one)[i]!));
  const warm = pooled((one) => one.warm);
  const cold = pooled((one) => one.cold);
  const runMs = warm.map(median);
  const addedMs = cold.map((all, i) => Math.max(0.1, trimmedMean(all) - trimmedMean(warm[i]!)));
  const loads = pooled((one) => one.loads).at(-1)!;
  const loadMs = trimmedMean(loads);
  const host = pooled((one) => one.host);
  const hostMs = host.map(median);
  return {
    runMs: runMs[0]!,
    returnPart: 1 - median(pooled((one) => one.onDevice).at(-1)!),
    loadMs: addedMs[0]!,
    hostMs: hostMs[0]!,
    hostSlowness: hostSlownessOf(hostMs),
    slowness: runMs.map((ms) => Math.max(1, ms / runMs[0]!)),
    loadSlowness: addedMs.map((ms) => Math.max(1, ms / addedMs[0]!)),
    spread: warm.at(-1)!.map((ms) => ms / runMs.at(-1)!),
    loadSpread: loads.map((ms) => ms / loadMs),
    hostSpread: host.at(-1)!.map((ms) => ms / hostMs.at(-1)!),
  };
}

/**
 * By how many devices compute for others when a call is answered: for one of 1, 2, … clients a device less than there are
 * clients. With all devices busy clients wait for each other, so that all of them do; one less is taken to be half way.
 * @param hostMs with 1, 2, … busy devices.
 */
function hostSlownessOf(hostMs: readonly number[]): readonly number[] {
  const slowness = hostMs.map((ms) => Math.max(1, ms / hostMs[0]!));
  const [most, before] = [slowness.at(-1)!, slowness.at(-2) ?? 1];
  return [...slowness.slice(0, -1), (before + most) / 2, most];
}

/** Of all but the slowest and the fastest tenth. */
function trimmedMean(values: readonly number[]): number {
  const cut = Math.floor(values.length / 10);
  return mean([...values].sort((a, b) => a - b).slice(cut, values.length - cut));
}
