/** What of a handler's requests and answers goes through the gateway as it is, and what does not. */
import { connect } from "node:net";
import { expect, test } from "vitest";
import { platform } from "#platform";
import { gatewayFor } from "./running-gateway.ts";
import { zipped } from "./zipped.ts";

const server = gatewayFor("all tests");

const call = (path: string, init?: RequestInit) => fetch(`${server.client.url}/function/${path}`, init);

/** Sends the requests over one connection, one after the other has been answered or nothing came for a while. */
function answersTo(...heads: readonly string[]): Promise<string> {
  const { port } = new URL(server.client.url);
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(Number(port), "127.0.0.1", () => {
      socket.write(
        heads.map((head) => `${head} HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`).join("") +
          `GET /function/said/last HTTP/1.1\r\nHost: localhost:${port}\r\nConnection: close\r\n\r\n`,
      );
    });
    socket.on("data", (piece: Buffer) => {
      text += piece.toString("latin1");
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(text));
  });
}

test("a small answer states its length, a streamed one comes in chunks", async () => {
  await server.client.mustDeploy(
    "sized",
    `export default { fetch(request) {
       if (request.url.endsWith("/small")) return new Response("héllo");
       return new Response(new ReadableStream({ async start(controller) {
         controller.enqueue(new TextEncoder().encode("one"));
         await new Promise((resolve) => setTimeout(resolve, 50));
         controller.enqueue(new TextEncoder().encode("two"));
         controller.close();
       } }));
     } };`,
  );
  const small = await call("sized/small");
  expect([small.headers.get("content-length"), await small.text()]).toEqual(["6", "héllo"]);
  const streamed = await call("sized/streamed");
  expect([streamed.headers.get("content-length"), await streamed.text()]).toEqual([null, "onetwo"]);
});

test("what a handler says about its length or its connection is not believed", async () => {
  await server.client.mustDeploy(
    "said",
    `export default { async fetch(request) {
       const { pathname } = new URL(request.url);
       const headers = { "content-length": "4", "transfer-encoding": "chunked", connection: "upgrade", "x-own": "yes" };
       if (pathname === "/whole") return new Response("abcdHTTP/1.1 200 OK\\r\\ncontent-length: 5\\r\\n\\r\\nsplit", { headers });
       if (pathname === "/none") return new Response(null, { headers });
       if (pathname === "/last") return new Response("last");
       const pieces = new ReadableStream({ async start(controller) {
         controller.enqueue(new TextEncoder().encode("abcd"));
         await new Promise((resolve) => setTimeout(resolve, 50));
         controller.enqueue(new TextEncoder().encode("more"));
         controller.close();
       } });
       return new Response(pieces, { headers });
     } };`,
  );
  for (const [path, body] of [
    ["whole", "abcdHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nsplit"],
    ["none", ""],
    ["streamed", "abcdmore"],
  ] as const) {
    const answer = await call(`said/${path}`);
    expect([answer.status, answer.headers.get("x-own"), await answer.text()]).toEqual([200, "yes", body]);
    // What follows on the same connection is the next answer.
    const text = await answersTo(`GET /function/said/${path}`);
    expect(text.slice(-4), path).toBe("last");
    expect(text.match(/x-request-id/gi), path).toHaveLength(2);
    expect(text, path).not.toMatch(/connection: upgrade/i);
  }
  // Of a body that is not sent it may be told.
  expect((await call("said/whole", { method: "HEAD" })).headers.get("content-length")).toBe("4");
});

test("several cookies are several headers; what HTTP does not take in a header fails the call alone", async () => {
  await server.client.mustDeploy(
    "headed",
    `export default { fetch(request) {
       const headers = new Headers([["set-cookie", "a=1"], ["set-cookie", "b=2"]]);
       if (request.url.endsWith("/odd")) headers.set("x-odd", "a\\u0001b");
       return new Response("fine", { headers });
     } };`,
  );
  const odd = await call("headed/odd");
  expect([odd.status, await odd.json()]).toEqual([
    500,
    { code: "FUNCTION_FAILED", error: expect.stringContaining("its header 'x-odd' has characters") },
  ]);
  const fine = await call("headed/");
  expect([fine.headers.getSetCookie(), await fine.text()]).toEqual([["a=1", "b=2"], "fine"]);
});

test("a handler's name may be written with escapes, and its path keeps those that it has", async () => {
  await server.client.mustDeploy(
    "paths",
    `export default { fetch: (request) => new Response(request.url.slice(request.url.indexOf("/", 8))) };`,
  );
  for (const [path, seen] of [
    ["paths", "/"],
    ["paths?a=/b", "/?a=/b"],
    ["paths/", "/"],
    ["paths/a%2Fb/%70?q=%20", "/a%2Fb/%70?q=%20"],
    ["p%61ths/a", "/a"],
  ] as const)
    expect(await (await call(path)).text(), path).toBe(seen);
});

test("a request that cannot be handed on takes no place of an instance", async () => {
  await server.client.mustDeploy(
    "narrow",
    await zipped({
      "function.json": { kind: "handler", limits: { concurrency: 1, instances: 1 } },
      "handler.ts": `export default { fetch: () => new Response("fine") };`,
    }),
  );
  const headers = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`x-${i}`, "1"]));
  for (let i = 0; i < 3; i++) {
    const refused = await call("narrow", { headers });
    // By us with 413; Deno's server takes no more than a hundred itself.
    expect(refused.status).toBe(platform.runtime === "node" ? 413 : 400);
    await refused.body?.cancel();
    expect(await (await call("narrow")).text()).toBe("fine");
  }
});

test("bodies of all sizes arrive, whether they state their length or not", async () => {
  await server.client.mustDeploy(
    "sizes",
    `export default { async fetch(request) {
       const bytes = await request.bytes();
       return Response.json({ size: bytes.length, sum: bytes.reduce((sum, byte) => sum + byte, 0) });
     } };`,
  );
  for (const size of [0, 1, 100_000, 262_000, 300_000, 3_000_000]) {
    const bytes = new Uint8Array(size).fill(3);
    const stated = await call("sizes", { method: "POST", body: bytes });
    expect(await stated.json()).toEqual({ size, sum: 3 * size });
    const streamed = await call("sizes", {
      method: "POST",
      body: new Blob([bytes]).stream(),
      duplex: "half",
    } as RequestInit);
    expect(await streamed.json()).toEqual({ size, sum: 3 * size });
  }
});
