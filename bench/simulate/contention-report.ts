/** The tables of the contention experiment: throughput and latency by clients and policy, a workload each. */
import { schedulingPolicies } from "../../gateway/scheduler/policies/policies.ts";
import type { Cell } from "../harness/table.ts";
import { type ContentionRow, measureContention, type Workload, workloads } from "./contention.ts";
import { type Figures, type Report, type ReportTable, setFigure } from "./report.ts";

const names = [
  ...(["kaas-exclusive", "kaas-static", "kaas-balance"] as const),
  ...(["kaas-cfs", "mqfq-sticky", "deadline"] as const),
];
const allClients = [1, 2, 4, 8, 16, 24, 28, 29, 30, 32];
const fewClients = [4, 16, 32];

/** Requests a second at 16 clients (result files of KaaS): eTask, fractional MPS, KaaS. */
const published: Readonly<Record<string, string>> = {
  resnet50: "1.46, 199.8, 170.3",
  bert: "0.53, 61.8, 38.1",
  cgemm: "1.46, 146.5, 88.3",
  jacobi: "1.47, 201.3, 47.0",
};

export function reportContention(isQuick: boolean): Report {
  const figures: Figures = {};
  const policies = names.map((name) => schedulingPolicies[name]);
  const tables: ReportTable[] = [];
  for (const workload of workloads) {
    const byClients = (isQuick ? fewClients : allClients).map((clients) =>
      measureContention(workload, clients, policies),
    );
    for (const { clients, policy, workload: name, ...values } of byClients.flat())
      setFigure(figures, ["contention", name, clients, policy], { ...values });
    tables.push(...tablesOf(workload, byClients));
  }
  return { tables, figures };
}

function tablesOf(
  { name }: Workload,
  byClients: readonly (readonly ContentionRow[])[],
): readonly ReportTable[] {
  const latencies = (load: string, cell: (row: ContentionRow) => Cell): ReportTable => ({
    title: `Contention, ${name}: p50 and p90 at ${load}, ms`,
    columns: ["clients", ...names],
    rows: byClients.map((rows) => [rows[0]!.clients, ...rows.map(cell)]),
  });
  const throughput: ReportTable = {
    title: `Contention, ${name}: answers a second of closed-loop clients`,
    columns: ["clients", ...names, "published: eTask, static, KaaS"],
    rows: byClients.map((rows) => {
      const { clients } = rows[0]!;
      return [clients, ...rows.map(({ qps }) => qps), clients === 16 ? published[name]! : ""];
    }),
  };
  return [
    throughput,
    latencies("the same load", ({ p50Ms, p90Ms }) => pair(p50Ms, p90Ms)),
    latencies("70 % of its own throughput", ({ ownP50Ms, ownP90Ms }) => pair(ownP50Ms, ownP90Ms)),
  ];
}

function pair(a: number, b: number): string {
  return Number.isNaN(a) ? "no answer" : `${a.toFixed(0)} ${b.toFixed(0)}`;
}
