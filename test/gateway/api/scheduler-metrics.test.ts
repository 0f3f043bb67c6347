import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { addSchedulerMetrics } from "../../../gateway/api/scheduler-metrics.ts";

test("what waits, runs and was refused is read at each scrape", async () => {
  const registry = new Registry();
  const refused = { late: 2, "queue-full": 0, removed: 0, unknown: 0, "too-large": 0 };
  const scheduler = { waiting: 3, counts: { runs: 5, calls: 9, loads: 1, evictions: 4, refused } };
  addSchedulerMetrics(registry, scheduler);
  await registry.metrics();
  scheduler.waiting = 1;
  const lines = (await registry.metrics()).split("\n");
  for (const line of [
    "dawnlet_scheduler_waiting_calls 1",
    "dawnlet_scheduler_runs_total 5",
    "dawnlet_scheduler_calls_total 9",
    "dawnlet_scheduler_loads_total 1",
    "dawnlet_scheduler_evictions_total 4",
    'dawnlet_scheduler_refused_calls_total{cause="late"} 2',
    'dawnlet_scheduler_refused_calls_total{cause="queue-full"} 0',
  ])
    expect(lines).toContain(line);
});
