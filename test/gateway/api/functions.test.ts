import { beforeEach, describe, expect, test } from "vitest";
import { createApp } from "../../../gateway/app.ts";
import type { FunctionStatus } from "../../../gateway/functions/functions.ts";
import { DawnletError } from "../../../kernels/errors.ts";
import { FakeFunctions } from "../fake-functions.ts";

let functions: FakeFunctions;
let app: ReturnType<typeof createApp>;

beforeEach(() => {
  functions = new FakeFunctions();
  app = createApp({ functions, limits: { deployBytes: 1000 } });
});

const put = (name: string, body: BodyInit | null, headers: Record<string, string> = {}) =>
  app.request(`/v1/functions/${name}`, { method: "PUT", body, headers });
const ndjson = { accept: "application/x-ndjson" };
const lines = async (response: Response) =>
  (await response.text())
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

/** Bytes without a declared length. */
const chunked = (...chunks: number[]) =>
  new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      for (const size of chunks) controller.enqueue(new Uint8Array(size).fill(7));
      controller.close();
    },
  });
/** `duplex` is required for streams and unknown to the DOM's types. */
const putStream = (name: string, body: ReadableStream) => {
  const init: RequestInit & { duplex: "half" } = { method: "PUT", body, duplex: "half" };
  return app.request(new Request(`http://localhost/v1/functions/${name}`, init));
};

describe("deploying", () => {
  test("is 201 for a new function, then 200 whether or not the bytes changed", async () => {
    const first = await put("mine", "one", { "content-type": "text/wgsl" });
    expect(first.status).toBe(201);
    expect(await first.json()).toMatchObject({
      changed: true,
      function: { name: "mine", current: { version: 1 } },
    });
    expect(functions.uploads[0]).toMatchObject({ name: "mine", contentType: "text/wgsl" });
    const again = await put("mine", "one");
    expect([again.status, (await again.json()).changed]).toEqual([200, false]);
    const other = await put("mine", "two");
    expect([other.status, (await other.json()).function.current.version]).toEqual([200, 2]);
  });

  test("hands the bytes on whole, chunked and compressed ones too", async () => {
    await putStream("mine", chunked(300, 200));
    expect(functions.uploads[0]?.bytes).toEqual(new Uint8Array(500).fill(7));
    const packed = await new Response(chunked(900).pipeThrough(new CompressionStream("gzip"))).bytes();
    await put("other", packed, { "content-encoding": "gzip" });
    expect(functions.uploads[1]?.bytes).toEqual(new Uint8Array(900).fill(7));
  });

  test("refuses what exceeds the limit, declared or not, before and after decompression", async () => {
    const packed = await new Response(chunked(5000).pipeThrough(new CompressionStream("gzip"))).bytes();
    expect(packed.byteLength).toBeLessThan(1000);
    for (const response of [
      await put("mine", "x", { "content-length": "1001" }),
      await put("mine", new Uint8Array(1001)),
      await putStream("mine", chunked(600, 600)),
      await put("mine", packed, { "content-encoding": "gzip" }),
    ]) {
      expect(response.status).toBe(413);
      expect((await response.json()).error).toMatch(/exceeds the maximum of 1000 bytes/);
    }
    expect(functions.uploads).toEqual([]);
    expect((await put("mine", new Uint8Array(1000))).status).toBe(201);
  });

  test("refuses a body that breaks off, is empty, or has a broken encoding", async () => {
    const cut = await put("mine", "abc", { "content-length": "9" });
    expect([cut.status, (await cut.json()).error]).toEqual([
      400,
      expect.stringMatching(/3 bytes .*Content-Length is 9/),
    ]);
    const broken = new ReadableStream({
      pull(controller) {
        controller.error(new Error("ECONNRESET"));
      },
    });
    const reset = await putStream("mine", broken);
    expect([reset.status, (await reset.json()).error]).toEqual([400, expect.stringMatching(/truncated/)]);
    expect((await put("mine", null)).status).toBe(400);
    const noise = await put("mine", "no gzip at all", { "content-encoding": "gzip" });
    expect([noise.status, (await noise.json()).error]).toEqual([
      400,
      expect.stringMatching(/not valid gzip/),
    ]);
    expect((await put("mine", "x", { "content-encoding": "br" })).status).toBe(415);
    expect(functions.uploads).toEqual([]);
  });

  test.each([".hidden", "a b", "a/b", "ü", "x".repeat(129), "..", "%00"])(
    "refuses the name %j",
    async (name) => {
      const response = await put(encodeURIComponent(name), "x");
      expect([400, 404]).toContain(response.status);
      expect(functions.uploads).toEqual([]);
    },
  );

  test.each(["a", "A-b_c.1", "x".repeat(128), "-"])("takes the name %j", async (name) => {
    expect((await put(name, "x")).status).toBe(201);
  });

  test("answers the function's error", async () => {
    functions.failure = new DawnletError("INVALID_SHADER", "Cannot compile 'main.wgsl': line 3");
    const response = await put("mine", "x");
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({
      error: "Cannot compile 'main.wgsl': line 3",
      code: "INVALID_SHADER",
    });
  });
});

describe("deploying with progress", () => {
  test("writes a line a step and the result last", async () => {
    const response = await put("mine", "abc", ndjson);
    expect(response.headers.get("content-type")).toBe("application/x-ndjson");
    const all = await lines(response);
    expect(all.slice(0, -1)).toEqual([
      { phase: "upload", message: "Receiving" },
      { phase: "store", message: "Storing 3 bytes" },
    ]);
    expect(all.at(-1)).toMatchObject({ result: { changed: true, function: { name: "mine" } } });
  });

  test("writes the error last, and nothing of a defect", async () => {
    functions.failure = new DawnletError("INVALID_BUNDLE", "Cannot read the zip");
    expect(await lines(await put("mine", "abc", ndjson))).toEqual([
      { error: "Cannot read the zip", code: "INVALID_BUNDLE" },
    ]);
    functions.failure = new Error("secret");
    const [line] = await lines(await put("mine", "abc", ndjson));
    expect(line).toMatchObject({ code: "INTERNAL" });
    expect(JSON.stringify(line)).not.toContain("secret");
  });

  test("goes on when the client stops reading", async () => {
    const response = await put("mine", "abc", ndjson);
    await response.body?.cancel();
    await expect.poll(() => functions.uploads.length).toBe(1);
  });
});

describe("managing", () => {
  test("lists, shows and inspects functions", async () => {
    const { functions: listed } = await (await app.request("/v1/functions")).json();
    expect(listed.map(({ name }: { name: string }) => name)).toContain("add");
    expect(await (await app.request("/v1/functions/add")).json()).toMatchObject({
      name: "add",
      current: { version: 1 },
    });
    expect(await (await app.request("/v1/functions/add/program")).json()).toEqual({
      name: "add",
      version: 1,
      steps: [],
    });
    expect((await app.request("/v1/functions/add/program?version=3")).status).toBe(404);
    expect((await app.request("/v1/functions/nothing")).status).toBe(404);
  });

  test("shows a quarantine, and lifts it once", async () => {
    const lift = (name: string) => app.request(`/v1/functions/${name}/quarantine`, { method: "DELETE" });
    expect((await lift("add")).status).toBe(404);
    functions.quarantine("add");
    const shown = await (await app.request("/v1/functions/add")).json();
    expect(shown.current.quarantine).toMatchObject({ strikes: 3, reason: "it hung" });
    const response = await lift("add");
    expect([response.status, await response.text()]).toEqual([204, ""]);
    expect((await (await app.request("/v1/functions/add")).json()).current).not.toHaveProperty("quarantine");
    expect((await lift("add")).status).toBe(404);
    expect((await lift("nothing")).status).toBe(404);
  });

  test("shows damage until it is healed, in the list as well", async () => {
    const shown = async () => (await (await app.request("/v1/functions/add")).json()).current;
    expect(await shown()).not.toHaveProperty("damage");
    functions.damage("add");
    expect((await shown()).damage).toMatchObject({ reason: "it has rotted", digest: "ab".repeat(32) });
    const { functions: listed } = await (await app.request("/v1/functions")).json();
    const damaged = listed.filter(({ current }: FunctionStatus) => current.damage !== undefined);
    expect(damaged.map(({ name }: FunctionStatus) => name)).toEqual(["add"]);
    functions.heal("add");
    expect(await shown()).not.toHaveProperty("damage");
  });

  test("removes a function once", async () => {
    const remove = () => app.request("/v1/functions/add", { method: "DELETE" });
    const response = await remove();
    expect([response.status, await response.text()]).toEqual([204, ""]);
    expect((await remove()).status).toBe(404);
  });
});
