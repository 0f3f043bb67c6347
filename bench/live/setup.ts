/** The world of the live benchmark: stored functions, how much a device holds of them, how long a run is. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { schedulingPolicies } from "../../gateway/scheduler/policies/policies.ts";
import { deployFunctions } from "./functions.ts";
import { LiveGateway, type LiveSetup } from "./live-gateway.ts";

/** Functions that a device has room for. */
export const slots = 3;
/** Of a function, times devices: every policy's every device process keeps all functions in host memory. */
const weightBytesOfAll = 96 * 2 ** 20;
/** Of a run alone: long against what the machine adds to each. */
const wantedRunMs = 10;
const trialSteps = 1_000;
const trials = 8;

export interface World extends LiveSetup {
  /** All that is stored is in it. */
  readonly folder: string;
  readonly adapter: LiveGateway["adapter"];
}

/** Deploys the functions into a new folder, which the caller deletes. */
export async function makeWorld(devices: number, count: number): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), "dawnlet-live-"));
  const dataFolder = join(folder, "stored");
  try {
    const weightBytes = weightBytesOfAll / devices;
    // A quarter of a function beyond the slots, and the eighth that weights leave to the rest.
    const deviceBytes = Math.ceil(((slots + 0.25) * weightBytes * 8) / 7);
    const empty = { dataFolder, devices, deviceBytes, functions: [], steps: 1, expected: new Map() };
    const { functions, adapter } = await deployed(empty, count, weightBytes);
    return { ...empty, folder, functions, adapter, steps: await stepsFor({ ...empty, functions }) };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function deployed(
  setup: LiveSetup,
  count: number,
  weightBytes: number,
): Promise<Pick<World, "functions" | "adapter">> {
  await using gateway = await LiveGateway.openStored(setup, schedulingPolicies.lb);
  const { adapter } = gateway;
  return { functions: await deployFunctions(gateway.url, count, weightBytes), adapter };
}

/** By the fastest of some runs: others are busy on a machine, never idle on its behalf. */
async function stepsFor(setup: LiveSetup): Promise<number> {
  const fastest = async (steps: number) => {
    await using gateway = await LiveGateway.open({ ...setup, devices: 1, steps }, schedulingPolicies.lb);
    await gateway.call(0);
    gateway.record.clear();
    for (let i = 0; i < trials; i++) await gateway.call(0);
    return Math.min(...gateway.record.runs.map(({ tookMs }) => tookMs));
  };
  const perStep = ((await fastest(trialSteps)) - (await fastest(1))) / trialSteps;
  return Math.max(10, Math.round(wantedRunMs / Math.max(1e-6, perStep)));
}
