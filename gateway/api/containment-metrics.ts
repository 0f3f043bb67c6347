/** Devices lost, how long they were away, what is in quarantine or damaged, for Prometheus; read when scraped. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { DeviceHealth } from "../../runtime/supervisor/incident.ts";
import type { Functions } from "../functions/functions.ts";

/** Which versions somebody has to look after. */
export function addTroubleMetrics(registry: Registry, functions: Functions): void {
  const troubles = [
    ["quarantine", "dawnlet_quarantined", "1 for each version that is in quarantine"],
    ["damage", "dawnlet_damaged", "1 for each version whose stored bytes were found missing or changed"],
  ] as const;
  for (const [trouble, name, help] of troubles)
    new Gauge({
      name,
      help,
      labelNames: ["function_name", "version"],
      registers: [registry],
      collect() {
        this.reset();
        for (const { versions } of functions.list())
          for (const version of versions)
            if (version[trouble] !== undefined)
              this.set({ function_name: version.name, version: version.version }, 1);
      },
    });
}

/** Whose process may be lost. */
export interface HealthyDevice {
  readonly id: string;
  readonly managed: { readonly health: DeviceHealth };
}

export function addContainmentMetrics(registry: Registry, devices: readonly HealthyDevice[]): void {
  const registers = [registry];
  new Counter({
    name: "dawnlet_device_losses_total",
    help: "Device processes that were lost: to a time limit, a hang, a crash, or killed from outside",
    labelNames: ["device", "cause"],
    registers,
    collect() {
      this.reset();
      for (const { id: device, managed } of devices)
        for (const [cause, count] of Object.entries(managed.health.losses))
          this.inc({ device, cause }, count);
    },
  });
  const counters = [
    [
      "blamed",
      "dawnlet_calls_blamed_total",
      "Calls and GPU sessions that failed because they lost the device",
    ],
    [
      "rerun",
      "dawnlet_calls_rerun_total",
      "Calls that were run again because the device was lost under them",
    ],
  ] as const;
  for (const [count, name, help] of counters)
    new Counter({
      ...{ name, help, registers },
      labelNames: ["device"],
      collect() {
        this.reset();
        for (const { id, managed } of devices) this.inc({ device: id }, managed.health[count]);
      },
    });
  new Gauge({
    name: "dawnlet_device_recovery_seconds",
    help: "From the last loss being noticed to the next process being ready; 0 before there was one",
    labelNames: ["device"],
    registers,
    collect() {
      for (const { id, managed } of devices)
        this.set({ device: id }, (managed.health.recoveryMs.at(-1) ?? 0) / 1000);
    },
  });
}
