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
  /** Single runs over their median, all devices busy. */
  readonly spread: readonly number[];
}

/** Under LB, which uses devices in turn, and one run at a time on each. */
export async function calibrate(setup: LiveSetup, calls: number): Promise<Calibration> {
  await using gateway = await LiveGateway.open(setup, schedulingPolicies.lb);
  const { devices } = setup;
  const took = () => gateway.record.runs.splice(0).map(({ tookMs }) => tookMs);
  // More than a device holds go round on each: every one is cold.
  const many = (slots + 1) * devices;
  for (let i = 0; i < 2 * many; i++) await gateway.call(i % many);
  took();
  for (let i = 0; i < calls; i++) await gateway.call(i % many);
  const coldMs = median(took());
  // What every device has room for: every one is warm from the second round on.
  for (let i = 0; i < slots * devices * 2; i++) await gateway.call(Math.floor(i / devices) % slots);
  took();
  const latencies: number[] = [];
  for (let i = 0; i < calls; i++) latencies.push((await gateway.call(i % slots)) ?? Number.NaN);
  const warm = gateway.record.runs.splice(0).filter(({ isCold }) => !isCold);
  const runMs = median(warm.map(({ tookMs }) => tookMs));
  const hostMs = Math.max(0, median(latencies) - runMs);
  const slowness = [1];
  let spread: readonly number[] = [1];
  for (let busy = 2; busy <= devices; busy++) {
    const client = async (index: number) => {
      for (let i = 0; i < calls; i++) await gateway.call((index + i) % slots);
    };
    await Promise.all(Array.from({ length: busy }, (_, index) => client(index)));
    const beside = took();
    const besideMs = median(beside);
    slowness.push(Math.max(1, besideMs / runMs));
    spread = beside.map((ms) => ms / besideMs);
  }
  return { runMs, loadMs: Math.max(0.1, coldMs - runMs), hostMs, slowness, spread };
}
