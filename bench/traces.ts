/**
 * What the traces are like that other benchmarks play: recorded, generated, and recorded with bursts put in. Prints a
 * line each, and how fast arrivals are made.
 */
import { DawnletError } from "../kernels/errors.ts";
import { writeResult } from "./harness/result.ts";
import { printTable } from "./harness/table.ts";
import type { Arrivals } from "./traces/arrivals.ts";
import { azureLikeArrivals } from "./traces/azure-like.ts";
import { drawBursts, withBursts } from "./traces/bursts.ts";
import { exponentialArrivals, workingSetArrivals } from "./traces/minute-arrivals.ts";
import { type MinuteTrace, minuteTraceOf } from "./traces/minute-trace.ts";
import { readAzureSample, readTorporTrace } from "./traces/shared-traces.ts";
import { formatTraceTable, type TraceStatistics, traceStatistics } from "./traces/statistics.ts";

const seed = 1;
const hourMs = 3_600_000;

export async function run(args: readonly string[]): Promise<void> {
  if (args.length > 0) throw new RangeError(`There is no argument '${args[0]}'`);
  const statistics: Record<string, TraceStatistics> = {};
  const speeds: { readonly name: string; readonly calls: number; readonly seconds: number }[] = [];
  const measure = (name: string, make: () => Arrivals): Arrivals => {
    const startedAt = performance.now();
    const arrivals = make();
    const seconds = (performance.now() - startedAt) / 1000;
    speeds.push({ name, calls: arrivals.timesMs.length, seconds });
    statistics[name] = traceStatistics(arrivals);
    return arrivals;
  };

  const torpor = await orMissing(() => readTorporTrace());
  if (torpor) measureTorpor(torpor, measure);
  const sample = await orMissing(() => readAzureSample());
  if (sample) statistics["Azure 2021, sample"] = traceStatistics(sample.arrivals);
  const day = { depth: 0.6, lengthMs: 24 * hourMs };
  const hour = { functions: 1000, durationMs: hourMs, seed };
  const zipf = measure("generated, Zipf 1", () => azureLikeArrivals({ ...hour, callsPerSecond: 300 }));
  measure("generated, as Azure 2019", () =>
    azureLikeArrivals({ ...hour, callsPerSecond: 300, popularity: { type: "azure2019" } }),
  );
  measure("generated, a day", () =>
    azureLikeArrivals({ ...hour, durationMs: day.lengthMs, callsPerSecond: 12, day }),
  );
  measure("its working set of 35", () =>
    workingSetArrivals(minuteTraceOf(zipf), { functions: 35, seed, spread: "random" }),
  );

  console.log(formatTraceTable(statistics));
  console.log();
  printTable(
    ["", "calls", "ms", "million calls/s"],
    speeds.map(({ name, calls, seconds }) => [name, calls, seconds * 1000, calls / seconds / 1e6]),
  );
  await writeResult("traces", null, { speeds }, { statistics });
}

function measureTorpor(torpor: MinuteTrace, measure: (name: string, make: () => Arrivals) => Arrivals): void {
  const plain = measure("Torpor", () => exponentialArrivals(torpor, { seed }));
  measure("Torpor, bursts", () => {
    const bursts = drawBursts(plain, { seed, bursts: 400, lengthMs: 20_000, factor: 20 });
    return withBursts(plain, bursts, seed);
  });
  measure("Torpor, 1000 functions, 4x", () =>
    exponentialArrivals(torpor, { seed, functions: 1000, rateFactor: 4 }),
  );
}

/** Says what is missing, and goes on. */
async function orMissing<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof DawnletError && error.code === "NOT_FOUND")) throw error;
    console.log(error.message);
    return undefined;
  }
}
