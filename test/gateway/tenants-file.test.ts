import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseTenants, readTenants } from "../../gateway/tenants-file.ts";
import { DawnletError } from "../../kernels/errors.ts";

const secret = "s3cr3t-s3cr3t-s3cr3t";
const acme = { name: "acme", token: `${secret}-acme` };
const beta = { name: "Beta_2-x", token: `${secret}-beta` };
const fileOf = (...tenants: unknown[]) => JSON.stringify({ tenants });

describe("parseTenants()", () => {
  it("gives names and tokens", () => {
    expect(parseTenants(fileOf(acme, beta), `${secret}-op`)).toEqual([acme, beta]);
    expect(parseTenants(fileOf({ name: "x".repeat(128), token: "!".repeat(16) }))).toHaveLength(1);
    const more = { weight: 2.5, timeLimitMs: 30_000, storageBytes: 2 ** 20 };
    expect(parseTenants(fileOf({ ...acme, ...more }))).toEqual([{ ...acme, ...more }]);
  });

  it.each([
    ["a name with a dot", fileOf({ ...acme, name: "a.b" }), /^tenants\.0\.name is wrong: expected 1 to 128/],
    ["an empty name", fileOf({ ...acme, name: "" }), /^tenants\.0\.name is wrong/],
    ["a long name", fileOf({ ...acme, name: "x".repeat(129) }), /^tenants\.0\.name is wrong/],
    ["a short token", fileOf(beta, { ...acme, token: "s3cr3t-s3cr3t-s" }), /^tenants\.1\.token is wrong/],
    [
      "a token that no header takes",
      fileOf({ ...acme, token: `${secret} ü` }),
      /^tenants\.0\.token is wrong/,
    ],
    [
      "a token that is no text",
      fileOf({ ...acme, token: 7 }),
      /^tenants\.0\.token is wrong: expected a text/,
    ],
    ["no token", fileOf({ name: "acme" }), /^tenants\.0\.token is wrong/],
    ["another key", fileOf({ ...acme, [secret]: 1 }), /^tenants\.0 is wrong: .* and nothing else$/],
    ["no weight at all", fileOf({ ...acme, weight: 0 }), /^tenants\.0\.weight is wrong: expected 0\.01 at/],
    [
      "too much weight",
      fileOf({ ...acme, weight: 101 }),
      /^tenants\.0\.weight is wrong: expected 100 at most/,
    ],
    [
      "a time limit beyond anybody's",
      fileOf({ ...acme, timeLimitMs: 600_001 }),
      /^tenants\.0\.timeLimitMs is wrong: expected at most 600000 milliseconds/,
    ],
    ["no time at all", fileOf({ ...acme, timeLimitMs: 0 }), /^tenants\.0\.timeLimitMs is wrong/],
    ["a weight that is no number", fileOf({ ...acme, weight: "2" }), /^tenants\.0\.weight is wrong/],
    [
      "hardly any storage",
      fileOf({ ...acme, storageBytes: 2 ** 20 - 1 }),
      /^tenants\.0\.storageBytes is wrong: expected 1048576 at least/,
    ],
    [
      "a part of a byte",
      fileOf({ ...acme, storageBytes: 2 ** 20 + 0.5 }),
      /^tenants\.0\.storageBytes is wrong: expected whole bytes/,
    ],
    ["a tenant that is no object", fileOf(secret), /^tenants\.0 is wrong/],
    ["another key beside them", JSON.stringify({ tenants: [acme], [secret]: 1 }), /^the file is wrong/],
    ["no tenants", fileOf(), /^tenants is wrong: expected one at least/],
    ["a list alone", JSON.stringify([acme]), /is wrong: expected an object with 'tenants'/],
    ["no JSON", `{"tenants": [{"token": ${secret}}]}`, /^it is no JSON/],
    [
      "a name twice",
      fileOf(acme, { ...beta, name: "acme" }),
      /^tenants\.0 and tenants\.1 have the same name/,
    ],
    [
      "a token twice",
      fileOf(acme, { ...beta, token: acme.token }),
      /token of tenants\.1 is that of tenants\.0/,
    ],
  ])("refuses %s, and quotes no token", (_, content, message) => {
    expect(() => parseTenants(content)).toThrow(message);
    expect(() => parseTenants(content)).not.toThrow(secret);
  });

  it("refuses a tenant with the operator's token", () => {
    expect(() => parseTenants(fileOf(beta, acme), acme.token)).toThrow(
      "the token of tenants.1 is the operator's as well",
    );
  });
});

describe("readTenants()", () => {
  let folder: string;
  let warnings: LogRecord[];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "dawnlet-test-"));
    warnings = [];
    await configure({
      sinks: { memory: (record) => warnings.push(record) },
      loggers: [
        { category: ["dawnlet"], sinks: ["memory"], lowestLevel: "warning" },
        { category: ["logtape", "meta"], lowestLevel: "error" },
      ],
    });
  });
  afterEach(async () => {
    await reset();
    await rm(folder, { recursive: true });
  });

  it("reads a file, and warns where others may read it", async () => {
    const path = join(folder, "tenants.json");
    const system = process.platform;
    await writeFile(path, fileOf(acme), { mode: 0o600 });
    expect(await readTenants(path, { system })).toEqual([acme]);
    expect(warnings).toEqual([]);
    await chmod(path, 0o640);
    expect(await readTenants(path, { system })).toEqual([acme]);
    expect(warnings.map(({ level, properties }) => [level, properties])).toEqual([["warning", { path }]]);
    await readTenants(path, { system: "win32" });
    expect(warnings).toHaveLength(1);
  });

  it("names the file in what it refuses", async () => {
    const path = join(folder, "tenants.json");
    const refusal = () => readTenants(path, { system: "linux", token: acme.token }).catch((error) => error);
    expect(await refusal()).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("ENOENT"),
    });
    await writeFile(path, fileOf(acme), { mode: 0o600 });
    const error: unknown = await refusal();
    expect(error).toBeInstanceOf(DawnletError);
    expect(error).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: `Cannot read the tenants of '${path}' as the token of tenants.0 is the operator's as well`,
    });
  });
});
