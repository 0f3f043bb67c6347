/** The table of the locality experiment, with the published reductions beside ours. */
import { calmLoad, type LocalityRow, measureLocality, publishedLoad } from "./locality.ts";
import { changeText, type Figures, percentText, type Report, setFigure } from "./report.ts";

const columns = [
  ...["working set", "policy", "mean s", "p99 s", "misses", "false misses"],
  ...["mean to lb", "misses to lb", "published"],
];

/** Reductions of mean latency and of misses (arXiv 2303.05601); for which working set -97.74 is it does not say. */
const published: Readonly<Record<string, string>> = {
  "15 lalb": "-97.7 %, -93.3 %",
  "25 lalb": "-97.7 %, -93.3 %",
  "35 lalb": "-79.4 %, -65.2 %",
  "35 lalbo3": "-96.9 %, -81.2 %",
};

export function reportLocality(isQuick: boolean): Report {
  const rows = measureLocality(isQuick ? 1 : 5);
  const figures: Figures = {};
  for (const { workingSet, callsAMinute, policy, ...values } of rows)
    setFigure(figures, [nameOf(callsAMinute), workingSet, policy], { ...values });
  const tables = [publishedLoad, calmLoad].map((load) => ({
    title: `Locality: 12 GPUs, ${load} calls a minute, medians of ${isQuick ? "one seed" : "five seeds"}`,
    columns,
    rows: rows.filter(({ callsAMinute }) => callsAMinute === load).map((row) => cellsOf(row, rows)),
  }));
  return { tables, figures };
}

function nameOf(callsAMinute: number): string {
  return callsAMinute === publishedLoad ? "locality" : "localityCalm";
}

function cellsOf(row: LocalityRow, all: readonly LocalityRow[]): readonly (string | number)[] {
  const { workingSet, callsAMinute, policy, meanMs, p99Ms, missRatio, falseMissRatio } = row;
  const base = all.find(
    (one) => one.policy === "lb" && one.workingSet === workingSet && one.callsAMinute === callsAMinute,
  )!;
  const isBase = row === base;
  return [
    ...[workingSet, policy, meanMs / 1_000, p99Ms / 1_000],
    ...[percentText(missRatio), percentText(falseMissRatio)],
    isBase ? "" : changeText(base.meanMs, meanMs),
    isBase ? "" : changeText(base.missRatio, missRatio),
    callsAMinute === publishedLoad ? (published[`${workingSet} ${policy}`] ?? "") : "",
  ];
}
