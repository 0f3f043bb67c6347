/** What CPU lanes hold, for Prometheus; read when scraped. Labels name the lane as a device. */
import { Gauge, type Registry } from "prom-client";
import { type LaneReport, reportLane } from "../devices/report.ts";
import type { CpuLane } from "../dispatch/cpu-lane.ts";

interface LaneGauge {
  readonly name: string;
  readonly help: string;
  readonly read: (lane: LaneReport) => number;
}

const gauges: readonly LaneGauge[] = [
  {
    name: "dawnlet_cpu_sessions",
    help: "Models that have a session open on the CPU lane",
    read: ({ sessions }) => sessions.length,
  },
  {
    name: "dawnlet_cpu_session_bytes",
    help: "Estimate of the host memory that they take",
    read: ({ usedBytes }) => usedBytes.total,
  },
  {
    name: "dawnlet_cpu_budget_bytes",
    help: "Bytes of host memory that they may take",
    read: ({ budgetBytes }) => budgetBytes,
  },
];

export function addCpuMetrics(registry: Registry, lanes: readonly CpuLane[]): void {
  for (const { name, help, read } of gauges)
    new Gauge({
      ...{ name, help, labelNames: ["device"], registers: [registry] },
      collect() {
        for (const lane of lanes) this.set({ device: lane.id }, read(reportLane(lane)));
      },
    });
}
