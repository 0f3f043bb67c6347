import { configure, type LogRecord, reset } from "@logtape/logtape";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createApp } from "../../../gateway/app.ts";
import { errorStatuses } from "../../../gateway/http/error-response.ts";
import { errorCodes } from "../../../kernels/errors.ts";
import { FakeFunctions } from "../fake-functions.ts";

let functions: FakeFunctions;
let app: ReturnType<typeof createApp>;

beforeEach(() => {
  functions = new FakeFunctions();
  app = createApp({ functions, limits: { callBytes: 1000 } });
});

const body = '{"a":[1],"b":[2]}';
const call = (headers: Record<string, string> = {}, target = app, origin = "http://localhost") =>
  target.request(`${origin}/function/add`, { method: "POST", body, headers });

describe("headers of every answer", () => {
  test("name the hops and the total", async () => {
    const timing = (await call()).headers.get("server-timing");
    expect(timing).toMatch(/^queue;dur=0\.25, load;dur=0\.5, execute;dur=1\.5, total;dur=\d+(\.\d{1,3})?$/);
    expect((await app.request("/nothing")).headers.get("server-timing")).toMatch(/^total;dur=/);
  });

  test("carry the client's request id where it is usable, a new one otherwise", async () => {
    expect((await call({ "x-request-id": "trace:42" })).headers.get("x-request-id")).toBe("trace:42");
    for (const id of ["", "with space", "x".repeat(129)]) {
      expect((await call({ "x-request-id": id })).headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    }
    const [first, second] = [await call(), await call()];
    expect(first.headers.get("x-request-id")).not.toBe(second.headers.get("x-request-id"));
  });
});

describe("bodies of calls", () => {
  const send = (bytes: Uint8Array<ArrayBuffer>, headers: Record<string, string>) =>
    app.request("/function/echo-uint8", {
      method: "POST",
      body: bytes,
      headers: { "content-type": "application/octet-stream", ...headers },
    });
  const packed = async (size: number, format: CompressionFormat) =>
    new Response(
      new Blob([new Uint8Array(size)]).stream().pipeThrough(new CompressionStream(format)),
    ).bytes();

  test("may be as large as the limit, and no larger", async () => {
    expect((await send(new Uint8Array(1000), {})).status).toBe(200);
    expect((await send(new Uint8Array(1000), { "content-length": "1000" })).status).toBe(200);
    expect((await send(new Uint8Array(1001), {})).status).toBe(413);
    expect((await send(new Uint8Array(1001), { "content-length": "1001" })).status).toBe(413);
  });

  test("that are compressed count as what they unpack to", async () => {
    expect((await send(await packed(1000, "gzip"), { "content-encoding": "gzip" })).status).toBe(200);
    expect((await send(await packed(1000, "deflate"), { "content-encoding": "Deflate" })).status).toBe(200);
    const bomb = await send(await packed(50_000_000, "gzip"), { "content-encoding": "gzip" });
    expect(bomb.status).toBe(413);
    const small = await send(await packed(1001, "gzip"), { "content-encoding": "gzip" });
    expect([small.status, (await small.json()).code]).toEqual([413, "PAYLOAD_TOO_LARGE"]);
  });

  test("that are cut off or declare another length are refused", async () => {
    const cut = (await packed(1000, "gzip")).slice(0, 10);
    expect((await send(cut, { "content-encoding": "gzip" })).status).toBe(400);
    expect((await send(new Uint8Array(3), { "content-length": "4" })).status).toBe(400);
    expect((await send(new Uint8Array(3), { "content-length": "x" })).status).toBe(400);
    expect((await send(new Uint8Array(3), { "content-encoding": "br" })).status).toBe(415);
  });

  test("of text are held to their declared length in bytes", async () => {
    const text = (content: string, length: number) =>
      app.request("/function/echo-string", {
        method: "POST",
        body: content,
        headers: { "content-length": String(length) },
      });
    expect((await text('{"x":["ü"]}', 12)).status).toBe(200);
    expect((await text('{"x":["\ufffd"]}', 13)).status).toBe(200);
    expect((await text('{"x":["u"]}', 12)).status).toBe(400);
    const noUtf8 = new Uint8Array([
      ...new TextEncoder().encode('{"x":["'),
      0xff,
      ...new TextEncoder().encode('"]}'),
    ]);
    const headers = { "content-length": "11" };
    const refused = await app.request("/function/echo-string", { method: "POST", body: noUtf8, headers });
    expect(refused.status).toBe(400);
    expect((await text(`{"x":["${"ü".repeat(600)}"]}`, 1210)).status).toBe(413);
  });
});

describe("with a token", () => {
  const guarded = () => createApp({ functions, token: "s3cret" });

  test("calls need it", async () => {
    const missing = await call({}, guarded());
    expect(missing.status).toBe(401);
    expect(missing.headers.get("www-authenticate")).toBe("Bearer");
    expect(await missing.json()).toMatchObject({
      code: "UNAUTHENTICATED",
      error: expect.stringMatching(/Bearer <token>/),
    });
    for (const value of ["Bearer s3cre", "Bearer s3cret2", "bearer", "Basic s3cret", "s3cret"]) {
      expect((await call({ authorization: value }, guarded())).status).toBe(401);
    }
    expect((await call({ authorization: "Bearer s3cret" }, guarded())).status).toBe(200);
    expect(functions.invocations).toHaveLength(1);
  });

  test("nothing but health is open", async () => {
    for (const path of ["/healthz", "/v2/health/live", "/v2/health/ready"]) {
      expect((await guarded().request(path)).status).toBe(200);
    }
    for (const path of ["/v2", "/metrics", "/v1/functions", "/v2/models/add", "/nothing"]) {
      expect((await guarded().request(path)).status).toBe(401);
    }
  });

  test("the host does not matter", async () => {
    const response = await call({ authorization: "Bearer s3cret" }, guarded(), "http://gpu.example");
    expect(response.status).toBe(200);
  });
});

describe("without a token", () => {
  test.each(["localhost", "localhost:4000", "127.0.0.1:80", "127.8.0.1", "[::1]:4000", "LOCALHOST"])(
    "the host %s is allowed",
    async (host) => {
      expect((await call({}, app, `http://${host}`)).status).toBe(200);
    },
  );

  test.each(["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "192.168.1.5", "[::2]"])(
    "the host %s is refused",
    async (host) => {
      const response = await call({}, app, `http://${host}`);
      expect(response.status).toBe(403);
      expect(await response.json()).toMatchObject({ code: "FORBIDDEN" });
      expect((await call()).status).toBe(200);
    },
  );

  test("pages of other origins are refused, those of this machine are not", async () => {
    for (const origin of ["http://evil.example", "null", "https://localhost.evil.example", ""]) {
      expect((await call({ origin })).status).toBe(403);
    }
    for (const origin of ["http://localhost:5173", "http://127.0.0.1"])
      expect((await call({ origin })).status).toBe(200);
  });

  test("what pages of other sites embed or link to is refused, what is typed or of a loopback page is not", async () => {
    const get = async (headers: Record<string, string>) =>
      (await app.request("http://localhost/v2", { headers })).status;
    expect(await get({ "sec-fetch-site": "cross-site" })).toBe(403);
    for (const site of ["none", "same-origin", "same-site"])
      expect(await get({ "sec-fetch-site": site })).toBe(200);
    expect(await get({ "sec-fetch-site": "cross-site", origin: "http://localhost:5173" })).toBe(200);
  });

  test("further hosts can be named", async () => {
    const named = createApp({ functions, hosts: ["Gpu.example"] });
    expect((await call({}, named, "http://gpu.example:4000")).status).toBe(200);
    expect((await call({}, named, "http://other.example")).status).toBe(403);
  });
});

describe("logs", () => {
  let records: LogRecord[];
  beforeEach(async () => {
    records = [];
    await configure({
      sinks: { memory: (record) => records.push(record) },
      loggers: [
        { category: ["dawnlet", "http"], sinks: ["memory"] },
        { category: ["logtape", "meta"], lowestLevel: "error" },
      ],
    });
  });
  afterEach(() => reset());

  test("have a structured record a request", async () => {
    await call({ "x-request-id": "r1" });
    expect(records).toHaveLength(1);
    expect(records[0]?.properties).toMatchObject({
      method: "POST",
      path: "/function/add",
      status: 200,
      requestId: "r1",
      function: "add",
      version: 1,
      durationMs: expect.any(Number),
    });
  });

  test("have the cause of a defect under the request's id", async () => {
    const failure = new TypeError("secret");
    functions.failure = failure;
    await call({ "x-request-id": "r2" });
    expect(records.find(({ level }) => level === "error")?.properties).toEqual({
      requestId: "r2",
      error: failure,
    });
  });
});

test("every error code has a status of an error", () => {
  expect(Object.keys(errorStatuses).sort()).toEqual(Object.keys(errorCodes).sort());
  for (const status of Object.values(errorStatuses)) expect(status).toBeGreaterThanOrEqual(400);
});

test("routes stay such that Hono's fast router takes them", async () => {
  await app.request("/v2");
  expect(app.router.name).toBe("SmartRouter + RegExpRouter");
});
