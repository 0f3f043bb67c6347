import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { unknownFunction } from "../../../gateway/functions/name-errors.ts";
import { checkSecretKey, maxSecretBytes, Secrets } from "../../../gateway/functions/secrets.ts";
import { openStore, type Store } from "../../../gateway/store/store.ts";
import { ownPid, temporaryFolder } from "../store/folders.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let store: Store;
let secrets: Secrets;
/** Deployed functions and whose they are. */
let tenants: Map<string, string | undefined>;
let now: Date;

beforeEach(async () => {
  folder = await temporaryFolder();
  tenants = new Map([["f", undefined]]);
  now = new Date("2026-01-01T00:00:00.000Z");
  await open();
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function open(): Promise<void> {
  store = await openStore(folder.path, { pid: ownPid });
  const tenantOf = (name: string) => {
    if (!tenants.has(name)) throw unknownFunction(name);
    return tenants.get(name);
  };
  const change = async <T>(name: string, work: () => Promise<T>) => {
    tenantOf(name);
    return work();
  };
  secrets = new Secrets({ records: store.records, tenantOf, change, now: () => now });
}

const path = () => join(folder.path, "secrets", "f.json");
const valuesOf = async (name: string, tenant?: string) => Object.fromEntries(await secrets.of(name, tenant));

describe("Secrets", () => {
  it("are set, replaced, listed without their values, and removed", async () => {
    expect(await valuesOf("f")).toEqual({});
    await secrets.set("f", "KEY", "one");
    now = new Date("2026-01-02T00:00:00.000Z");
    await secrets.set("f", "A_KEY", "\ufefftwo\0\n");
    expect(await valuesOf("f")).toEqual({ KEY: "one", A_KEY: "\ufefftwo\0\n" });
    expect(await secrets.names("f")).toEqual([
      { name: "A_KEY", setAt: "2026-01-02T00:00:00.000Z" },
      { name: "KEY", setAt: "2026-01-01T00:00:00.000Z" },
    ]);
    await secrets.set("f", "KEY", "three");
    expect(await valuesOf("f")).toEqual({ KEY: "three", A_KEY: "\ufefftwo\0\n" });
    await secrets.remove("f", "KEY");
    expect(await valuesOf("f")).toEqual({ A_KEY: "\ufefftwo\0\n" });
    await expect(secrets.remove("f", "KEY")).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: "Function 'f' has no secret 'KEY'",
    });
  });

  it("survive a restart, in a file that nobody else may read", async () => {
    await secrets.set("f", "KEY", "value");
    await store[Symbol.asyncDispose]();
    await open();
    expect(await valuesOf("f")).toEqual({ KEY: "value" });
    expect((await stat(path())).mode & 0o777).toBe(0o600);
    await secrets.set("f", "KEY", "other");
    expect((await stat(path())).mode & 0o777).toBe(0o600);
  });

  it("are gone with their function", async () => {
    await secrets.set("f", "KEY", "value");
    await secrets.forget("f");
    expect(await valuesOf("f")).toEqual({});
    expect(await readdir(join(folder.path, "secrets"))).toEqual([]);
    await secrets.forget("f");
  });

  it("cannot be set for what is not deployed", async () => {
    const unknown = { code: "NOT_FOUND", message: "There is no function 'g'" };
    await expect(secrets.set("g", "KEY", "value")).rejects.toMatchObject(unknown);
    await expect(secrets.names("g")).rejects.toMatchObject(unknown);
    await expect(secrets.remove("g", "KEY")).rejects.toMatchObject(unknown);
  });

  it("are not those of whoever gets the name next", async () => {
    await secrets.set("f", "KEY", "value");
    tenants.set("f", "acme");
    expect(await secrets.names("f")).toEqual([]);
    expect(await valuesOf("f", "acme")).toEqual({});
    // A version of the one before that still answers calls.
    expect(await valuesOf("f")).toEqual({ KEY: "value" });
    await expect(secrets.remove("f", "KEY")).rejects.toMatchObject({ code: "NOT_FOUND" });
    await secrets.set("f", "OTHER", "acme's");
    expect(await valuesOf("f", "acme")).toEqual({ OTHER: "acme's" });
    expect(await valuesOf("f")).toEqual({});
    expect(await readFile(path(), "utf8")).not.toContain('value"\n');
  });

  it("are at most 64 of 64 KiB each, and not empty", async () => {
    const refused = async (key: string, value: string, message: RegExp) => {
      const error = await secrets.set("f", key, value).catch((error: Error) => error);
      expect(error).toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringMatching(message) });
    };
    const largest = "ü".repeat(maxSecretBytes / 2);
    await secrets.set("f", "K0", largest);
    expect((await secrets.of("f")).get("K0")).toBe(largest);
    await refused(
      "K0",
      `${largest}x`,
      /^Cannot set secret 'K0' of function 'f' as its value has more than 65536 bytes$/,
    );
    await refused("K1", "", /its value is empty/);
    for (let i = 1; i < 64; i++) await secrets.set("f", `K${i}`, "x");
    await refused("K64", "x", /it has 64 already: remove one first/);
    await secrets.set("f", "K63", "other");
    await secrets.remove("f", "K0");
    await secrets.set("f", "K64", "x");
    expect(await secrets.names("f")).toHaveLength(64);
  });

  it.each([
    "no json: s3cret",
    '{"format": 1, "secrets": [{"name": "KEY", "value": ["s3cret"]}]}',
    '{"format": 2}',
  ])("whose record is damaged (%s) can be set again, and their record is never quoted", async (content) => {
    await mkdir(join(folder.path, "secrets"), { recursive: true });
    await writeFile(path(), content);
    for (const read of [() => secrets.of("f"), () => secrets.names("f"), () => secrets.remove("f", "KEY")]) {
      const error = await read().catch((error: Error) => error);
      expect(error).toMatchObject({ code: "CORRUPT_DATA" });
      expect(error).not.toHaveProperty("cause");
      expect(String(error)).not.toContain("s3cret");
    }
    await secrets.set("f", "KEY", "value");
    expect(await valuesOf("f")).toEqual({ KEY: "value" });
    expect(store.damage).toMatchObject([{ path: "secrets/f.json", reason: "it is no record of secrets" }]);
  });
});

describe("checkSecretKey()", () => {
  it.each(["K", "a", "_", "$", "API_KEY_2", "toString", "x".repeat(128)])("takes '%s'", (key) => {
    expect(() => checkSecretKey(key)).not.toThrow();
  });

  it.each([
    "",
    "2K",
    "a-b",
    "a b",
    "a.b",
    "ü",
    "a/b",
    "K\n",
    "__proto__",
    "constructor",
    "prototype",
    "x".repeat(129),
  ])("refuses %j", (key) => {
    expect(() => checkSecretKey(key)).toThrow(/as a secret's name/);
  });
});
