/** Instances of handlers for Prometheus: how many there are, were started, and how long that took; read when scraped. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { InstanceStarts } from "../handlers/instance-starts.ts";

export function addHandlerMetrics(registry: Registry, starts: InstanceStarts): void {
  const registers = [registry];
  new Gauge({
    name: "dawnlet_handler_instances",
    help: "Processes that run a handler",
    registers,
    collect() {
      this.set(starts.live);
    },
  });
  new Counter({
    name: "dawnlet_handler_starts_total",
    help: "Instances of handlers that were started, or did not start",
    labelNames: ["outcome"],
    registers,
    collect() {
      this.reset();
      this.inc({ outcome: "started" }, starts.count);
      this.inc({ outcome: "failed" }, starts.failed);
    },
  });
  new Gauge({
    name: "dawnlet_handler_start_seconds",
    help: "Median of what the last starts of instances took; 0 before the first",
    registers,
    collect() {
      this.set((starts.medianMs ?? 0) / 1000);
    },
  });
}
