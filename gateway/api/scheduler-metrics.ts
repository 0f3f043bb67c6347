/** What waits, and what the scheduler has decided, for Prometheus; read when scraped. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { DispatchCounts, Dispatcher } from "../dispatch/dispatcher.ts";

type Counted = Pick<Dispatcher, "waiting" | "counts">;

interface SchedulerCounter {
  readonly name: string;
  readonly help: string;
  readonly read: (counts: DispatchCounts) => number;
}

const counters: readonly SchedulerCounter[] = [
  {
    name: "dawnlet_scheduler_runs_total",
    help: "Runs that were sent to devices, of one call or several",
    read: ({ runs }) => runs,
  },
  {
    name: "dawnlet_scheduler_calls_total",
    help: "Calls in those runs: divided by them, the mean batch",
    read: ({ calls }) => calls,
  },
  {
    name: "dawnlet_scheduler_loads_total",
    help: "Loads ahead of runs that the scheduler has begun",
    read: ({ loads }) => loads,
  },
  {
    name: "dawnlet_scheduler_evictions_total",
    help: "Evictions that the scheduler has chosen",
    read: ({ evictions }) => evictions,
  },
];

export function addSchedulerMetrics(registry: Registry, scheduler: Counted): void {
  const registers = [registry];
  new Gauge({
    name: "dawnlet_scheduler_waiting_calls",
    help: "Calls that wait for their turn on a device",
    registers,
    collect() {
      this.set(scheduler.waiting);
    },
  });
  for (const { name, help, read } of counters)
    new Counter({
      ...{ name, help, registers },
      collect() {
        this.reset();
        this.inc(read(scheduler.counts));
      },
    });
  new Counter({
    name: "dawnlet_scheduler_refused_calls_total",
    help: "Calls that were refused before they ran",
    labelNames: ["cause"],
    registers,
    collect() {
      this.reset();
      for (const [cause, count] of Object.entries(scheduler.counts.refused)) this.inc({ cause }, count);
    },
  });
}
