/**
 * How many functions one device serves within their deadlines when its memory holds only a part of them, under each
 * eviction policy: functions with weights of their own, called through the gateway's managed device (no HTTP), every
 * output compared with what it must be. Calls come as in Torpor's trace, compressed in time, and from a generator with
 * more skew. Beside it, what a process a function with ONNX Runtime Web would take.
 *
 *   npm run bench -- density [lru] [lfu] [torpor] [cost] [1x] [2x] … [trace] [skewed]
 *                            [--seconds N] [--rate N] [--scale N] [--functions N] [--no-ort]
 */
import { evictionPolicyNames } from "../gateway/scheduler/eviction/policies.ts";
import { shrink } from "./density/functions.ts";
import {
  type DensityResult,
  deadlineConstantMs,
  deadlineFactor,
  fittingProcesses,
  loadShare,
  measureDensity,
  type RunResult,
} from "./density/measure.ts";
import { type DensitySettings, type Load, loads, parseSettings } from "./density/settings.ts";
import { writeResult } from "./harness/result.ts";
import { printTable } from "./harness/table.ts";

export async function run(args: readonly string[]): Promise<void> {
  const settings = parseSettings(args);
  const startedAt = performance.now();
  const result = await measureDensity(settings, console.log);
  describe(settings, result);
  for (const load of loads) report(load, result);
  reportMemory(result);
  console.log(
    `\n${result.wrong} wrong outputs; ${((performance.now() - startedAt) / 60_000).toFixed(1)} minutes`,
  );
  await writeResult("density", result.adapter, figuresOf(result), { settings, ...result });
}

function describe({ scale, seconds }: DensitySettings, result: DensityResult): void {
  const { adapter, functions, weightBytes, soloMs, deadlineMs, rate, clockSpeed } = result;
  const { least, most } = deadlineMs;
  const ms = (value: number) => value.toFixed(1);
  console.log(`
density on ${adapter.device}: ${functions} functions, ${mebibytes(weightBytes)} MiB of weights: the sizes of real models over ${shrink / scale}
a call alone takes ${ms(soloMs)} ms in the mean; a function's deadline is ${deadlineFactor} times its own, and ${deadlineConstantMs} ms more: ${ms(least)} to ${ms(most)} ms
it is met where 98 % of the function's calls meet it
${ms(rate)} calls a second (${loadShare} of what could be answered one after the other, unless --rate says more); the clock of the policies goes ${ms(clockSpeed)} times as fast, so that its minutes have as many calls as the trace's
each run: ${seconds} s, after a quarter of that which does not count`);
}

function report(load: Load, { runs, functions, weightBytes }: DensityResult): void {
  const own = runs.filter((one) => one.load === load);
  if (own.length === 0) return;
  console.log(`\n${load}: ${own[0]!.calls} calls of ${own[0]!.functionsCalled} functions`);
  printTable(
    ["", "room MiB", "policy", "in time", "calls/s", "p50 ms", "p98 ms", "hits", "MiB in", "failed", "wrong"],
    own.map((one) => [
      `${one.multiple}x`,
      mebibytes(one.roomBytes),
      one.policy,
      one.functionsMeetingDeadline,
      one.callsPerSecond,
      one.p50Ms,
      one.p98Ms,
      one.hitRate,
      mebibytes(one.swapIns.bytes),
      one.failed,
      one.wrong,
    ]),
  );
  for (const { multiple, policy, failures } of own)
    for (const [code, { count, message }] of Object.entries(failures))
      console.log(`${multiple}x, ${policy}: ${count} calls failed with ${code}, the first as "${message}"`);
  const atHome = own.find(({ multiple }) => multiple === 1);
  if (atHome && atHome.functionsMeetingDeadline < atHome.functionsCalled)
    console.log(
      `Not all were in time even with room for all ${mebibytes(weightBytes)} MiB of ${functions} functions: this machine is busy, or --rate is too high`,
    );
}

function reportMemory(result: DensityResult): void {
  const { ort, weightBytes, functions } = result;
  console.log(
    `\nmemory a function, MiB, of ${mebibytes(weightBytes / functions)} MiB of weights in the mean`,
  );
  const rows = multiplesOf(result).map(({ multiple, memory }) => [
    `dawnlet, ${multiple}x`,
    memory.hostBytes === null ? "?" : mebibytes(memory.hostBytes),
    mebibytes(memory.deviceBytes),
    ort === undefined ? "" : fittingProcesses(ort, result, multiple),
  ]);
  if (ort !== undefined)
    rows.push([
      "a process each with ORT-web",
      ort.ownBytes === null ? "?" : mebibytes(ort.ownBytes),
      mebibytes(ort.deviceBytes),
      "",
    ]);
  printTable(["", "host", "device", "ORT processes that fit"], rows);
  if (ort === undefined) return;
  console.log(
    `reckoned from ${ort.processes} processes with a model of ${mebibytes(ort.modelBytes)} MiB: ${(ort.startMs / 1000).toFixed(2)} s to the first output, ${ort.residentBytes === null ? "?" : mebibytes(ort.residentBytes)} MiB resident; ${ort.fitHost ?? "?"} fit this machine's memory`,
  );
  if (result.adapter.isSoftware)
    console.log("(a software GPU's memory is host memory, and counts there as well)");
}

/** The first run with each. */
function multiplesOf({ runs }: DensityResult): readonly RunResult[] {
  return runs.filter((one, i) => runs.findIndex(({ multiple }) => multiple === one.multiple) === i);
}

function figuresOf(result: DensityResult): Readonly<Record<string, unknown>> {
  const { runs, wrong, weightBytes, functions, ort } = result;
  const perMultiple = <T>(of: readonly RunResult[], value: (one: RunResult) => T) =>
    Object.fromEntries(of.map((one) => [`${one.multiple}x`, value(one)]));
  const table = <T>(load: Load, value: (one: RunResult) => T) =>
    Object.fromEntries(
      evictionPolicyNames.flatMap((policy) => {
        const own = runs.filter((one) => one.load === load && one.policy === policy);
        return own.length === 0 ? [] : [[policy, perMultiple(own, value)]];
      }),
    );
  const firsts = multiplesOf(result);
  return {
    functions,
    functionsMeetingDeadline: table("trace", (one) => one.functionsMeetingDeadline),
    functionsMeetingDeadlineSkewed: table("skewed", (one) => one.functionsMeetingDeadline),
    functionsCalled: Object.fromEntries(runs.map((one) => [one.load, one.functionsCalled])),
    p98Ms: table("trace", (one) => one.p98Ms),
    p98MsSkewed: table("skewed", (one) => one.p98Ms),
    hitRate: table("trace", (one) => one.hitRate),
    hitRateSkewed: table("skewed", (one) => one.hitRate),
    wrong,
    memoryPerFunction: {
      weightBytes: weightBytes / functions,
      hostBytes: perMultiple(firsts, ({ memory }) => memory.hostBytes),
      deviceBytes: perMultiple(firsts, ({ memory }) => memory.deviceBytes),
      ...(ort && { ortHostBytes: ort.ownBytes, ortDeviceBytes: ort.deviceBytes }),
    },
    ...(ort && {
      ortProcessesThatFit: perMultiple(firsts, ({ multiple }) => fittingProcesses(ort, result, multiple)),
      ortStartMs: ort.startMs,
    }),
  };
}

function mebibytes(bytes: number): number {
  return Math.round((bytes / 2 ** 20) * 100) / 100;
}
