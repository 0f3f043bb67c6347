/**
 * The experiments of the published systems in simulated time, under their policies and ours: prints a table each, with
 * the published figures beside ours, and writes `bench/out/simulate.json`. Without names all of them run, in minutes;
 * with `--quick` less of each, in seconds.
 */

import { writeResult } from "./harness/result.ts";
import { printTable } from "./harness/table.ts";
import { reportContention } from "./simulate/contention-report.ts";
import { reportCost, reportScale } from "./simulate/cost-report.ts";
import { reportDensity } from "./simulate/density-report.ts";
import { reportLocality } from "./simulate/locality-report.ts";
import type { Figures, Report } from "./simulate/report.ts";
import { reportScaling } from "./simulate/scaling-report.ts";
import { reportSharing } from "./simulate/sharing-report.ts";

const experiments: Readonly<Record<string, (isQuick: boolean) => Report | Promise<Report>>> = {
  locality: reportLocality,
  density: reportDensity,
  contention: reportContention,
  sharing: reportSharing,
  scaling: reportScaling,
  cost: reportCost,
  scale: reportScale,
};

export async function run(args: readonly string[]): Promise<void> {
  const isQuick = args.includes("--quick");
  const names = args.filter((arg) => arg !== "--quick");
  for (const name of names)
    if (!Object.hasOwn(experiments, name))
      throw new RangeError(`There is no experiment '${name}', but ${Object.keys(experiments).join(", ")}`);
  const figures: Figures = {};
  for (const [name, experiment] of Object.entries(experiments)) {
    if (names.length > 0 && !names.includes(name)) continue;
    const report = await experiment(isQuick);
    Object.assign(figures, report.figures);
    for (const { title, columns, rows } of report.tables) {
      console.log(`\n${title}`);
      printTable(columns, rows);
    }
  }
  await writeResult("simulate", null, figures, { isQuick });
}
