import { existsSync } from "node:fs";
import process from "node:process";
import { expect, test } from "vitest";
import { platform } from "#platform";
import { parsePs, parseStat } from "../../../runtime/platform/posix-usage.ts";

const echo = new URL("./children/echo.ts", import.meta.url);
const isLinux = existsSync("/proc/self/stat");

test("`processUsage()` counts processor time of this process as it is spent", async () => {
  const before = (await platform.processUsage(process.pid))!;
  const begun = process.cpuUsage();
  while (spentMs(begun) < 300);
  const after = (await platform.processUsage(process.pid))!;
  // Both clocks are read at slightly different moments, and one has steps of 10 ms for each of two sums.
  expect(after.cpuMs - before.cpuMs).toBeGreaterThanOrEqual(280);
  expect(after.cpuMs - before.cpuMs).toBeLessThanOrEqual(spentMs(begun) + 40);
});

test("the time of threads counts, also when they have ended", async () => {
  const before = (await platform.processUsage(process.pid))!;
  const worker = platform.spawnWorker(new URL("./children/busy-thread.ts", import.meta.url));
  await new Promise((resolve) => worker.messagePort.addEventListener("close", resolve));
  const after = (await platform.processUsage(process.pid))!;
  expect(after.cpuMs - before.cpuMs).toBeGreaterThanOrEqual(280);
});

test("memory that a process takes is resident", async () => {
  const before = (await platform.processUsage(process.pid))!;
  expect(before.residentBytes).toBeGreaterThan(8 * 2 ** 20);
  const taken = new Uint8Array(128 * 2 ** 20).fill(1);
  const after = (await platform.processUsage(process.pid))!;
  expect(after.residentBytes - before.residentBytes).toBeGreaterThan(100 * 2 ** 20);
  expect(after.ownBytes - before.ownBytes).toBeGreaterThan(100 * 2 ** 20);
  expect(taken.at(-1)).toBe(1);
  if (isLinux) expect(after.ownBytes).toBeLessThan(after.residentBytes - 2 ** 20);
  if (isLinux) expect(Math.abs(after.residentBytes / process.memoryUsage.rss() - 1)).toBeLessThan(0.05);
});

test("another process answers while it runs, and nothing does when it is gone", async () => {
  const child = await platform.spawnProcess(echo, { name: "echo" });
  const usage = (await platform.processUsage(child.pid))!;
  expect(usage.residentBytes).toBeGreaterThan(2 ** 20);
  expect(usage.cpuMs).toBeGreaterThan(0);
  await child.stop();
  expect(await platform.processUsage(child.pid)).toBeUndefined();
});

test.each([0, -1, 2 ** 31, 1.5, Number.NaN])("no process has the number %s", async (pid) => {
  expect(await platform.processUsage(pid)).toBeUndefined();
});

test("the line of /proc is read whatever the program is called; a process that only waits to be asked is gone", () => {
  const rest = "1 2 3 0 -1 4194560 100 0 0 0 12 30 5 6 20 0 11";
  expect(parseStat(`77 (a) R (b c) S ${rest}`)).toBe(420);
  expect(parseStat(`77 (node) R ${rest}`)).toBe(420);
  expect(parseStat(`77 (node) Z ${rest}`)).toBeUndefined();
});

test("lines of `ps` are read in the forms of all systems", () => {
  const usage = (cpuMs: number) => ({ cpuMs, residentBytes: 2048 * 1024, ownBytes: 2048 * 1024 });
  expect(parsePs("  2048 00:00:05\n")).toEqual(usage(5_000));
  expect(parsePs("2048   0:05.25\n")).toEqual(usage(5_250));
  expect(parsePs("2048 01:02:03")).toEqual(usage(3_723_000));
  expect(parsePs("2048 2-01:02:03")).toEqual(usage(176_523_000));
  expect(parsePs("\n")).toBeUndefined();
  expect(parsePs("2048 ?")).toBeUndefined();
});

function spentMs(begun: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1000;
}
