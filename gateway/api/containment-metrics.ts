/** Devices that were lost, how long they were away, and who is in quarantine, for Prometheus; read when scraped. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { DeviceHealth } from "../../runtime/supervisor/incident.ts";
import type { Functions } from "../functions/functions.ts";

export function addQuarantineMetric(registry: Registry, functions: Functions): void {
  new Gauge({
    name: "dawnlet_quarantined",
    help: "1 for each version that is in quarantine",
    labelNames: ["function_name", "version"],
    registers: [registry],
    collect() {
      this.reset();
      for (const { versions } of functions.list())
        for (const { name, version, quarantine } of versions)
          if (quarantine !== undefined) this.set({ function_name: name, version }, 1);
    },
  });
}

export function addContainmentMetrics(registry: Registry, health: () => DeviceHealth): void {
  const registers = [registry];
  new Counter({
    name: "dawnlet_device_losses_total",
    help: "Device processes that were lost: to a time limit, a hang, a crash, or killed from outside",
    labelNames: ["cause"],
    registers,
    collect() {
      this.reset();
      for (const [cause, count] of Object.entries(health().losses)) this.inc({ cause }, count);
    },
  });
  new Counter({
    name: "dawnlet_calls_blamed_total",
    help: "Calls that failed because they lost the device",
    registers,
    collect() {
      this.reset();
      this.inc(health().blamed);
    },
  });
  new Counter({
    name: "dawnlet_calls_rerun_total",
    help: "Calls that were run again because the device was lost under them",
    registers,
    collect() {
      this.reset();
      this.inc(health().rerun);
    },
  });
  new Gauge({
    name: "dawnlet_device_recovery_seconds",
    help: "From the last loss being noticed to the next process being ready; 0 before there was one",
    registers,
    collect() {
      this.set((health().recoveryMs.at(-1) ?? 0) / 1000);
    },
  });
}
