/** The file of a schedule log: what is in it, when it ends, and what it does not hold up. */
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ScheduleLog } from "../../../gateway/dispatch/schedule-log.ts";
import type { Files, FileWriter } from "../../../gateway/store/files.ts";
import { DawnletError } from "../../../kernels/errors.ts";
import { temporaryFolder } from "../cli/run-cli.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let warnings: LogRecord[];

beforeEach(async () => {
  folder = await temporaryFolder();
  warnings = [];
  await configure({
    reset: true,
    sinks: { warnings: (record) => void warnings.push(record) },
    loggers: [
      { category: ["dawnlet"], sinks: ["warnings"], lowestLevel: "warning" },
      { category: ["logtape", "meta"], sinks: [] },
    ],
  });
});
afterEach(async () => {
  await reset();
  await folder[Symbol.asyncDispose]();
});

const warned = () => warnings.map(({ message }) => message.join(""));
const line = (text: string) => `{"now":1,"event":${JSON.stringify(text)}}\n`;
const stoppedLine = '{"end":"stopped"}\n';

describe("the file of a schedule log", () => {
  test("has the lines in their order and an end, and nobody else can read it", async () => {
    const path = join(folder.path, "schedule.log");
    const log = await ScheduleLog.create({ path });
    const lines = Array.from({ length: 5_000 }, (_, i) => line(`é${i}`));
    for (const [i, one] of lines.entries()) {
      log.sink(one);
      if (i % 1_000 === 0) await new Promise((resolve) => setTimeout(resolve, 25));
    }
    await log.close();
    expect(await readFile(path, "utf8")).toBe(lines.join("") + stoppedLine);
    if (process.platform !== "win32") expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(warned()).toEqual([]);
  });

  test("has a line soon after it came: a crash costs little", async () => {
    const path = join(folder.path, "schedule.log");
    await using log = await ScheduleLog.create({ path });
    log.sink(line("first"));
    await vi.waitFor(async () => expect(await readFile(path, "utf8")).toBe(line("first")));
    log.sink(line("second"));
    await vi.waitFor(async () => expect(await readFile(path, "utf8")).toBe(line("first") + line("second")));
  });

  test("is not one that exists, which stays as it is", async () => {
    const path = join(folder.path, "schedule.log");
    await writeFile(path, "of before");
    await expect(ScheduleLog.create({ path })).rejects.toThrow(
      new DawnletError(
        "INVALID_ARGUMENT",
        `Cannot log the schedule to '${path}' as there is such a file: name another, as a log begins with its gateway`,
      ),
    );
    expect(await readFile(path, "utf8")).toBe("of before");
  });

  test("is refused where it cannot be made", async () => {
    const path = join(folder.path, "none", "schedule.log");
    await expect(ScheduleLog.create({ path })).rejects.toThrow("as it cannot be made: ENOENT");
  });

  test("ends whole within its limit, and says that it is full", async () => {
    const path = join(folder.path, "schedule.log");
    const log = await ScheduleLog.create({ path, maxBytes: 1_000 });
    for (let i = 0; i < 100; i++) log.sink(line(`${i}`));
    await log.close();
    const lines = (await readFile(path, "utf8")).split("\n");
    expect((await stat(path)).size).toBeLessThanOrEqual(1_000);
    expect(lines.slice(-2)).toEqual(['{"end":"full"}', ""]);
    expect(lines.slice(0, -2)).toEqual(
      Array.from({ length: lines.length - 2 }, (_, i) => line(`${i}`).trimEnd()),
    );
    expect(lines.length).toBeGreaterThan(20);
    expect(warned()).toEqual([`the schedule is logged no more as ${path} may have 1000 B`]);
  });

  test("has its first line whatever the limit", async () => {
    const path = join(folder.path, "schedule.log");
    const log = await ScheduleLog.create({ path, maxBytes: 1 });
    log.sink(line("header"));
    log.sink(line("event"));
    await log.close();
    expect(await readFile(path, "utf8")).toBe(`${line("header")}{"end":"full"}\n`);
  });
});

/** A file of which the writes wait until they are let go. */
function slowFile() {
  const written: string[] = [];
  let isClosed = false;
  const released = Promise.withResolvers<void>();
  let failure: Error | undefined;
  const file: FileWriter = {
    write: async (bytes) => {
      await released.promise;
      const error = failure;
      failure = undefined;
      if (error !== undefined) throw error;
      written.push(new TextDecoder().decode(bytes));
    },
    seal: async () => {},
    sync: async () => {},
    close: async () => {
      isClosed = true;
    },
  };
  const files: Pick<Files, "create"> = { create: async () => file };
  return {
    ...{ files, written },
    isClosed: () => isClosed,
    letGo: () => released.resolve(),
    failOnce: (error: Error) => {
      failure = error;
      released.resolve();
    },
  };
}

describe("a disk", () => {
  test("that is too slow ends the log, and what waits for it takes no more memory", async () => {
    const disk = slowFile();
    const log = await ScheduleLog.create({ path: "schedule.log", files: disk.files });
    const mebibyte = line("x".repeat(2 ** 20));
    for (let i = 0; i < 40; i++) log.sink(mebibyte);
    disk.letGo();
    await log.close();
    const text = disk.written.join("");
    expect(text.length).toBeLessThan(17 * 2 ** 20);
    expect(text.length).toBeGreaterThan(14 * 2 ** 20);
    expect(text.endsWith('}\n{"end":"behind"}\n')).toBe(true);
    expect(warned()).toEqual(["the schedule is logged no more as the disk of schedule.log is too slow"]);
    expect(disk.isClosed()).toBe(true);
  });

  test("that is full ends the log with one warning, and nobody hears of it who sends lines", async () => {
    const disk = slowFile();
    const log = await ScheduleLog.create({ path: "schedule.log", files: disk.files });
    log.sink(line("first"));
    disk.failOnce(Object.assign(new Error("no space left"), { code: "ENOSPC" }));
    await vi.waitFor(() =>
      expect(warned()).toEqual(["the schedule is logged no more as schedule.log cannot be written: ENOSPC"]),
    );
    log.sink(line("second"));
    await log.close();
    expect(disk.written).toEqual([]);
    expect(warnings).toHaveLength(1);
    expect(disk.isClosed()).toBe(true);
  });
});
