/**
 * What calls take before any policy is tried: a run with its weights there and without, what HTTP and the gateway add,
 * and by how much devices that are busy at the same time slow each other down. The simulator is told these and no others.
 */
import { schedulingPolicies } from "../../gateway/scheduler/policies/policies.ts";
import { median } from "../harness/statistics.ts";
import { LiveGateway, type LiveSetup } from "./live-gateway.ts";
import { slots } from "./setup.ts";

export interface Calibration {
  /** From the decision to run until the scheduler hears of the end, weights there, alone. */
  readonly runMs: number;
  /** What is added where they have to come in. */
  readonly loadMs: number;
  /** What is added for the caller. */
  readonly hostMs: number;
  /** How many times as long runs take where 1, 2, … devices are busy. */
  readonly slowness: readonly number[];
  /** The same of loads. */
  readonly loadSlowness: readonly number[];
  /** Single runs over their median, all devices busy. */
  readonly spread: readonly number[];
}

/** Of each client. */
const calls = 30;

/** Under LB, which uses devices in turn, and one run at a time on each. */
async function calibrate(setup: LiveSetup): Promise<Calibration> {
  await using gateway = await LiveGateway.open(setup, schedulingPolicies.lb);
  const { devices } = setup;
  const { record } = gateway;
  const many = (slots + 1) * devices;
  await gateway.warm(many);
  const slowness: number[] = [];
  const loadSlowness: number[] = [];
  let [runMs, loadMs, hostMs] = [0, 0, 0];
  let spread: readonly number[] = [1];
  for (let busy = 1; busy <= devices; busy++) {
    // With all of them busy others wait, as under load: the gateway answers and takes calls while devices compute.
    const clients = busy === devices ? 2 * devices : busy;
    // More than a device holds go round on each: every one is cold.
    record.clear();
    await inTurn(gateway, clients, many);
    const cold = record.runs.filter(({ isCold }) => isCold).map(({ tookMs }) => tookMs);
    // What every device has room for: warm from the second round on.
    await inTurn(gateway, 1, slots, 2 * slots * devices);
    record.clear();
    const latencies = await inTurn(gateway, clients, slots);
    const warm = record.runs.filter(({ isCold }) => !isCold).map(({ tookMs }) => tookMs);
    const [warmMs, addedMs] = [median(warm), Math.max(0.1, trimmedMean(cold) - trimmedMean(warm))];
    if (busy === 1) [runMs, loadMs, hostMs] = [warmMs, addedMs, Math.max(0, median(latencies) - warmMs)];
    slowness.push(Math.max(1, warmMs / runMs));
    loadSlowness.push(Math.max(1, addedMs / loadMs));
    spread = warm.map((ms) => ms / warmMs);
  }
  return { runMs, loadMs, hostMs, slowness, loadSlowness, spread };
}

/** Calibrations taken while policies take turns: the machine has other work, and more or less of it by then. */
export class Calibrations {
  readonly #setup: LiveSetup;
  readonly #taken: Calibration[] = [];

  constructor(setup: LiveSetup) {
    this.#setup = setup;
  }

  async take(): Promise<Calibration> {
    const one = await calibrate(this.#setup);
    this.#taken.push(one);
    return one;
  }

  /** Medians: what disturbed one or two of them does not count. */
  get typical(): Calibration {
    const of = (figure: (one: Calibration) => number) => median(this.#taken.map(figure));
    const busy = Array.from({ length: this.#setup.devices }, (_, i) => i);
    return {
      runMs: of((one) => one.runMs),
      loadMs: of((one) => one.loadMs),
      hostMs: of((one) => one.hostMs),
      slowness: busy.map((i) => of((one) => one.slowness[i]!)),
      loadSlowness: busy.map((i) => of((one) => one.loadSlowness[i]!)),
      spread: this.#taken.flatMap((one) => one.spread),
    };
  }
}

/** Of all but the slowest and the fastest tenth: simulated loads all take as long, and outliers are not typical. */
function trimmedMean(values: readonly number[]): number {
  const cut = Math.floor(values.length / 10);
  const kept = [...values].sort((a, b) => a - b).slice(cut, values.length - cut);
  return kept.reduce((sum, value) => sum + value, 0) / kept.length;
}
/** So many clients, which each go round the first functions. @returns what their calls took. */
async function inTurn(
  gateway: LiveGateway,
  clients: number,
  functions: number,
  callsEach = calls,
): Promise<readonly number[]> {
  const latencies: number[] = [];
  const client = async (index: number) => {
    for (let i = 0; i < callsEach; i++) {
      const tookMs = await gateway.call((index * (slots + 1) + i) % functions);
      if (tookMs !== undefined) latencies.push(tookMs);
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, index) => client(index)));
  return latencies;
}
