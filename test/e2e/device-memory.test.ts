/** How functions are kept in device memory: pinned, for a time, by priority; over HTTP, on a real device. */
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

  test("that are wrong are refused, and change nothing", async () => {
    await deploy("a");
    for (const settings of [{ pin: 1 }, { keepAliveMs: -1 }, { priority: 0.5 }, { pinned: true }, 3]) {
      const { status, code } = await change("a", settings);
      expect([status, code]).toEqual([400, "INVALID_ARGUMENT"]);
    }
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
