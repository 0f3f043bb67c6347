/**
 * The runs of the density benchmark: stores the functions, calls each alone, then plays the same calls against a device
 * with less and less room, under each eviction policy. Prints nothing but progress; bench/density.ts has the tables.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { platform } from "#platform";
import { type EvictionPolicyName, evictionPolicies } from "../../gateway/scheduler/eviction/policies.ts";
import { openStore } from "../../gateway/store/store.ts";
import { DawnletError } from "../../kernels/errors.ts";
import { type FoundAdapter, findAdapter } from "../../runtime/adapter/find-adapter.ts";
import { mean, median } from "../harness/statistics.ts";
import type { Arrivals } from "../traces/arrivals.ts";
import { exponentialArrivals, rateFactorFor, speedUpOf } from "../traces/minute-arrivals.ts";
import { type MinuteTrace, minutesOf } from "../traces/minute-trace.ts";
import { readTorporTrace } from "../traces/shared-traces.ts";
import { skewedArrivals } from "./arrivals.ts";
import { storeFunctions } from "./functions.ts";
import { type DensitySetup, deviceBytesFor, openManaged } from "./managed.ts";
import { measureOrtProcesses, type OrtProcesses } from "./ort-processes.ts";
import { type Played, play } from "./play.ts";
import { processMemory } from "./process-memory.ts";
import { type Score, score } from "./score.ts";
import type { DensitySettings, Load } from "./settings.ts";

/** A function's deadline is so many times what a call of it takes alone, and some more for all. */
export const deadlineFactor = 5;
export const deadlineConstantMs = 10;
/** Of the calls a second that a device could answer one after the other. */
export const loadShare = 0.08;
/** The first calls of a run, as a part of those that count: policies learn from them. */
const leadShare = 0.25;
const soloRuns = 7;
/** The room must take the largest function this many times, or nothing but it would ever be there. */
const leastRoom = 2;

export interface RunResult extends Score {
  readonly load: Load;
  readonly policy: EvictionPolicyName;
  readonly multiple: number;
  /** Outputs that differ from what they must be, of all calls, those that do not count included. */
  readonly wrong: number;
  readonly swapIns: { readonly count: number; readonly bytes: number };
  readonly failures: Played["failures"];
  /** What weights may take in the end, of what the device process may allocate. */
  readonly roomBytes: number;
  readonly deviceBytes: number;
  readonly memory: FunctionMemory;
}

/** Of the whole device process, divided by the functions. */
export interface FunctionMemory {
  /** Beyond an empty device process; null where the system does not say. A software GPU's memory is host memory, too. */
  readonly hostBytes: number | null;
  /** All GPUBuffers. */
  readonly deviceBytes: number;
}

export interface DensityResult {
  readonly adapter: FoundAdapter["description"]["adapter"];
  readonly functions: number;
  readonly weightBytes: number;
  /** Mean over the functions of the median of a call alone, its weights being there. */
  readonly soloMs: number;
  readonly deadlineMs: { readonly least: number; readonly median: number; readonly most: number };
  readonly rate: number;
  readonly clockSpeed: number;
  readonly runs: readonly RunResult[];
  /** Outputs that differ from what they should be, of calls alone, of those that fill the device, and of all runs. */
  readonly wrong: number;
  readonly ort: OrtProcesses | undefined;
}

/**
 * @param log progress, a line each.
 * @throws RangeError where a multiple leaves too little room for the largest function.
 */
export async function measureDensity(
  settings: DensitySettings,
  log: (line: string) => void,
): Promise<DensityResult> {
  const folder = await mkdtemp(join(tmpdir(), "dawnlet-density-"));
  try {
    await using store = await openStore(folder, { pid: platform.pid });
    const found = await findAdapter(platform);
    log(`storing ${settings.functions} functions`);
    const functions = await storeFunctions(store, { count: settings.functions, scale: settings.scale });
    const weightBytes = functions.reduce((sum, one) => sum + one.weightBytes, 0);
    const setup: DensitySetup = { found, store, functions, weightBytes };
    checkRoom(setup, settings.multiples);
    const solo = await measureSolo(setup);
    const meanMs = mean(solo.medians);
    const deadlines = solo.medians.map((ms) => deadlineFactor * ms + deadlineConstantMs);
    const rate = settings.rate ?? (loadShare * 1000) / meanMs;
    const trace = await readTrace(settings.functions, log);
    // So that a minute of the policy's clock has as many calls as one of the trace.
    const clockSpeed = trace === undefined ? 1 : speedUpOf(trace, rate);
    const runs: RunResult[] = [];
    let wrong = solo.wrong;
    for (const load of settings.loads) {
      const arrivals = arrivalsOf(load, trace, settings, rate);
      if (arrivals === undefined) continue;
      for (const multiple of settings.multiples) {
        for (const policy of settings.policies) {
          log(`${load}, ${multiple}x, ${policy}`);
          const options = { load, multiple, policy, clockSpeed, emptyBytes: solo.emptyBytes };
          const one = await measureRun(setup, arrivals, deadlines, options, leadMsOf(settings));
          wrong += one.wrong;
          runs.push(one);
        }
      }
    }
    if (settings.hasOrt) log("ONNX Runtime Web, a process a function");
    const ort = settings.hasOrt
      ? await measureOrtProcesses(found, folder, weightBytes / functions.length)
      : undefined;
    return {
      adapter: found.description.adapter,
      functions: functions.length,
      weightBytes,
      soloMs: meanMs,
      deadlineMs: {
        least: Math.min(...deadlines),
        median: median(deadlines),
        most: Math.max(...deadlines),
      },
      ...{ rate, clockSpeed, runs, wrong, ort },
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

function checkRoom({ functions, weightBytes }: DensitySetup, multiples: readonly number[]): void {
  const largest = Math.max(...functions.map((one) => one.weightBytes));
  const most = weightBytes / largest / leastRoom;
  const tooMuch = multiples.find((multiple) => multiple > most);
  if (tooMuch !== undefined)
    throw new RangeError(
      `Cannot run ${tooMuch}x with ${functions.length} functions: it must leave room for twice the largest, so ${most.toFixed(1)}x is the most`,
    );
}

/** Each function alone on a device with room for all. */
async function measureSolo(setup: DensitySetup) {
  await using managed = await openManaged(setup, {
    policy: evictionPolicies.lru,
    multiple: 1,
    clockSpeed: 1,
  });
  const emptyBytes = await hostBytesOf(managed.device.pid());
  let wrong = await managed.callEach();
  const medians: number[] = [];
  for (const [index, { cases }] of setup.functions.entries()) {
    const times: number[] = [];
    for (let i = 0; i < soloRuns; i++) {
      const startedAt = performance.now();
      if (!(await managed.call(index, cases[i % cases.length]!))) wrong++;
      times.push(performance.now() - startedAt);
    }
    medians.push(median(times));
  }
  return { medians, wrong, emptyBytes };
}

interface RunOptions {
  readonly load: Load;
  readonly multiple: number;
  readonly policy: EvictionPolicyName;
  readonly clockSpeed: number;
  readonly emptyBytes: number | undefined;
}

async function measureRun(
  setup: DensitySetup,
  arrivals: Arrivals,
  deadlines: readonly number[],
  { load, multiple, policy, clockSpeed, emptyBytes }: RunOptions,
  leadMs: number,
): Promise<RunResult> {
  await using managed = await openManaged(setup, {
    policy: evictionPolicies[policy],
    multiple,
    clockSpeed,
  });
  const wrongBefore = await managed.callEach();
  const { calls, wrong, failures, swapIns } = await play(managed, setup.functions, arrivals, leadMs);
  const { totalBytes } = await managed.device.memory();
  const hostBytes = await hostBytesOf(managed.device.pid());
  const count = setup.functions.length;
  const result: RunResult = {
    ...{ load, policy, multiple },
    ...score(calls, deadlines),
    ...{ wrong: wrongBefore + wrong, swapIns, failures },
    roomBytes: managed.device.residency.budgetBytes,
    deviceBytes: managed.deviceBytes,
    memory: {
      hostBytes:
        hostBytes === undefined || emptyBytes === undefined ? null : (hostBytes - emptyBytes) / count,
      deviceBytes: totalBytes / count,
    },
  };
  return result;
}

/** The whole trace goes into the time that there is, thinned out evenly for the rate. */
function arrivalsOf(
  load: Load,
  trace: MinuteTrace | undefined,
  settings: DensitySettings,
  rate: number,
): Arrivals | undefined {
  const durationMs = leadMsOf(settings) + settings.seconds * 1000;
  if (load === "skewed") return skewedArrivals(settings.functions, { durationMs, rate, seed: 1 });
  if (trace === undefined) return undefined;
  const rateFactor = rateFactorFor(trace, rate, durationMs);
  return exponentialArrivals(trace, { seed: 1, rateFactor, minuteMs: durationMs / minutesOf(trace) });
}

function leadMsOf({ seconds }: DensitySettings): number {
  return seconds * leadShare * 1000;
}

async function readTrace(functions: number, log: (line: string) => void): Promise<MinuteTrace | undefined> {
  try {
    return (await readTorporTrace()).slice(0, functions);
  } catch (error) {
    if (!(error instanceof DawnletError && error.code === "NOT_FOUND")) throw error;
    log(`${error.message}; only the skewed calls are played`);
    return undefined;
  }
}

async function hostBytesOf(pid: Promise<number | undefined>): Promise<number | undefined> {
  const known = await pid;
  return known === undefined ? undefined : (await processMemory(known))?.ownBytes;
}

/** How many processes of a function each the memory has room for, at most as many as there are functions. */
export function fittingProcesses(
  { deviceBytes, fitHost }: OrtProcesses,
  { functions, weightBytes }: Pick<DensityResult, "functions" | "weightBytes">,
  multiple: number,
): number {
  const fitDevice = Math.floor(deviceBytesFor(weightBytes, multiple) / deviceBytes);
  return Math.min(functions, fitDevice, fitHost ?? functions);
}
