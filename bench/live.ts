/**
 * The scheduler live: device processes on one adapter, real Programs, real HTTP, each output compared with what it must
 * be. Locality, density and contention in small, and the simulator on the same calls: how far it is from what happened.
 *
 *   npm run bench -- live [--seconds N] [--devices N] [--rounds N] [--quick]
 */
import { rm } from "node:fs/promises";
import { writeResult } from "./harness/result.ts";
import { printTable } from "./harness/table.ts";
import { measureContention } from "./live/contention.ts";
import { measureDensity } from "./live/density.ts";
import { localityFunctions, measureLocality } from "./live/locality.ts";
import { parseSettings } from "./live/settings.ts";
import { makeWorld, slots } from "./live/setup.ts";
import { localityRows, medianRows, orderAgreement } from "./live/summary.ts";

/** Of the density experiment, unless it is to be quick. */
const mostFunctions = 30;

export async function run(args: readonly string[]): Promise<void> {
  const settings = parseSettings(args);
  const { devices, isQuick } = settings;
  const startedAt = performance.now();
  console.log(
    `storing functions; all takes about ${isQuick ? "three" : "twenty"} minutes on an idle machine`,
  );
  const count = Math.max((slots + 1) * devices, localityFunctions, isQuick ? 0 : mostFunctions);
  const world = await makeWorld(devices, count);
  try {
    const { turns, calibrations } = await measureLocality(world, settings, console.log);
    const calibration = calibrations.at(-1)!;
    const density = await measureDensity(world, calibration, settings);
    const contention = await measureContention(world, settings);
    const wrong = [...turns, ...density, ...contention].reduce((sum, one) => sum + one.wrong, 0);

    const rows = localityRows(turns);
    const liveError = Math.max(...rows.map(({ error }) => error));
    const agreement = orderAgreement(rows);
    const round = (ms: number) => Math.round(ms * 10) / 10;
    console.log(`\n${devices} devices, ${slots} functions on each; alone a run takes ${round(calibration.runMs)} ms,
a load ${round(calibration.loadMs)} ms more, HTTP and the gateway ${round(calibration.hostMs)} ms;
devices busy at a time slow their runs to ${calibration.slowness.map(round).join(", ")}, loads to ${calibration.loadSlowness.map(round).join(", ")}\n`);
    printTable(
      [
        "functions",
        "policy",
        "mean ms",
        "simulated",
        "p98 ms",
        "simulated",
        "p99 ms",
        "misses",
        "simulated",
        "false",
        "error",
      ],
      rows.map(({ setting, policy, live, simulated, error }) => [
        ...[setting, policy, live.meanMs, simulated.meanMs, live.p98Ms, simulated.p98Ms, live.p99Ms],
        ...[live.missRatio, simulated.missRatio, live.falseMissRatio, error],
      ]),
    );
    console.log(
      `\nthe simulator is off by ${(100 * liveError).toFixed(0)} % at most; it puts ${(100 * agreement).toFixed(0)} % of pairs of policies in the order in which they came\n`,
    );

    const densityRows = medianRows(density, (one) => `${one.functions} ${one.policy}`, [
      ...(["called", "meeting", "deadlineMs", "p98Ms"] as const),
    ]);
    printTable(
      ["functions, policy", "called", "in time", "deadline ms", "p98 ms"],
      [...densityRows].map(([name, one]) => [name, ...Object.values(one)]),
    );
    console.log();
    const contentionRows = medianRows(contention, (one) => `${one.clients} ${one.policy}`, [
      ...(["callsPerSecond", "p50Ms", "p90Ms"] as const),
    ]);
    printTable(
      ["clients, policy", "calls/s", "p50 ms", "p90 ms"],
      [...contentionRows].map(([name, one]) => [name, ...Object.values(one)]),
    );
    console.log(`\n${wrong} wrong outputs; ${((performance.now() - startedAt) / 60_000).toFixed(1)} minutes`);

    const locality: Record<string, Record<string, unknown>> = {};
    for (const { setting, policy, live, simulated, error } of rows) {
      locality[setting] ??= {};
      locality[setting][policy] = { ...live, simulated, error };
    }
    await writeResult(
      "live",
      world.adapter,
      {
        ...{ liveError, orderAgreement: agreement, wrong, locality },
        density: nested(densityRows),
        contention: nested(contentionRows),
      },
      { settings, calibrations, turns, density, contention },
    );
  } finally {
    await rm(world.dataFolder, { recursive: true, force: true });
  }
}

/** From `12 lb` to `12` and `lb`. */
function nested(rows: ReadonlyMap<string, unknown>): Readonly<Record<string, Record<string, unknown>>> {
  const out: Record<string, Record<string, unknown>> = {};
  for (const [name, value] of rows) {
    const [first, second] = name.split(" ") as [string, string];
    out[first] ??= {};
    out[first][second] = value;
  }
  return out;
}
