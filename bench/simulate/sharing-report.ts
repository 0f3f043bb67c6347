/** The tables of the sharing experiment: throughput on one GPU and on four, and deadlines missed by load. */
import { schedulingPolicies } from "../../gateway/scheduler/policies/policies.ts";
import { type Figures, percentText, type Report, type ReportTable, setFigure } from "./report.ts";
import { type Mix, measureAtLoad, measureThroughput, mixes } from "./sharing.ts";

const contestants = [
  { name: "fast-time", gpus: 4 },
  { name: "fast-gshare", gpus: 1 },
  { name: "deadline", gpus: 1 },
] as const;
const loads = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8];
/** Over all GPUs, of the eight (slides of FaST-GShare). */
const published = {
  "fast-time": "util. 37.9 %, occ. 6.1 %",
  "fast-gshare": "util. 88.6 %, occ. 25.3 %",
  deadline: "",
};

export function reportSharing(isQuick: boolean): Report {
  const figures: Figures = {};
  const tables = (Object.keys(mixes) as Mix[]).flatMap((mix) => [
    throughput(mix, figures),
    byLoad(mix, isQuick ? [0.6] : loads, figures),
  ]);
  return { tables, figures };
}

function throughput(mix: Mix, figures: Figures): ReportTable {
  const rows = contestants.map(({ name, gpus }) => {
    const { qps, utilisation, occupancy } = measureThroughput(mix, schedulingPolicies[name], gpus);
    setFigure(figures, ["sharing", mix, name], { qps, qpsPerGpu: qps / gpus, utilisation, occupancy });
    return [name, gpus, qps, qps / gpus, percentText(utilisation), percentText(occupancy)];
  });
  return {
    title: `Sharing, ${mix} functions that always have requests`,
    columns: ["policy", "GPUs", "answers/s", "a GPU", "utilisation", "occupancy"],
    rows,
  };
}

function byLoad(mix: Mix, loadsOfMix: readonly number[], figures: Figures): ReportTable {
  const rows = loadsOfMix.flatMap((load) =>
    contestants.map(({ name, gpus }) => {
      const row = measureAtLoad(mix, schedulingPolicies[name], gpus, load);
      setFigure(figures, ["sharingAtLoad", mix, `${load * 100}`, name], { ...row });
      const parts = [row.violations, row.utilisation, row.occupancy].map(percentText);
      return [`${(load * 100).toFixed(0)} %`, name, gpus, ...parts, row.p99Ms, published[name]];
    }),
  );
  return {
    title: `Sharing, ${mix} functions, random requests at a part of their quotas`,
    columns: ["load", "policy", "GPUs", "late", "utilisation", "occupancy", "p99 ms", "published"],
    rows,
  };
}
