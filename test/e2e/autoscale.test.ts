/**
 * The autoscaler at work in a gateway with two real devices: where the weights of functions are, by what was called and
 * when. The clock is the test's, and so are the ticks. Under a scheduling policy that copies nothing by itself.
 */
import { beforeAll, describe, expect, test } from "vitest";
import type { ScalingReport } from "../../gateway/autoscale/report.ts";
import type { DeviceReport } from "../../gateway/devices/report.ts";
import { matrixBundle, matrixBytes, matrixInputs, matrixProduct } from "./function-crowd.ts";
import { gatewayFor } from "./running-gateway.ts";
import { floatsIn } from "./tensors.ts";

const rows = 4096;
/** So short that a few calls are more than a device can answer in it. */
const intervalMs = 1;
const minuteMs = 60_000;
let now = 0;
const server = gatewayFor("all tests", {
  devices: 2,
  scheduling: "lalbo3",
  autoscale: { intervalMs, now: () => now, isTimed: false },
});

async function deploy(name: string, seed: number): Promise<void> {
  await server.client.mustDeploy(name, matrixBundle(seed, rows));
}

async function callRight(name: string, seed: number): Promise<void> {
  const outputs = await server.client.infer(name, matrixInputs(seed));
  const right = matrixProduct(seed, rows, seed);
  for (const [row, value] of floatsIn(outputs.get("y")!).entries())
    expect(Math.abs(value - right[row]!)).toBeLessThan(1e-4);
}

/** So much time passes, a tick at its end. */
function pass(ms: number): void {
  now += ms;
  server.gateway.autoscaler!.tick();
}

async function devices(): Promise<readonly DeviceReport[]> {
  return (await server.client.send<{ devices: DeviceReport[] }>("/v1/devices")).body.devices;
}

/** On how many devices its weights are. */
async function copies(name: string): Promise<number> {
  return (await devices()).filter(({ residents }) => residents.some((one) => one.function === name)).length;
}

/** With further ticks at the same time: what is in use at one waits for the next. */
async function leaves(name: string): Promise<void> {
  await expect
    .poll(() => {
      pass(0);
      return copies(name);
    })
    .toBe(0);
}

const report = async () => (await server.client.send<ScalingReport>("/v1/scaling")).body;

test("a function that is called more than a device answers is on a second one before calls need it", async () => {
  await deploy("busy", 1);
  for (let i = 0; i < 40; i++) await server.client.infer("busy", matrixInputs(1));
  expect(await copies("busy")).toBe(1);
  pass(intervalMs);
  await expect.poll(() => copies("busy")).toBe(2);
  const { functions, devices: planned } = await report();
  expect(functions).toMatchObject([{ function: "busy", version: 1, tier: "device", replicas: 2 }]);
  expect(functions[0]!.callsPerSecond).toBe(40 / (intervalMs / 1_000));
  expect(planned.map(({ plannedBytes }) => plannedBytes)).toEqual([matrixBytes(rows), matrixBytes(rows)]);
  const metrics = await (await fetch(`${server.gateway.url}/metrics`)).text();
  expect(metrics).toContain('dawnlet_replicas{function="busy",version="1"} 2');
  expect(metrics).toContain('dawnlet_scaling_actions_total{type="add"} 2');
  await callRight("busy", 1);
});

describe("a function that is seldom called", () => {
  beforeAll(() => deploy("idle", 2));

  test("leaves the device, then host memory, and answers right when it is called again", async () => {
    await callRight("idle", 2);
    pass(intervalMs);
    expect(await copies("idle")).toBeGreaterThan(0);
    pass(10 * minuteMs);
    await leaves("idle");
    // What comes again after it had to leave is kept in host memory, for another time.
    await callRight("idle", 2);
    pass(10 * minuteMs);
    await leaves("idle");
    const inHost = async () => (await devices()).reduce((sum, { host }) => sum + host.bytes, 0);
    expect(await inHost()).toBe(matrixBytes(rows));
    pass(240 * minuteMs);
    await expect.poll(inHost).toBe(0);
    await callRight("idle", 2);
    const reasons = (await devices()).flatMap(({ evictions }) => evictions.last.map(({ reason }) => reason));
    expect(reasons).toContain("nobody has called it for 10 min");
  });
});

test("a function that is called at regular times is back before the next one", async () => {
  await deploy("regular", 3);
  for (let call = 0; call < 7; call++) {
    await callRight("regular", 3);
    pass(intervalMs);
    pass(20 * minuteMs - intervalMs);
  }
  await callRight("regular", 3);
  pass(5 * minuteMs);
  await leaves("regular");
  pass(13 * minuteMs);
  await expect.poll(() => copies("regular")).toBeGreaterThan(0);
  await callRight("regular", 3);
});
