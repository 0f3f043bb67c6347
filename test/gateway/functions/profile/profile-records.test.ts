import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ProfileRecords } from "../../../../gateway/functions/profile/profile-records.ts";
import type { MeasuredProfile } from "../../../../gateway/scheduler/profile/measured-profile.ts";
import { openStore, type Store } from "../../../../gateway/store/store.ts";
import { measured } from "../../scheduler/profile/measured.ts";
import { ownPid, temporaryFolder } from "../../store/folders.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let store: Store;
let records: ProfileRecords;
let logged: LogRecord[];

beforeEach(async () => {
  folder = await temporaryFolder();
  store = await openStore(folder.path, { pid: ownPid });
  records = new ProfileRecords(store.records);
  logged = [];
  await configure({
    sinks: { memory: (record) => logged.push(record) },
    loggers: [
      { category: ["dawnlet"], sinks: ["memory"], lowestLevel: "trace" },
      { category: ["logtape", "meta"], lowestLevel: "error" },
    ],
  });
});
afterEach(async () => {
  await reset();
  await store[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const keyOf = (profile: MeasuredProfile) => ({ ...profile, name: profile.function });
const other = { ...measured(), digest: "cd".repeat(32) };

describe("profiles", () => {
  test("are kept by function, version and class of device", async () => {
    const elsewhere = { ...measured(), class: "fedcba9876543210", device: "Another GPU" };
    for (const profile of [measured(), other, elsewhere, measured("f")]) await records.write(profile);
    for (const profile of [measured(), other, elsewhere, measured("f")])
      expect(await records.read(keyOf(profile))).toEqual(profile);
    expect(await records.read({ ...keyOf(measured()), name: "g" })).toBeUndefined();
    await records.write({ ...measured(), notes: ["again"] });
    expect((await records.read(keyOf(measured())))?.notes).toEqual(["again"]);
  });

  test("go with the versions that are not kept, and with the function", async () => {
    for (const profile of [measured(), other, measured("f")]) await records.write(profile);
    await records.retain("resnet50", new Set([other.digest]));
    expect(await records.read(keyOf(measured()))).toBeUndefined();
    expect(await records.read(keyOf(other))).toEqual(other);
    await records.forget("resnet50");
    expect(await records.read(keyOf(other))).toBeUndefined();
    expect(await records.read(keyOf(measured("f")))).toBeDefined();
    // Those that never had one.
    await records.retain("nothing", new Set());
    await records.forget("nothing");
    expect(store.damage).toEqual([]);
  });

  test.each([
    ["is no JSON", () => "{", /JSON/],
    ["is no profile", () => '{"format": 1}', /function/],
    ["is of another version", (text: string) => text.replaceAll("abab", "cdcd"), /another function, version/],
  ])("are ignored where the record %s, which the log says", async (_, damage, reason) => {
    await records.write(measured());
    const path = join(folder.path, "profiles", "resnet50");
    const [file] = await readdir(path);
    const text = await readFile(join(path, file!), "utf8");
    await writeFile(join(path, file!), damage(text));
    expect(await records.read(keyOf(measured()))).toBeUndefined();
    expect(logged.map(({ level, properties }) => [level, properties.reason])).toEqual([
      ["warning", expect.stringMatching(reason)],
    ]);
    await records.write(measured());
    expect(await records.read(keyOf(measured()))).toEqual(measured());
  });
});
