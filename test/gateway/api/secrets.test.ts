import { configure, type LogRecord, reset } from "@logtape/logtape";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createApp } from "../../../gateway/app.ts";
import { Secrets } from "../../../gateway/functions/secrets.ts";
import { openStore, type Store } from "../../../gateway/store/store.ts";
import { FakeFunctions } from "../fake-functions.ts";
import { ownPid, temporaryFolder } from "../store/folders.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let store: Store;
let secrets: Secrets;
let app: ReturnType<typeof createApp>;
let records: LogRecord[];

beforeEach(async () => {
  folder = await temporaryFolder();
  store = await openStore(folder.path, { pid: ownPid });
  const functions = new FakeFunctions();
  secrets = new Secrets({
    records: store.records,
    tenantOf: (name) => functions.version(name).tenant,
    change: (_, work) => work(),
    now: () => new Date("2026-01-01T00:00:00.000Z"),
  });
  app = createApp({ functions, secrets });
  records = [];
  await configure({
    sinks: { memory: (record) => records.push(record) },
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

const value = "s3cret-value";
const path = "/v1/functions/add/secrets";
const put = (key: string, body: BodyInit | null, name = "add") =>
  app.request(`/v1/functions/${name}/secrets/${key}`, { method: "PUT", body });
const remove = (key: string) => app.request(`${path}/${key}`, { method: "DELETE" });
const stored = async (key: string) => (await secrets.of("add")).get(key);

describe("secrets", () => {
  test("are set, listed by name and date, and removed", async () => {
    const response = await put("KEY", value);
    expect([response.status, await response.text()]).toEqual([204, ""]);
    expect(await stored("KEY")).toBe(value);
    const listed = await app.request(path);
    expect(await listed.text()).toBe('{"secrets":[{"name":"KEY","setAt":"2026-01-01T00:00:00.000Z"}]}');
    expect((await remove("KEY")).status).toBe(204);
    expect((await remove("KEY")).status).toBe(404);
    expect(await (await app.request(path)).json()).toEqual({ secrets: [] });
  });

  test("are the bytes that were sent, where those are UTF-8", async () => {
    await put("KEY", "\ufeffä\r\n\0");
    expect(await stored("KEY")).toBe("\ufeffä\r\n\0");
    const broken = await put("KEY", new Uint8Array([0x73, 0xff]));
    expect([broken.status, (await broken.json()).error]).toEqual([
      400,
      expect.stringMatching(/is not UTF-8$/),
    ]);
    expect(await stored("KEY")).toBe("\ufeffä\r\n\0");
  });

  test("are 64 KiB at most, and not empty", async () => {
    expect((await put("KEY", "x".repeat(65_536))).status).toBe(204);
    const large = await put("KEY", "y".repeat(65_537));
    expect([large.status, (await large.json()).code]).toEqual([413, "PAYLOAD_TOO_LARGE"]);
    for (const nothing of ["", null]) expect((await put("KEY", nothing)).status).toBe(400);
    expect(await stored("KEY")).toBe("x".repeat(65_536));
  });

  test.each(["2x", "a-b", "__proto__", "constructor", "a%2Fb", "%C3%BC"])(
    "cannot be named %s",
    async (key) => {
      expect((await put(key, value)).status).toBe(400);
      expect((await remove(key)).status).toBe(400);
      expect((await secrets.of("add")).size).toBe(0);
    },
  );

  test("are refused for what is not deployed", async () => {
    const refused = await put("KEY", value, "nothing");
    expect([refused.status, await refused.json()]).toEqual([
      404,
      { error: "There is no function 'nothing'", code: "NOT_FOUND" },
    ]);
  });

  test("leave through no answer and no log", async () => {
    await put("KEY", value);
    const paths = ["/v1/functions", "/v1/functions/add", "/v1/functions/add/program", "/metrics", path];
    const answers = await Promise.all(paths.map(async (one) => (await app.request(one)).text()));
    answers.push(
      await (await put("no-key", value)).text(),
      await (await put("KEY", value, "nothing")).text(),
    );
    for (const answer of answers) expect(answer).not.toContain(value);
    expect(records.length).toBeGreaterThanOrEqual(8);
    expect(JSON.stringify(records)).not.toContain(value);
    // What the search would find.
    expect(await stored("KEY")).toContain(value);
  });
});
