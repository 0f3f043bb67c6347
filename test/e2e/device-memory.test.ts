/** How functions are kept in device memory (pinned, for a time, by priority) and when their calls run; over HTTP, on a real device. */
import { describe, expect, test, vi } from "vitest";
import type { DeviceReport } from "../../gateway/devices/report.ts";
import type { FunctionStatus } from "../../gateway/functions/functions.ts";
import { matrixBundle, matrixInputs } from "./function-crowd.ts";
import { gatewayFor } from "./running-gateway.ts";

const mebibyte = 2 ** 20;
/** Room for four functions of a mebibyte. */
const deviceBytes = 5 * mebibyte;
const server = gatewayFor("each test", { deviceBytes });

/** A function with a mebibyte of weights. */
const deploy = (name: string, settings: object = {}) =>
  server.client.mustDeploy(name, matrixBundle(name.charCodeAt(0), 4096, settings));
const call = (name: string) => server.client.infer(name, matrixInputs(1));
const change = (name: string, settings: unknown) =>
  server.client.send<FunctionStatus>(`/v1/functions/${name}`, {
    method: "PATCH",
    body: JSON.stringify(settings),
  });

async function report(): Promise<DeviceReport> {
  return (await server.client.send<{ devices: DeviceReport[] }>("/v1/devices")).body.devices[0]!;
}

async function residents(): Promise<readonly string[]> {
  return (await report()).residents.map((one) => one.function).sort();
}

describe("settings", () => {
  test("come from the bundle, are changed over HTTP, and survive a restart and a new version", async () => {
    const status = await deploy("a", { priority: 3, keepAliveMs: 60_000 });
    expect(status.memory).toEqual({ pin: false, keepAliveMs: 60_000, priority: 3 });
    const { body } = await change("a", { priority: -1, keepAliveMs: 5_000 });
    expect(body.memory).toEqual({ pin: false, keepAliveMs: 5_000, priority: -1 });
    await change("a", { keepAliveMs: null });
    await server.restart();
    expect((await server.client.status("a")).memory).toEqual({
      pin: false,
      keepAliveMs: 60_000,
      priority: -1,
    });
    await server.client.mustDeploy("a", matrixBundle(7, 4096));
    expect((await server.client.status("a")).memory).toEqual({ pin: false, keepAliveMs: null, priority: -1 });
    // With the function they are gone.
    await server.client.remove("a");
    expect((await deploy("a")).memory).toEqual({ pin: false, keepAliveMs: null, priority: 0 });
  });

  test("of when calls run are changed, survive and go in the same way", async () => {
    const quota = { request: 0.2, limit: 0.5 };
    const status = await deploy("a", { deadlineMs: 80, quota });
    expect(status.schedule).toEqual({ deadlineMs: 80, quota });
    const less = { request: 0.1, limit: 0.1 };
    const { body } = await change("a", { deadlineMs: 30, quota: less });
    expect(body.schedule).toEqual({ deadlineMs: 30, quota: less });
    expect((await change("a", { priority: 2, deadlineMs: null })).body.schedule).toEqual({
      deadlineMs: 80,
      quota: less,
    });
    await server.restart();
    expect(await server.client.status("a")).toMatchObject({
      schedule: { deadlineMs: 80, quota: less },
      memory: { priority: 2 },
    });
    await server.client.mustDeploy("a", matrixBundle(7, 4096));
    expect((await server.client.status("a")).schedule).toEqual({ deadlineMs: null, quota: less });
    expect((await change("a", { quota: null })).body.schedule).toEqual({ deadlineMs: null, quota: null });
    await server.client.remove("a");
    expect((await deploy("a")).schedule).toEqual({ deadlineMs: null, quota: null });
  });

  test("of when calls run hold for the calls that come next", async () => {
    await deploy("a");
    const callInTime = async () => {
      const url = `${server.client.url}/function/a`;
      const body = JSON.stringify({ x: new Array(64).fill(1) });
      const response = await fetch(url, { method: "POST", headers: { "dawnlet-late": "refuse" }, body });
      await response.arrayBuffer();
      return response.status;
    };
    expect(await callInTime()).toBe(200);
    await change("a", { deadlineMs: 1e-6 });
    expect(await callInTime()).toBe(504);
    await change("a", { deadlineMs: null });
    expect(await callInTime()).toBe(200);
    // Without a call: what waits is held to it.
    await change("a", { quota: { request: 0.001, limit: 0.001 } });
    const [fn] = server.gateway.backends.dispatcher.cluster.functions.values();
    expect(fn!.spec.quota).toEqual({ request: 0.001, limit: 0.001 });
  });

  test("that are wrong are refused, and change nothing", async () => {
    const { schedule } = await deploy("a", { deadlineMs: 80 });
    const wrong: readonly (readonly [settings: unknown, why: string])[] = [
      [{ pin: 1 }, "pin is wrong"],
      [{ keepAliveMs: -1 }, "keepAliveMs is wrong: expected 0 or more milliseconds"],
      [{ priority: 0.5 }, "priority is wrong: expected a whole number"],
      [{ pinned: true }, "pinned is wrong"],
      [3, "the body is wrong"],
      [{ deadlineMs: 0 }, "deadlineMs is wrong: expected more than 0 milliseconds"],
      [{ deadlineMs: 1e9 }, "deadlineMs is wrong: expected at most 86400000 milliseconds"],
      [{ quota: 0.5 }, "quota is wrong: expected an object with 'request' and 'limit'"],
      [{ quota: { request: 0.5 } }, "quota.limit is wrong: expected an object with 'request' and 'limit'"],
      [{ quota: { request: 0.5, limit: 2 } }, "quota.limit is wrong: expected at most 1"],
      [{ quota: { request: 0.5, limit: 0.2 } }, "quota is wrong: expected a request of at most the limit"],
      [{ deadlineMs: 5, quota: { request: 0, limit: 1 } }, "quota.request is wrong: expected more than 0"],
    ];
    for (const [settings, why] of wrong) {
      const { status, code, error } = await change("a", settings);
      expect([status, code]).toEqual([400, "INVALID_ARGUMENT"]);
      expect(error).toContain(`Cannot change function 'a' as ${why}`);
    }
    expect((await server.client.status("a")).schedule).toEqual(schedule);
    expect((await change("nobody", { pin: true })).status).toBe(404);
    expect((await server.client.status("a")).memory.pin).toBe(false);
    await expect(deploy("b", { keepAliveMs: "long" })).rejects.toThrow("INVALID_BUNDLE");
  });
});

describe("a pinned function", () => {
  test("is there from its deploy on, stays whatever is called, and comes back after a restart", async () => {
    await deploy("p", { pin: true });
    expect(await residents()).toEqual(["p"]);
    for (const name of ["a", "b", "c", "d", "e"]) await deploy(name);
    for (let round = 0; round < 2; round++) for (const name of ["a", "b", "c", "d", "e"]) await call(name);
    expect(await residents()).toContain("p");
    expect((await report()).evictions.counts.room).toBeGreaterThan(3);
    await server.restart();
    await vi.waitFor(async () => expect(await residents()).toEqual(["p"]), 5_000);
  });

  test("comes back by itself when the device process is killed", async () => {
    await deploy("p", { pin: true });
    const { devices } = server.gateway.backends;
    const killed = (await devices.pid())!;
    process.kill(killed, "SIGKILL");
    // Not that nothing is resident: the next process may have the weights before anybody looks.
    await vi.waitFor(async () => {
      const pid = await devices.pid();
      expect(pid).toBeDefined();
      expect(pid).not.toBe(killed);
      expect(await residents()).toEqual(["p"]);
    }, 20_000);
  });

  test("is refused where others have pinned the room, and is then not pinned", async () => {
    for (const name of ["a", "b", "c", "d"]) await deploy(name, { pin: true });
    await deploy("e");
    const { status, code, error } = await change("e", { pin: true });
    expect([status, code]).toEqual([503, "OUT_OF_MEMORY"]);
    expect(error).toContain("pinned");
    expect((await server.client.status("e")).memory.pin).toBe(false);
    await change("a", { pin: false });
    expect((await change("e", { pin: true })).status).toBe(200);
    expect(await residents()).toEqual(["b", "c", "d", "e"]);
  });
});

test("how long functions take to load is known after a restart, before they were swapped in again", async () => {
  const loadMs = async (name: string) =>
    (await report()).residents.find((one) => one.function === name)?.loadMs;
  for (const name of ["a", "b", "c", "d", "e"]) await deploy(name);
  for (let round = 0; round < 2; round++) for (const name of ["a", "b", "c", "d", "e"]) await call(name);
  const [swapped] = (await report()).residents.filter((one) => one.loadMs !== undefined);
  const { swapIns } = await report();
  await deploy("new");
  await call("new");
  await server.restart();
  for (const name of [swapped!.function, "new"]) await call(name);
  expect(await loadMs(swapped!.function)).toBe(swapped!.loadMs);
  // All loads of this one made pipelines too: nothing was measured of it.
  expect((await residents()).includes("new")).toBe(true);
  expect(await loadMs("new")).toBeUndefined();
  expect((await report()).swapIns).toMatchObject({ count: 2, bytesPerSecond: swapIns.bytesPerSecond });
});

test("a function leaves when its keepAlive has ended, and comes back with the same answer", async () => {
  await deploy("a", { keepAliveMs: 300 });
  await deploy("b");
  const before = await call("a");
  await call("b");
  expect((await report()).residents.find((one) => one.function === "a")!.keptUntil).toBeDefined();
  await vi.waitFor(async () => expect(await residents()).toEqual(["b"]), 5_000);
  expect((await report()).evictions.last[0]).toMatchObject({ function: "a", cause: "expired" });
  expect(await call("a")).toEqual(before);
  const metrics = await (await fetch(`${server.client.url}/metrics`)).text();
  // On a slow machine its time may be over again by now.
  expect(metrics).toMatch(/dawnlet_evictions_total\{device="\w+",cause="expired"\} [12]\b/);
  expect(metrics).toMatch(/dawnlet_swap_ins_total\{device="\w+"\} 3\b/);
});

test("a function of lower priority leaves first", async () => {
  for (const [i, name] of ["a", "b", "c", "d"].entries()) {
    await deploy(name, { priority: i === 2 ? -1 : 0 });
    await call(name);
  }
  expect(await residents()).toEqual(["a", "b", "c", "d"]);
  await deploy("e");
  await call("e");
  expect(await residents()).toEqual(["a", "b", "d", "e"]);
});

test("a function that can never fit is refused with what there is and what it needs", async () => {
  await server.client.mustDeploy("huge", matrixBundle(1, 6 * 4096));
  await expect(call("huge")).rejects.toThrow(/503 OUT_OF_MEMORY: .* 6\.0 MiB/);
});
