/**
 * Handlers of a stranger that answer what is no answer, and clients that send what is no request: over bare sockets
 * where fetch would not do it. What one connection carries behind a bad answer must be no answer of the handler's.
 */
import { connect } from "node:net";
import { afterEach, expect, test } from "vitest";
import { handlerWorld, refusalOf } from "./handler-world.ts";

const world = handlerWorld();
afterEach(() => world.checkNeighbour());

const answering = (name: string, expression: string, manifest = {}) =>
  world.deploy(name, `export default { async fetch(request) { ${expression} } };`, manifest);

/** Sends one request after the other on one connection. @returns all that came, until some time after the second answer. */
function twice(path: string, method = "GET"): Promise<string> {
  const { hostname, port, host } = new URL(world.url);
  const request = (target: string) =>
    `${method} ${target} HTTP/1.1\r\nhost: ${host}\r\nauthorization: ${world.authorization.stranger}\r\n\r\n`;
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(Number(port), hostname, () => socket.write(request(path)));
    const patience = setTimeout(() => socket.destroy(), 10_000);
    socket.on("data", (piece: Buffer) => {
      const isFirst = text === "";
      text += piece.toString();
      if (isFirst) setTimeout(() => socket.write(request("/v2/health/live")), 200);
      else if (statusLines(text).length > 1) setTimeout(() => socket.destroy(), 200);
    });
    socket.on("error", reject);
    socket.on("close", () => {
      clearTimeout(patience);
      resolve(text);
    });
  });
}

const smuggled = "HTTP/1.1 299 smuggled";
const statusLines = (text: string) => text.replace(smuggled, "").match(/HTTP\/1\.1 \d{3}/g) ?? [];

test.each([
  [
    "a length that is too small",
    `new Response("0123456789HTTP/1.1 299 smuggled", { headers: { "content-length": "10" } })`,
  ],
  ["a length that is too large", `new Response("short", { headers: { "content-length": "5000" } })`],
  ["a length for no body", `new Response(null, { headers: { "content-length": "5000" } })`],
  [
    "a transfer encoding",
    `new Response("0\\r\\n\\r\\nHTTP/1.1 299 smuggled", { headers: { "transfer-encoding": "chunked" } })`,
  ],
  ["an upgrade", `new Response("x", { headers: { connection: "upgrade", upgrade: "websocket" } })`],
  [
    "trailers",
    `new Response("x", { headers: { trailer: "x-late", te: "trailers", "keep-alive": "timeout=1000" } })`,
  ],
])("%s of a handler's answer is not what the client goes by", async (_, response) => {
  await answering("smuggler", `return ${response};`);
  const text = await twice("/function/smuggler");
  expect(statusLines(text), text).toEqual(["HTTP/1.1 200", "HTTP/1.1 200"]);
  const [head = ""] = text.split("\r\n\r\n");
  expect(head).not.toMatch(/upgrade|keep-alive: timeout=1000|trailer|x-late/i);
  const body = await (await world.call("smuggler")).text();
  const expected = /Response\((null|"(.*?)"),/.exec(response)![2] ?? "";
  expect(body).toBe(JSON.parse(`"${expected}"`));
});

test("a length is passed on where there is no body to contradict it", async () => {
  await answering(
    "measured",
    `return new Response(null, { headers: { "content-length": "5000", "x-own": "1" } });`,
  );
  const response = await world.call("measured", { method: "HEAD" });
  expect([response.status, response.headers.get("content-length"), response.headers.get("x-own")]).toEqual([
    200,
    "5000",
    "1",
  ]);
  expect(statusLines(await twice("/function/measured", "HEAD")).length).toBe(2);
});

test.each([
  ["status 0", "Response.error()"],
  ["a status that is none", `Object.defineProperty(new Response("x"), "status", { value: 101 })`],
  ["a line break in a header", `new Response("x", { headers: { "x-a": "b\\r\\nset-cookie: c" } })`],
  [
    "hundreds of headers",
    `new Response("x", { headers: Array.from({ length: 500 }, (_, i) => ["x-" + i, "1"]) })`,
  ],
  ["a header without end", `new Response("x", { headers: { "x-a": "b".repeat(1e6) } })`],
  ["what is no Response", `"text"`],
  ["a body that somebody has read", `await (async (r) => (await r.text(), r))(new Response("x"))`],
])("an answer of %s is the function's failure", async (_, response) => {
  await answering("odd", `if (request.method === "GET") return ${response}; return new Response("right");`);
  expect(await refusalOf(await world.call("odd"))).toMatchObject({ status: 500, code: "FUNCTION_FAILED" });
  // A control: the same handler, another answer.
  expect(await (await world.call("odd", { method: "POST" })).text()).toBe("right");
});

test("an answer of many headers of moderate size passes", async () => {
  await answering(
    "many",
    `return new Response("x", { headers: Array.from({ length: 60 }, (_, i) => ["x-" + i, "1"]) });`,
  );
  const response = await world.call("many");
  expect([response.status, response.headers.get("x-59")]).toEqual([200, "1"]);
});

test("a body that breaks off breaks the client's off", async () => {
  await answering(
    "breaks",
    `return new Response(new ReadableStream({ start(c) { c.enqueue(new Uint8Array(300_000)); setTimeout(() => c.error(new Error("gone")), 50); } }));`,
  );
  await expect(world.call("breaks").then((response) => response.bytes())).rejects.toThrow();
});

test("an answer before a large body was read ends the call; the client may send no more of it", async () => {
  await answering("hasty", `return new Response("no", { status: 403 });`);
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      sent++;
      if (sent > 2000) controller.close();
      else controller.enqueue(new Uint8Array(65_536));
    },
  });
  const init = { method: "POST", body, duplex: "half" } as RequestInit;
  // The connection may be closed while it is still being written to.
  const status = await world.call("hasty", init).then(
    (response) => response.status,
    () => "closed",
  );
  expect(["closed", 403]).toContain(status);
  expect(await (await world.call("hasty", { method: "POST", body: "small" })).text()).toBe("no");
});

test("a client that sends a byte now and then holds a call for no longer than its limit", async () => {
  await answering("reads", `return new Response(String((await request.text()).length));`, {
    limits: { timeoutMs: 3000 },
  });
  const { hostname, port, host } = new URL(world.url);
  const startedAt = performance.now();
  const text = await new Promise<string>((resolve, reject) => {
    let heard = "";
    const socket = connect(Number(port), hostname, () => {
      socket.write(
        `POST /function/reads HTTP/1.1\r\nhost: ${host}\r\nauthorization: ${world.authorization.stranger}\r\ncontent-length: 1000\r\n\r\n`,
      );
    });
    const dripping = setInterval(() => socket.write("x"), 200);
    socket.on("data", (piece: Buffer) => {
      heard += piece.toString();
      clearInterval(dripping);
      socket.end();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
    });
    socket.on("close", () => {
      clearInterval(dripping);
      resolve(heard);
    });
  });
  expect(text).toContain("504");
  expect(text).toContain("timeoutMs");
  // It would have taken 200 s.
  expect(performance.now() - startedAt).toBeLessThan(60_000);
  expect(await (await world.call("reads", { method: "POST", body: "whole" })).text()).toBe("5");
});

test("a header of the gateway's own from a client is not for the handler", async () => {
  await answering("shows", `return Response.json([...request.headers.keys()]);`);
  const names = await (
    await world.call("shows", {
      headers: { "dawnlet-use": "double", "x-own": "1", "proxy-authenticate": "1" },
    })
  ).json();
  expect(names).toContain("x-own");
  for (const name of ["dawnlet-use", "authorization", "proxy-authenticate"])
    expect(names).not.toContain(name);
});
