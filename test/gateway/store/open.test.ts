import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openStore } from "../../../gateway/store/store.ts";
import { FaultyFiles } from "./faulty-files.ts";
import { endedPid, idleProcess, ownPid, temporaryFolder } from "./folders.ts";
import { ForgetfulFiles, systemError } from "./forgetful-files.ts";

describe("openStore()", () => {
  it("empties what an earlier gateway was writing, and keeps the rest", async () => {
    await using folder = await temporaryFolder();
    await mkdir(join(folder.path, "tmp", "unpacked"), { recursive: true });
    await writeFile(join(folder.path, "tmp", "half"), "x");
    await writeFile(join(folder.path, "tmp", "unpacked", "model.onnx"), "x");
    await writeFile(join(folder.path, "README"), "mine");
    await using _store = await openStore(folder.path, { pid: ownPid });
    expect(await readdir(join(folder.path, "tmp"))).toEqual([]);
    expect(await readdir(folder.path)).toContain("README");
  });

  it("makes work folders that vanish with their work", async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    {
      await using work = await store.makeWorkFolder();
      await writeFile(join(work.path, "file"), "x");
      expect(await readdir(join(folder.path, "tmp"))).toHaveLength(1);
    }
    expect(await readdir(join(folder.path, "tmp"))).toEqual([]);
  });

  it("refuses a place where a file lies", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "data");
    await writeFile(path, "x");
    await expect(openStore(path, { pid: ownPid })).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: `Cannot open the store in '${path}' as a file is in the place of a folder: remove it, or start the gateway with another data folder`,
    });
  });

  it.each([
    ["EACCES", "may not read or write it"],
    ["EROFS", "mounted read-only"],
    ["ENOSPC", "disk is full"],
    ["EDQUOT", "quota"],
    ["EMFILE", "too many files are open"],
    ["EIO", "the file system answered EIO"],
  ])("names the folder and what to do where the disk answers %s", async (code, explanation) => {
    const files = new FaultyFiles(new ForgetfulFiles());
    // The second operation after the folder itself: the lock.
    files.arm({ type: "once", error: systemError(code) }, 2);
    await expect(openStore("/data", { pid: ownPid, files })).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringMatching(`Cannot open the store in '/data' as .*${explanation}`),
    });
    // Control: the lock was given up, so that the next try finds the folder free.
    await using _store = await openStore("/data", { pid: ownPid, files });
  });
});

describe("the lock of a data folder", () => {
  const locks = async (path: string) => (await readdir(path)).filter((name) => name.startsWith("lock."));

  it("keeps a second gateway out, and lets it in once the first has closed", async () => {
    await using folder = await temporaryFolder();
    using other = idleProcess();
    const first = await openStore(folder.path, { pid: other.pid });
    await expect(openStore(folder.path, { pid: ownPid })).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining(`as process ${other.pid} on '`),
    });
    expect(await locks(folder.path)).toHaveLength(1);
    await first[Symbol.asyncDispose]();
    expect(await locks(folder.path)).toEqual([]);
    await using _second = await openStore(folder.path, { pid: ownPid });
  });

  it("keeps the same process out, too", async () => {
    await using folder = await temporaryFolder();
    await using _first = await openStore(folder.path, { pid: ownPid });
    await expect(openStore(folder.path, { pid: ownPid })).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  it("is taken over from a process that has ended", async () => {
    await using folder = await temporaryFolder();
    await openStore(folder.path, { pid: endedPid() });
    await using _second = await openStore(folder.path, { pid: ownPid });
    expect(await locks(folder.path)).toHaveLength(1);
  });

  it("is taken over when its process id belongs to another process now", async () => {
    await using folder = await temporaryFolder();
    const lock = { pid: ownPid, host: hostname(), startedAt: "another-boot 1" };
    await writeFile(join(folder.path, "lock.old"), JSON.stringify(lock));
    await using _store = await openStore(folder.path, { pid: ownPid });
    expect(await locks(folder.path)).not.toContain("lock.old");
  });

  it("of another host holds while it is fresh, and not for longer", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "lock.far");
    await writeFile(path, JSON.stringify({ pid: 1, host: "elsewhere.invalid", startedAt: "" }));
    await expect(openStore(folder.path, { pid: ownPid })).rejects.toMatchObject({
      message: expect.stringContaining("on 'elsewhere.invalid'"),
    });
    const aMinuteAgo = new Date(Date.now() - 60_000);
    await utimes(path, aMinuteAgo, aMinuteAgo);
    await using _store = await openStore(folder.path, { pid: ownPid });
  });

  it.each(["", "{", "[]", '{"pid":"1"}'])("that nobody can read counts for nothing: %j", async (content) => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, "lock.torn"), content);
    await using _store = await openStore(folder.path, { pid: ownPid });
  });

  it("is never held twice when many come at once", async () => {
    await using folder = await temporaryFolder();
    for (let round = 0; round < 10; round++) {
      const openings = Array.from({ length: 5 }, () => openStore(folder.path, { pid: ownPid }));
      const settled = await Promise.allSettled(openings);
      const stores = settled.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
      expect(stores.length).toBeLessThanOrEqual(1);
      for (const store of stores) await store[Symbol.asyncDispose]();
    }
    await using _store = await openStore(folder.path, { pid: ownPid });
  });
});
