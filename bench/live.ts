/**
 * The scheduler live: device processes on one adapter, real Programs, real HTTP, each output compared with what it must
 * be. Locality, density and contention in small, and the simulator on the same calls: how far it is from what happened.
 *
 *   npm run bench -- live [locality] [density] [contention] [--seconds N] [--devices N] [--rounds N] [--quick]
 */
import { rm } from "node:fs/promises";
import { writeResult } from "./harness/result.ts";
import { printTable } from "./harness/table.ts";
import type { Calibration } from "./live/calibrate.ts";
import { measureContention } from "./live/contention.ts";
import { measureDensity } from "./live/density.ts";
import { localityFunctions, measureLocality } from "./live/locality.ts";
import { parseSettings } from "./live/settings.ts";
import { makeWorld, slots } from "./live/setup.ts";
import { errorOf, type LiveRow, type OrderAgreement, orderAgreement, rowsOf } from "./live/summary.ts";

/** Of the density experiment, unless it is to be quick. */
const mostFunctions = 30;

export async function run(args: readonly string[]): Promise<void> {
  const settings = parseSettings(args);
  const { devices, isQuick, experiments } = settings;
  const startedAt = performance.now();
  console.log(
    `storing functions; all takes about ${isQuick ? "four" : "thirty"} minutes, on a machine that does nothing else`,
  );
  const count = Math.max(2 * slots * devices, localityFunctions, isQuick ? 0 : mostFunctions);
  const world = await makeWorld(devices, count);
  try {
    const turns = experiments.has("locality") ? await measureLocality(world, settings, console.log) : [];
    const density = experiments.has("density") ? await measureDensity(world, settings) : [];
    const contention = experiments.has("contention") ? await measureContention(world, settings) : [];
    for (const { setting, calibration } of new Map(turns.map((one) => [one.setting, one])).values())
      console.log(`${setting}: ${calibrationText(calibration)}`);
    console.log(`${devices} devices, ${slots} functions on each\n`);

    const rows = rowsOf(turns).map((row) => ({ ...row, error: errorOf(row, ["meanMs", "p98Ms"]) }));
    const liveError = Math.max(...rows.map(({ error }) => error));
    printRows("locality", rows, ["meanMs", "p98Ms", "p99Ms", "missRatio", "falseMissRatio"]);
    const densityRows = rowsOf(density);
    printRows("density", densityRows, ["meeting", "p98Ms"]);
    const contentionRows = rowsOf(contention);
    printRows("contention", contentionRows, ["callsPerSecond", "p50Ms", "p90Ms"]);

    const orders = {
      locality: orderAgreement(rows, "meanMs"),
      density: orderAgreement(densityRows, "meeting"),
      contention: orderAgreement(contentionRows, "callsPerSecond"),
    };
    for (const { setting, policy, error } of rows)
      console.log(`${setting}, ${policy}: the simulator is off by ${(100 * error).toFixed(0)} %`);
    if (rows.length > 0)
      console.log(`\nat most by ${(100 * liveError).toFixed(0)} %, in mean and 98th percentile`);
    for (const [name, { pairs, agreeing }] of Object.entries(orders))
      if (pairs > 0)
        console.log(
          `${name}: of ${pairs} pairs of policies that differ by a tenth it puts ${agreeing} in the order in which they came`,
        );
    const wrong = [...turns, ...density, ...contention].reduce((sum, one) => sum + one.wrong, 0);
    console.log(`${wrong} wrong outputs; ${((performance.now() - startedAt) / 60_000).toFixed(1)} minutes`);

    await writeResult(
      "live",
      world.adapter,
      {
        ...(rows.length > 0 && { liveError }),
        ...{ wrong, orderAgreement: partsOf(orders) },
        locality: nested(rows),
        density: nested(densityRows),
        contention: nested(contentionRows),
      },
      { settings, orders, turns, density, contention },
    );
  } finally {
    await rm(world.dataFolder, { recursive: true, force: true });
  }
}

function calibrationText({ runMs, loadMs, hostMs, slowness, loadSlowness }: Calibration): string {
  const times = (all: readonly number[]) => all.map((one) => one.toFixed(1)).join(", ");
  return `alone a run takes ${times([runMs])} ms, a load ${times([loadMs])} ms more, HTTP and the gateway ${times([hostMs])} ms; \
1, 2, … busy devices slow runs to ${times(slowness)} times that, loads to ${times(loadSlowness)}`;
}

function printRows<Name extends string>(
  experiment: string,
  rows: readonly LiveRow<Name>[],
  names: readonly NoInfer<Name>[],
): void {
  if (rows.length === 0) return;
  printTable(
    [experiment, "policy", ...names.flatMap((name) => [name, "simulated"])],
    rows.map(({ setting, policy, live, simulated }) => [
      ...[setting, policy],
      ...names.flatMap((name) => [live[name], simulated[name]]),
    ]),
  );
  console.log();
}

/** 1 where all agree. Where there are no pairs there is nothing to say. */
function partsOf(orders: Readonly<Record<string, OrderAgreement>>): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(orders).flatMap(([name, { pairs, agreeing }]) =>
      pairs === 0 ? [] : [[name, agreeing / pairs]],
    ),
  );
}

/** By setting, then policy. */
function nested<Row extends LiveRow<string>>(
  rows: readonly Row[],
): Readonly<Record<string, Record<string, Omit<Row, "setting" | "policy">>>> {
  const out: Record<string, Record<string, Omit<Row, "setting" | "policy">>> = {};
  for (const { setting, policy, ...figures } of rows) {
    out[setting] ??= {};
    out[setting][policy] = figures;
  }
  return out;
}
