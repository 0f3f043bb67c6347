import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { addContainmentMetrics, addTroubleMetrics } from "../../../gateway/api/containment-metrics.ts";
import { HealthRecord } from "../../../runtime/supervisor/incident.ts";
import { FakeFunctions } from "../fake-functions.ts";

test("losses, reruns and the last recovery are counted as they are reported", async () => {
  const registry = new Registry();
  const health = new HealthRecord();
  addContainmentMetrics(registry, [
    {
      id: "gpu0",
      managed: {
        get health() {
          return health.value;
        },
      },
    },
    { id: "gpu1", managed: { health: new HealthRecord().value } },
  ]);
  expect(await registry.metrics()).toContain(
    'dawnlet_device_losses_total{device="gpu0",cause="time-limit"} 0',
  );
  health.note({
    type: "lost",
    cause: "time-limit",
    ending: "killed by the gateway",
    atDevice: 4,
    blamed: ["loop"],
    givenUp: 0,
    rerun: 3,
    sessions: 2,
    blamedSession: "function 'x' version 2",
  });
  for (const recoveryMs of [50, 250]) health.note({ type: "recovered", cause: "time-limit", recoveryMs });
  const text = await registry.metrics();
  for (const line of [
    'dawnlet_device_losses_total{device="gpu0",cause="time-limit"} 1',
    'dawnlet_device_losses_total{device="gpu0",cause="killed"} 0',
    'dawnlet_calls_blamed_total{device="gpu0"} 2',
    'dawnlet_calls_blamed_total{device="gpu1"} 0',
    'dawnlet_calls_rerun_total{device="gpu0"} 3',
    'dawnlet_device_recovery_seconds{device="gpu0"} 0.25',
  ])
    expect(text).toContain(line);
});

test.each([
  ["quarantined", "quarantine", "liftQuarantine"],
  ["damaged", "damage", "heal"],
] as const)("a %s version has a sample as long as it is so", async (trouble, begin, end) => {
  const registry = new Registry();
  const functions = new FakeFunctions();
  addTroubleMetrics(registry, functions);
  const sample = /^dawnlet_\w+\{.*$/gm;
  const samples = async () => (await registry.metrics()).match(sample) ?? [];
  expect(await samples()).toEqual([]);
  functions[begin]("add");
  expect(await samples()).toEqual([`dawnlet_${trouble}{function_name="add",version="1"} 1`]);
  await functions[end]("add");
  expect(await samples()).toEqual([]);
});
