/** The table of the autoscaling experiment: a recorded trace, and a day of functions of which most are seldom called. */
import type { Arrivals } from "../traces/arrivals.ts";
import { azureLikeArrivals } from "../traces/azure-like.ts";
import { exponentialArrivals } from "../traces/minute-arrivals.ts";
import { readTorporTrace } from "../traces/shared-traces.ts";
import { type Figures, percentText, type Report, setFigure } from "./report.ts";
import { measureScaling } from "./scaling.ts";

const hourMs = 3_600_000;
const seed = 1;

/** @throws DawnletError NOT_FOUND where Torpor's trace is missing. */
export async function reportScaling(isQuick: boolean): Promise<Report> {
  const hours = isQuick ? 2 : 24;
  const day = { depth: 0.6, lengthMs: 24 * hourMs };
  const traces: Readonly<Record<string, Arrivals>> = {
    "Torpor's trace, 31 minutes": exponentialArrivals(await readTorporTrace(), { seed }),
    [`generated as Azure 2019, ${hours} hours`]: azureLikeArrivals({
      ...{ functions: 500, durationMs: hours * hourMs, callsPerSecond: 6, seed, day },
      popularity: { type: "azure2019" },
    }),
  };
  const figures: Figures = {};
  const rows = Object.entries(traces).flatMap(([trace, arrivals]) =>
    measureScaling(arrivals).map(({ name, ...values }) => {
      setFigure(figures, ["scaling", trace, name], { ...values });
      const { calls, coldPart, residentPart, p99Ms } = values;
      return [trace, name, calls, percentText(coldPart), percentText(residentPart), p99Ms];
    }),
  );
  return {
    tables: [
      {
        title: "Scaling: devices that hold all functions, by when weights leave them",
        columns: ["trace", "weights are", "calls", "cold", "on devices", "p99 ms"],
        rows,
      },
    ],
    figures,
  };
}
