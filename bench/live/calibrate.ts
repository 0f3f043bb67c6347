/**
 * What calls take whatever the policy: a run with its weights there and without, what HTTP and the gateway add, and by how
 * much devices that are busy at the same time slow each other down. The simulator is told these and no others.
 */
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
  /** What HTTP and the gateway add, all devices busy. */
  readonly hostMs: number;
  /** How many times as long runs take where 1, 2, … devices are busy. */
  readonly slowness: readonly number[];
  /** The same of loads. */
  readonly loadSlowness: readonly number[];
  /** Single runs, loads and calls over `runMs`, `loadMs` and `hostMs`, all devices busy, in the order in which they came. */
  readonly spread: readonly number[];
  readonly loadSpread: readonly number[];
  readonly hostSpread: readonly number[];
}

/** What calls took, in the order in which they came, where 1, 2, … devices were busy. Milliseconds. */
export interface Measured {
  /** From the decision to run until the scheduler heard of the end. */
  readonly warm: readonly (readonly number[])[];
  readonly cold: readonly (readonly number[])[];
  /** The loads of `cold`. */
  readonly loads: readonly (readonly number[])[];
  /** Of the calls of `warm`, what was neither waiting nor running. */
  readonly host: readonly (readonly number[])[];
}

/** Of each client. */
const calls = 12;

/** Measures with a gateway of its own under LB, which uses devices in turn, and one run at a time on each. */
export class Calibrator implements AsyncDisposable {
  readonly #gateway: LiveGateway;
  readonly #devices: number;

  private constructor(gateway: LiveGateway, devices: number) {
    this.#gateway = gateway;
    this.#devices = devices;
  }

  static async open(setup: LiveSetup): Promise<Calibrator> {
    const gateway = await LiveGateway.open(setup, schedulingPolicies.lb);
    await gateway.warm((slots + 1) * setup.devices);
    return new Calibrator(gateway, setup.devices);
  }

  async measure(): Promise<Measured> {
    const { record } = this.#gateway;
    const devices = this.#devices;
    const warm: number[][] = [];
    const cold: number[][] = [];
    const loads: number[][] = [];
    const host: number[][] = [];
    for (let busy = 1; busy <= devices; busy++) {
      // With all of them busy others wait, as under load: the gateway answers and takes calls while devices compute.
      const clients = busy === devices ? 2 * devices : busy;
      // More than a device holds go round on each: every one is cold.
      record.clear();
      await this.#inTurn(clients, (slots + 1) * devices);
      cold.push(record.runs.filter(({ isCold }) => isCold).map(({ tookMs }) => tookMs));
      loads.push([...record.loadsMs]);
      // What every device has room for: warm from the second round on.
      await this.#inTurn(1, slots, 2 * slots * devices);
      record.clear();
      const called = await this.#inTurn(clients, slots);
      host.push(hostTimes(called, record.runs));
      warm.push(record.runs.filter(({ isCold }) => !isCold).map(({ tookMs }) => tookMs));
    }
    return { warm, cold, loads, host };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#gateway[Symbol.asyncDispose]();
  }

  /** So many clients, which each go round the first functions. @returns those of their calls that were right. */
  async #inTurn(clients: number, functions: number, callsEach = calls): Promise<readonly TimedCall[]> {
    const called: TimedCall[] = [];
    const client = async (index: number) => {
      for (let i = 0; i < callsEach; i++) {
        const fn = (index * (slots + 1) + i) % functions;
        const sentAt = performance.now();
        const tookMs = await this.#gateway.call(fn);
        if (tookMs !== undefined) called.push({ function: fn, sentAt, tookMs });
      }
    };
    await Promise.all(Array.from({ length: clients }, (_, index) => client(index)));
    return called.sort((a, b) => a.sentAt - b.sentAt);
  }
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
  const host = pooled((one) => one.host).at(-1)!;
  const hostMs = median(host);
  return {
    runMs: runMs[0]!,
    loadMs: addedMs[0]!,
    hostMs,
    slowness: runMs.map((ms) => Math.max(1, ms / runMs[0]!)),
    loadSlowness: addedMs.map((ms) => Math.max(1, ms / addedMs[0]!)),
    spread: warm.at(-1)!.map((ms) => ms / runMs.at(-1)!),
    loadSpread: loads.map((ms) => ms / loadMs),
    hostSpread: host.map((ms) => ms / hostMs),
  };
}

/** Of all but the slowest and the fastest tenth. */
function trimmedMean(values: readonly number[]): number {
  const cut = Math.floor(values.length / 10);
  return mean([...values].sort((a, b) => a - b).slice(cut, values.length - cut));
}
