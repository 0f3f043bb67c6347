/** `GET /v1/scaling`: which functions are to have their weights on which devices, and what calls are expected. */
import type { Hono } from "hono";
import { Counter, Gauge, type Registry } from "prom-client";
import type { Autoscaler } from "../autoscale/autoscaler.ts";
import type { ScaledFunctionReport } from "../autoscale/report.ts";
import type { Endpoint } from "../http/endpoint.ts";
import { jsonReply } from "../http/reply.ts";

type Scaling = Pick<Autoscaler, "report" | "counts">;

export function addScaling(app: Hono, endpoint: Endpoint, scaling: Scaling): void {
  app.get(
    "/v1/scaling",
    endpoint(() => jsonReply(scaling.report()), { isForOperator: true }),
  );
}

interface FunctionGauge {
  readonly name: string;
  readonly help: string;
  readonly read: (report: ScaledFunctionReport) => number;
}

const gauges: readonly FunctionGauge[] = [
  {
    name: "dawnlet_replicas",
    help: "Devices that are to hold the weights of a function",
    read: ({ replicas }) => replicas,
  },
  {
    name: "dawnlet_forecast_calls_per_second",
    help: "Calls of a function that are expected",
    read: ({ callsPerSecond }) => callsPerSecond,
  },
  {
    name: "dawnlet_scaling_shortage_calls_per_second",
    help: "Calls of a function that are expected and that its replicas have no room for",
    read: ({ missingCallsPerSecond = 0 }) => missingCallsPerSecond,
  },
];

/** For Prometheus; read when scraped. */
export function addScalingMetrics(registry: Registry, scaling: Scaling): void {
  const registers = [registry];
  for (const { name, help, read } of gauges)
    new Gauge({
      ...{ name, help, registers },
      labelNames: ["function", "version"],
      collect() {
        this.reset();
        for (const report of scaling.report().functions)
          this.set({ function: report.function, version: report.version }, read(report));
      },
    });
  new Counter({
    name: "dawnlet_scaling_actions_total",
    help: "What the autoscaler has decided: replicas added, resized and removed, weights dropped from host memory",
    labelNames: ["type"],
    registers,
    collect() {
      this.reset();
      for (const [type, count] of Object.entries(scaling.counts)) this.inc({ type }, count);
    },
  });
}
