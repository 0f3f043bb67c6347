/**
 * The scheduler live: device processes on one adapter, real Programs, real HTTP, each output compared with what it must
 * be. Locality, density and contention in small, and the simulator on the same calls: how far it is from what happened, and
 * with `--twice` how far that is from what happens when the same is done again.
 *
 *   npm run bench -- live [locality] [density] [contention] [--seconds N] [--devices N] [--quick] [--twice]
 */
import { rm } from "node:fs/promises";
import { writeResult } from "./harness/result.ts";
import { mean, median } from "./harness/statistics.ts";
import { printTable } from "./harness/table.ts";
import { type Calibration, Calibrator } from "./live/calibrate.ts";
import { measureContention } from "./live/contention.ts";
import { measureDensity } from "./live/density.ts";
import { localityFunctions, measureLocality } from "./live/locality.ts";
import { parseSettings } from "./live/settings.ts";
import { makeWorld, slots } from "./live/setup.ts";
import {
  differencesOf,
  errorsOf,
  type OrderAgreement,
  orderAgreement,
  type PartsOf,
} from "./live/summary.ts";
import type { LiveTurn } from "./live/turn.ts";

/** How far the simulator may be from what happened, as part of that. */
const bound = 0.15;
/** Of the density experiment, unless it is to be quick. */
const mostFunctions = 30;

export async function run(args: readonly string[]): Promise<void> {
  const settings = parseSettings(args);
  const { devices, isQuick, experiments } = settings;
  const startedAt = performance.now();
  console.log(
    `storing functions; all takes about ${isQuick ? "two" : "twenty"} minutes, on a machine that does nothing else`,
  );
  const count = Math.max(
    2 * slots * devices,
    localityFunctions,
    experiments.has("density") && !isQuick ? mostFunctions : 0,
  );
  const world = await makeWorld(devices, count);
  try {
    await using calibrator = await Calibrator.open(world);
    const locality = experiments.has("locality")
      ? await measureLocality(world, calibrator, settings, console.log)
      : [];
    const density = experiments.has("density") ? await measureDensity(world, calibrator, settings) : [];
    const contention = experiments.has("contention")
      ? await measureContention(world, calibrator, settings)
      : [];
    for (const { setting, calibration } of new Map(locality.map((one) => [one.setting, one])).values())
      console.log(`${setting}: ${calibrationText(calibration)}`);
    console.log(`${devices} devices, ${slots} functions on each\n`);

    printTurns("locality", locality, [
      "meanMs",
      "p98Ms",
      "allMeanMs",
      "allP98Ms",
      "missRatio",
      "falseMissRatio",
    ]);
    printTurns("density", density, ["meeting", "meanMs", "p98Ms", "allMeanMs", "allP98Ms"]);
    printTurns("contention", contention, ["callsPerSecond", "leastPerSecond", "p50Ms", "p90Ms"]);

    const byFigure = (partsOf: PartsOf) => ({
      mean: [...partsOf(locality, "meanMs"), ...partsOf(density, "meanMs")],
      p98: [...partsOf(locality, "p98Ms"), ...partsOf(density, "p98Ms")],
      allMean: [...partsOf(locality, "allMeanMs"), ...partsOf(density, "allMeanMs")],
      allP98: [...partsOf(locality, "allP98Ms"), ...partsOf(density, "allP98Ms")],
      callsPerSecond: partsOf(contention, "callsPerSecond"),
    });
    const errors = byFigure(errorsOf);
    const differences = byFigure(differencesOf);
    printParts("the simulator", errors);
    printParts("a second run", differences);
    const orders = {
      locality: orderAgreement(locality, "meanMs"),
      density: orderAgreement(density, "meeting"),
      contention: orderAgreement(contention, "callsPerSecond"),
    };
    for (const [name, { pairs, agreeing }] of Object.entries(orders))
      if (pairs > 0)
        console.log(
          `${name}: of ${pairs} pairs of policies that differ by a tenth it puts ${agreeing} in the order in which they came`,
        );
    const wrong = [...locality, ...density, ...contention].reduce((sum, one) => sum + one.wrong, 0);
    console.log(`${wrong} wrong outputs; ${((performance.now() - startedAt) / 60_000).toFixed(1)} minutes`);

    await writeResult(
      "live",
      world.adapter,
      {
        wrong,
        liveError: ofEach(errors, (all) => median(all.map(Math.abs))),
        liveDifference: ofEach(differences, (all) => median(all.map(Math.abs))),
        withinBound: ofEach(errors, (all) => withinBound(all) / all.length),
        orderAgreement: agreeingParts(orders),
        ...{ locality: nested(locality), density: nested(density), contention: nested(contention) },
      },
      { settings, errors, differences, orders, locality, density, contention },
    );
  } finally {
    await rm(world.folder, { recursive: true, force: true });
  }
}

function calibrationText({
  runMs,
  loadMs,
  hostMs,
  slowness,
  loadSlowness,
  hostSlowness,
}: Calibration): string {
  const times = (all: readonly number[]) => all.map((one) => one.toFixed(1)).join(", ");
  return `alone a run takes ${times([runMs])} ms, a load ${times([loadMs])} ms more; HTTP and the gateway add ${times([hostMs])} ms; \
1, 2, … busy devices slow runs to ${times(slowness)} times that, loads to ${times(loadSlowness)}; \
0, 1, … that are busy for others slow HTTP and the gateway to ${times(hostSlowness)}`;
}

function printTurns<Name extends string>(
  experiment: string,
  turns: readonly LiveTurn<Name>[],
  names: readonly NoInfer<Name>[],
): void {
  if (turns.length === 0) return;
  printTable(
    [experiment, "policy", ...names.flatMap((name) => [name, "simulated"])],
    turns.map(({ setting, live, simulated, ...turn }) => [
      ...[setting, nameOf(turn)],
      ...names.flatMap((name) => [live[name], simulated[name]]),
    ]),
  );
  console.log();
}

/** @param what is held against what happened. */
function printParts(what: string, parts: Readonly<Record<string, readonly number[]>>): void {
  const percent = (part: number) => `${(100 * part).toFixed(0)} %`;
  for (const [name, all] of Object.entries(parts)) {
    if (all.length === 0) continue;
    const sizes = all.map(Math.abs);
    console.log(
      `${name}: ${what} is within ${percent(bound)} in ${withinBound(all)} of ${all.length}, off by ${percent(median(sizes))} \
as a rule and ${percent(Math.max(...sizes))} at most, by ${percent(mean(all))} on average`,
    );
  }
}

function nameOf({ policy, again }: Pick<LiveTurn<string>, "policy" | "again">): string {
  return again ? `${policy} again` : policy;
}

function withinBound(errors: readonly number[]): number {
  return errors.filter((one) => Math.abs(one) <= bound).length;
}

/** A figure of each kind of which there are errors. */
function ofEach(
  errors: Readonly<Record<string, readonly number[]>>,
  figure: (all: readonly number[]) => number,
): Readonly<Record<string, number>> {
  const measured = Object.entries(errors).filter(([, all]) => all.length > 0);
  return Object.fromEntries(measured.map(([name, all]) => [name, figure(all)]));
}

/** Of each that has pairs, the part that agrees. */
function agreeingParts(orders: Readonly<Record<string, OrderAgreement>>): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(orders).flatMap(([name, { pairs, agreeing }]) =>
      pairs === 0 ? [] : [[name, agreeing / pairs]],
    ),
  );
}

/** By setting, then policy. */
function nested(
  turns: readonly LiveTurn<string>[],
): Readonly<Record<string, Record<string, Pick<LiveTurn<string>, "live" | "simulated">>>> {
  const out: Record<string, Record<string, Pick<LiveTurn<string>, "live" | "simulated">>> = {};
  for (const { setting, live, simulated, ...turn } of turns) {
    out[setting] ??= {};
    out[setting][nameOf(turn)] = { live, simulated };
  }
  return out;
}
