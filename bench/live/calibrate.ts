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

/** Under LB, which uses devices in turn, and one run at a time on each. */
export async function calibrate(setup: LiveSetup, calls: number): Promise<Calibration> {
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
    await inTurn(gateway, clients, calls, many);
    const cold = record.runs.filter(({ isCold }) => isCold).map(({ tookMs }) => tookMs);
    // What every device has room for: warm from the second round on.
    await inTurn(gateway, 1, slots * devices * 2, slots);
    record.clear();
    const latencies = await inTurn(gateway, clients, calls, slots);
    const warm = record.runs.filter(({ isCold }) => !isCold).map(({ tookMs }) => tookMs);
    // Means, of which a few slow ones are a large part: simulated loads all take as long.
    const [warmMs, addedMs] = [median(warm), Math.max(0.1, meanOf(cold) - meanOf(warm))];
    if (busy === 1) [runMs, loadMs, hostMs] = [warmMs, addedMs, Math.max(0, median(latencies) - warmMs)];
    slowness.push(Math.max(1, warmMs / runMs));
    loadSlowness.push(Math.max(1, addedMs / loadMs));
    spread = warm.map((ms) => ms / warmMs);
  }
  return { runMs, loadMs, hostMs, slowness, loadSlowness, spread };
}

/** What holds between two calibrations: the means of both. The machine has other work, and more or less of it by then. */
export function between(before: Calibration, after: Calibration): Calibration {
  const mean = (a: number, b: number) => (a + b) / 2;
  const means = (a: readonly number[], b: readonly number[]) => a.map((value, i) => mean(value, b[i]!));
  return {
    runMs: mean(before.runMs, after.runMs),
    loadMs: mean(before.loadMs, after.loadMs),
    hostMs: mean(before.hostMs, after.hostMs),
    slowness: means(before.slowness, after.slowness),
    loadSlowness: means(before.loadSlowness, after.loadSlowness),
    spread: [...before.spread, ...after.spread],
  };
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** So many clients, which each go round the first functions. @returns what their calls took. */
async function inTurn(
  gateway: LiveGateway,
  clients: number,
  callsEach: number,
  functions: number,
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
