import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openStore } from "../../../gateway/store/store.ts";
import { ownPid, temporaryFolder } from "./folders.ts";

interface Version {
  readonly digest: string;
}

function parseVersion(value: unknown): Version {
  if (typeof value === "object" && value !== null && "digest" in value && typeof value.digest === "string") {
    return { digest: value.digest };
  }
  throw new TypeError("it has no digest");
}

describe("FunctionRecords", () => {
  it("keeps versions and which of them is current over a restart", async () => {
    await using folder = await temporaryFolder();
    {
      await using store = await openStore(folder.path, { pid: ownPid });
      for (const version of [1, 2, 10]) {
        await store.functions.writeVersion("saxpy", version, { digest: `d${version}` });
      }
      await store.functions.setCurrent("saxpy", 2);
      await store.functions.writeVersion("other", 1, { digest: "o" });
    }
    await using store = await openStore(folder.path, { pid: ownPid });
    expect(await store.functions.names()).toEqual(["other", "saxpy"]);
    expect(await store.functions.read("saxpy", parseVersion)).toEqual({
      name: "saxpy",
      current: 2,
      versions: [
        { version: 1, record: { digest: "d1" } },
        { version: 2, record: { digest: "d2" } },
        { version: 10, record: { digest: "d10" } },
      ],
    });
    expect((await store.functions.read("other", parseVersion))?.current).toBeUndefined();
    expect(await store.functions.read("unknown", parseVersion)).toBeUndefined();
    expect(store.damage).toEqual([]);
  });

  it("removes one version, or a function with all of them", async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    await store.functions.writeVersion("f", 1, { digest: "a" });
    await store.functions.writeVersion("f", 2, { digest: "b" });
    await store.functions.removeVersion("f", 1);
    await store.functions.removeVersion("f", 7);
    await store.functions.removeVersion("nobody", 1);
    expect((await store.functions.read("f", parseVersion))?.versions.map(({ version }) => version)).toEqual([
      2,
    ]);
    await store.functions.remove("f");
    await store.functions.remove("f");
    expect(await store.functions.names()).toEqual([]);
    expect(await readdir(join(folder.path, "tmp"))).toEqual([]);
  });

  it("moves damaged records aside, says why, and reads the others", async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    for (const version of [1, 2, 3]) await store.functions.writeVersion("f", version, { digest: "d" });
    await store.functions.setCurrent("f", 2);
    const at = join(folder.path, "functions", "f");
    await writeFile(join(at, "2.json"), '{"digest": "d');
    await writeFile(join(at, "3.json"), '{"of another": "format"}');
    await writeFile(join(at, "notes.txt"), "hello");
    await writeFile(join(at, "latest.json"), "{}");
    await mkdir(join(folder.path, "functions", ".hidden"));

    expect(await store.functions.names()).toEqual(["f"]);
    expect(await store.functions.read("f", parseVersion)).toEqual({
      name: "f",
      current: undefined,
      versions: [{ version: 1, record: { digest: "d" } }],
    });
    expect(new Map(store.damage.map(({ path, reason }) => [path, reason]))).toEqual(
      new Map([
        ["functions/.hidden", "it is no record of Dawnlet"],
        ["functions/f/2.json", expect.stringContaining("JSON")],
        ["functions/f/3.json", "it has no digest"],
        ["functions/f/notes.txt", "it is no record of Dawnlet"],
        ["functions/f/latest.json", "its name is no version number"],
      ]),
    );
    // Nothing is lost: what was moved is there, and is not found damaged a second time.
    for (const { path, movedTo } of store.damage) {
      expect(movedTo).toMatch(/^damaged\//);
      if (path.endsWith("2.json")) {
        expect(await readFile(join(folder.path, movedTo!), "utf8")).toBe('{"digest": "d');
      }
    }
    await store.functions.read("f", parseVersion);
    expect(store.damage.length).toBe(5);
  });

  it("takes the name of the current version for damaged when it is", async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    await store.functions.writeVersion("f", 1, { digest: "a" });
    await writeFile(join(folder.path, "functions", "f", "current.json"), '{"version":"1"}');
    expect((await store.functions.read("f", parseVersion))?.current).toBeUndefined();
    expect(store.damage[0]).toMatchObject({
      path: "functions/f/current.json",
      reason: "it names no version",
    });
  });

  it.each(["", ".", "..", ".hidden", "a/b", "../x", "a\\b", "a\0b", "é", "a b", "x".repeat(129)])(
    "refuses the name %j, which must not become a path",
    async (name) => {
      await using folder = await temporaryFolder();
      await using store = await openStore(folder.path, { pid: ownPid });
      const refusal = { code: "INVALID_ARGUMENT", message: /1 to 128 of the characters/ };
      await expect(store.functions.writeVersion(name, 1, {})).rejects.toMatchObject(refusal);
      await expect(store.functions.setCurrent(name, 1)).rejects.toMatchObject(refusal);
      await expect(store.functions.read(name, parseVersion)).rejects.toMatchObject(refusal);
      await expect(store.functions.remove(name)).rejects.toMatchObject(refusal);
      await expect(store.functions.removeVersion(name, 1)).rejects.toMatchObject(refusal);
    },
  );

  it.each(["a", "A-b_c.9", "_", "-", "x".repeat(128), "current", "con"])(
    "takes the name %j",
    async (name) => {
      await using folder = await temporaryFolder();
      await using store = await openStore(folder.path, { pid: ownPid });
      await store.functions.writeVersion(name, 1, { digest: "d" });
      expect(await store.functions.names()).toEqual([name]);
      expect((await store.functions.read(name, parseVersion))?.versions.length).toBe(1);
    },
  );

  it.each([0, -1, 1.5, Number.NaN, 1e21])("refuses %d as a version", async (version) => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    await expect(store.functions.writeVersion("f", version, {})).rejects.toThrow(RangeError);
  });
});

describe("Records", () => {
  it("replaces a record as a whole", async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    const identity = (value: unknown) => value;
    await store.records.write(["estimates"], { a: "x".repeat(1000) });
    await store.records.write(["estimates"], { b: 1 });
    expect(await store.records.read(["estimates"], identity)).toEqual({ b: 1 });
    await store.records.remove(["estimates"]);
    expect(await store.records.read(["estimates"], identity)).toBeUndefined();
  });

  it("keeps out of the folders that hold something else", async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    await expect(store.records.write(["blobs", "x"], 1)).rejects.toThrow(RangeError);
    await expect(store.records.write(["tmp", "x"], 1)).rejects.toThrow(RangeError);
    await store.records.write(["statistics", "x"], 1);
  });
});
