import { expect, test } from "vitest";
import { createApp } from "../../../gateway/app.ts";
import type { ScalingReport } from "../../../gateway/autoscale/report.ts";
import { FakeFunctions } from "../fake-functions.ts";

const counts = { add: 3, resize: 2, remove: 1, dropHost: 0 };
const report: ScalingReport = {
  intervalMs: 10_000,
  devices: [
    {
      ...{ id: "gpu0", budgetBytes: 1_000, plannedBytes: 100 },
      replicas: [{ function: "f", version: 2, quota: 0.4, share: 1, bytes: 100, isThere: true }],
    },
  ],
  functions: [
    {
      ...{ function: "f", version: 2, bytes: 100, callsPerSecond: 7.5, tier: "device", replicas: 1 },
      missingCallsPerSecond: 2.5,
    },
    { function: "g", version: 1, bytes: 50, callsPerSecond: 0, idleMs: 9e5, tier: "host", replicas: 0 },
  ],
  actions: counts,
};
const scaling = { report: () => report, counts };
const tenants = [{ name: "acme", token: "token-of-acme-00" }];
const app = createApp({ functions: new FakeFunctions(), scaling, token: "op", tenants });
const get = (path: string, token = "op") =>
  app.request(path, { headers: { authorization: `Bearer ${token}` } });

test("what is planned is told to the operator, and to no tenant", async () => {
  const response = await get("/v1/scaling");
  expect([response.status, await response.json()]).toEqual([200, report]);
  expect((await get("/v1/scaling", "token-of-acme-00")).status).toBe(403);
});

test("there is nothing to tell where nothing is scaled", async () => {
  const without = createApp({ functions: new FakeFunctions() });
  expect((await without.request("/v1/scaling")).status).toBe(404);
  expect(await (await without.request("/metrics")).text()).not.toContain("dawnlet_replicas");
});

test("metrics have replicas, forecasts and shortages by function, and actions by type", async () => {
  const lines = (await (await get("/metrics")).text()).split("\n");
  for (const line of [
    'dawnlet_replicas{function="f",version="2"} 1',
    'dawnlet_replicas{function="g",version="1"} 0',
    'dawnlet_forecast_calls_per_second{function="f",version="2"} 7.5',
    'dawnlet_scaling_shortage_calls_per_second{function="f",version="2"} 2.5',
    'dawnlet_scaling_shortage_calls_per_second{function="g",version="1"} 0',
    'dawnlet_scaling_actions_total{type="remove"} 1',
  ])
    expect(lines).toContain(line);
});
