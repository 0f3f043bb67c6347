import { createServer, type RequestListener } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { text } from "node:stream/consumers";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { platform } from "#platform";
import { Outbound, type OutboundOptions } from "../../../gateway/handlers/outbound.ts";
import { openHttpClient } from "../../../runtime/platform/posix-http-client.ts";

const ends: (() => void)[] = [];

afterEach(() => {
  for (const end of ends.splice(0).reverse()) end();
});

async function serve(handler: RequestListener): Promise<number> {
  const server = createServer(handler);
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ends.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

/** @param port for loopback, which is allowed unless `options` say otherwise. */
function open(port: number, options: Partial<OutboundOptions> = {}): Outbound {
  const hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
  const outbound = new Outbound(platform, { hosts, allowPrivate: true, ...options });
  ends.push(() => outbound.close());
  return outbound;
}

const get = (port: number, path = "/") => new Request(`http://127.0.0.1:${port}${path}`);

describe("`Outbound.fetch()`", () => {
  it("asks a host that is named, and streams both bodies", async () => {
    const port = await serve(async (incoming, outgoing) => {
      outgoing.writeHead(201, { "x-host": incoming.headers.host });
      outgoing.write(`${incoming.method} `);
      outgoing.end(await text(incoming));
    });
    for (const host of ["127.0.0.1", "localhost", "LOCALHOST", "localhost.", "0x7f000001"]) {
      const request = new Request(`http://${host}:${port}/`, { method: "POST", body: "body" });
      const answer = await open(port).fetch(request);
      expect(answer.status).toBe(201);
      expect(answer.headers.get("x-host")).toMatch(/^(localhost|127\.0\.0\.1):\d+$/);
      expect(await answer.text()).toBe("POST body");
    }
  });

  it("gives pieces of the answer as they come", async () => {
    const next = Promise.withResolvers<void>();
    const port = await serve(async (_, outgoing) => {
      outgoing.write("data: 1\n\n");
      await next.promise;
      outgoing.end("data: 2\n\n");
    });
    const reader = (await open(port).fetch(get(port))).body!.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("data: 1\n\n");
    next.resolve();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("data: 2\n\n");
    expect((await reader.read()).done).toBe(true);
  });

  it("leaves redirects to who asked, also where they lead to a host that is not named", async () => {
    const onHit = vi.fn();
    const port = await serve((incoming, outgoing) => {
      if (incoming.url !== "/") onHit();
      outgoing.writeHead(302, { location: "http://169.254.169.254/x" }).end();
    });
    const outbound = open(port);
    const answer = await outbound.fetch(get(port));
    expect([answer.status, answer.headers.get("location")]).toEqual([302, "http://169.254.169.254/x"]);
    await answer.body?.cancel();
    await expect(outbound.fetch(new Request(answer.headers.get("location")!))).rejects.toMatchObject({
      code: "HOST_NOT_ALLOWED",
    });
    expect(onHit).not.toHaveBeenCalled();
  });

  it("keeps no cookies", async () => {
    const cookies: (string | undefined)[] = [];
    const port = await serve((incoming, outgoing) => {
      cookies.push(incoming.headers.cookie);
      outgoing.setHeader("set-cookie", ["a=1", "b=2"]).end();
    });
    const outbound = open(port);
    const answer = await outbound.fetch(get(port));
    expect(answer.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
    await (await outbound.fetch(get(port))).text();
    expect(cookies).toEqual([undefined, undefined]);
  });
});

describe("what a manifest does not name is refused before anything is looked up", () => {
  it.each([
    ["http://example.com/", "example.com"],
    ["https://example.com/a?key=secret", "example.com"],
    ["http://localhost/", "localhost"],
    ["http://localhost:1/", "localhost:1"],
    ["http://127.0.0.2:9/", "127.0.0.2:9"],
    ["http://[::1]:9/", "[::1]:9"],
    ["http://example.com./", "example.com"],
  ])("%s", async (url, named) => {
    const openHttpClient = vi.fn<typeof platform.openHttpClient>();
    const outbound = new Outbound({ openHttpClient }, { hosts: ["api.example.com"], allowPrivate: true });
    const shown = url.replace(/\?.*/, "").replace("com./", "com/");
    await expect(outbound.fetch(new Request(url))).rejects.toMatchObject({
      code: "HOST_NOT_ALLOWED",
      message: `Cannot fetch '${shown}' as its host is not among the hosts of function.json: add "${named}" to "hosts"`,
    });
    expect(openHttpClient).not.toHaveBeenCalled();
    expect(outbound.running).toBe(0);
  });

  it.each(["data:text/plain,x", "blob:null/x", "file:///etc/passwd", "ftp://127.0.0.1/"])(
    "%s",
    async (url) => {
      await expect(open(80).fetch(new Request(url))).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    },
  );

  it("names and passwords in URLs", async () => {
    const port = await serve((_, outgoing) => outgoing.end());
    const request = (url: string) => Object.defineProperty(get(port), "url", { value: url });
    for (const userinfo of ["a@", ":b@", "a:b@"])
      await expect(open(port).fetch(request(`http://${userinfo}127.0.0.1:${port}/`))).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        message: `Cannot fetch 'http://127.0.0.1:${port}/' as its URL holds a name or a password: send an authorization header`,
      });
    expect((await open(port).fetch(request(`http://127.0.0.1:${port}/`))).status).toBe(200);
  });
});

describe("private networks", () => {
  it.each(["localhost", "127.0.0.1", "0x7f.1", "2130706433"])(
    "%s is refused, and asked where the operator allows it",
    async (host) => {
      const onRequest = vi.fn<RequestListener>((_, outgoing) => void outgoing.end("inside"));
      const port = await serve(onRequest);
      const request = () => new Request(`http://${host}:${port}/`);
      const { hostname } = new URL(request().url);
      await expect(open(port, { allowPrivate: false }).fetch(request())).rejects.toMatchObject({
        code: "HOST_NOT_ALLOWED",
        message: `Cannot fetch 'http://${hostname}:${port}/' as '${hostname}' is not a public address: the operator has to allow private networks`,
      });
      expect(onRequest).not.toHaveBeenCalled();
      expect(await (await open(port).fetch(request())).text()).toBe("inside");
    },
  );

  it.each([
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[fe80::1]",
    "169.254.169.254",
    "0.0.0.0",
    "[::]",
    "[64:ff9b::7f00:1]",
  ])("%s is refused as a literal", async (host) => {
    const outbound = open(80, { hosts: [host], allowPrivate: false });
    await expect(outbound.fetch(new Request(`http://${host}/`))).rejects.toMatchObject({
      code: "HOST_NOT_ALLOWED",
    });
    expect(outbound.running).toBe(0);
  });

  it("a name whose address changes between two connections is judged by what is connected to", async () => {
    const onConnection = vi.fn();
    const port = await serve((_, outgoing) => outgoing.end());
    const answers = ["192.0.2.1", "127.0.0.1"];
    const hidden = {
      openHttpClient: async (options: Parameters<typeof openHttpClient>[0]) =>
        openHttpClient(options, async () => {
          onConnection();
          return [{ address: answers.pop()!, family: 4 }];
        }),
    };
    const outbound = new Outbound(hidden, { hosts: [`*.example.org:${port}`], allowPrivate: false });
    ends.push(() => outbound.close());
    for (let i = 0; i < 2; i++)
      await expect(outbound.fetch(new Request(`http://a.b.example.org:${port}/`))).rejects.toMatchObject({
        code: "HOST_NOT_ALLOWED",
      });
    expect(onConnection).toHaveBeenCalledTimes(2);
  });
});

describe("content codings", () => {
  const plain = Buffer.from("plain ".repeat(10_000));

  it.each([
    ["gzip", gzipSync(plain)],
    ["x-gzip", gzipSync(plain)],
    ["GZIP", gzipSync(plain)],
    ["deflate", deflateSync(plain)],
  ])("%s is undone, and its header goes", async (coding, bytes) => {
    const port = await serve((_, outgoing) => {
      outgoing.writeHead(200, { "content-encoding": coding, "content-length": bytes.byteLength }).end(bytes);
    });
    const answer = await open(port).fetch(get(port));
    expect(await answer.text()).toBe(plain.toString());
    expect([...answer.headers.keys()]).not.toContain("content-encoding");
    expect([...answer.headers.keys()]).not.toContain("content-length");
  });

  it("brotli is undone where the runtime can, and left as it is otherwise", async () => {
    const bytes = brotliCompressSync(plain);
    const port = await serve((_, outgoing) => {
      outgoing.writeHead(200, { "content-encoding": "br" }).end(bytes);
    });
    const answer = await open(port).fetch(get(port));
    const isLeft = answer.headers.get("content-encoding") === "br";
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(isLeft ? bytes : plain);
  });

  it("others are left as they are, and so is what has none", async () => {
    const port = await serve((incoming, outgoing) => {
      const coding = incoming.url!.slice(1);
      outgoing.writeHead(200, coding ? { "content-encoding": coding } : {}).end("bytes");
    });
    for (const coding of ["zstd", "gzip,%20br", ""]) {
      const answer = await open(port).fetch(get(port, `/${coding}`));
      expect(answer.headers.get("content-encoding") ?? "").toBe(coding);
      expect(await answer.text()).toBe("bytes");
    }
  });

  it("what the caller accepts is said, or what can be undone", async () => {
    const port = await serve((incoming, outgoing) => outgoing.end(incoming.headers["accept-encoding"]));
    expect(await (await open(port).fetch(get(port))).text()).toBe("gzip, deflate");
    const headers = { "accept-encoding": "identity" };
    expect(await (await open(port).fetch(new Request(get(port), { headers }))).text()).toBe("identity");
  });

  it("what is damaged or cut short is an error of the body", async () => {
    const whole = gzipSync(plain);
    const damaged = Buffer.from(whole).fill(255, whole.length >> 1);
    const port = await serve((incoming, outgoing) => {
      const bytes = { "/cut": whole.subarray(0, 50), "/damaged": damaged, "/none": Buffer.from("text") }[
        incoming.url!
      ];
      outgoing.writeHead(200, { "content-encoding": "gzip" }).end(bytes ?? whole);
    });
    const outbound = open(port);
    for (const path of ["/cut", "/damaged", "/none"]) {
      const answer = await outbound.fetch(get(port, path));
      await expect(answer.text()).rejects.toMatchObject({
        code: "UNAVAILABLE",
        message: `Cannot fetch 'http://127.0.0.1:${port}${path}' as its answer cannot be decompressed`,
      });
    }
    expect(outbound.running).toBe(0);
    expect((await (await outbound.fetch(get(port, "/whole"))).text()).length).toBe(plain.length);
  });
});

describe("limits", () => {
  it("an answer that says that it is too large fails at once, others as they grow", async () => {
    const closed = vi.fn();
    const port = await serve((incoming, outgoing) => {
      incoming.socket.once("close", closed);
      if (incoming.url === "/said") outgoing.writeHead(200, { "content-length": 1001 });
      const size = incoming.url === "/fits" ? 1000 : 1001;
      const body = Buffer.alloc(size, 97);
      if (incoming.url === "/packed") outgoing.setHeader("content-encoding", "gzip").end(gzipSync(body));
      else outgoing.end(body);
    });
    const outbound = open(port, { limits: { responseBytes: 1000 } });
    const tooLarge = (path: string) => ({
      code: "PAYLOAD_TOO_LARGE",
      message: `Cannot fetch 'http://127.0.0.1:${port}${path}' as its answer is larger than 1000 bytes`,
    });
    await expect(outbound.fetch(get(port, "/said"))).rejects.toMatchObject(tooLarge("/said"));
    for (const path of ["/grows", "/packed"])
      await expect(outbound.fetch(get(port, path)).then((answer) => answer.text())).rejects.toMatchObject(
        tooLarge(path),
      );
    expect((await (await outbound.fetch(get(port, "/fits"))).text()).length).toBe(1000);
    expect(outbound.running).toBe(0);
  });

  it("so many bytes that were packed into few are not held in memory", async () => {
    const packed = gzipSync(Buffer.alloc(64 * 2 ** 20));
    const port = await serve((_, outgoing) => {
      outgoing.writeHead(200, { "content-encoding": "gzip" }).end(packed);
    });
    const answer = await open(port).fetch(get(port));
    let largest = 0;
    let total = 0;
    for await (const piece of answer.body!) {
      largest = Math.max(largest, piece.byteLength);
      total += piece.byteLength;
    }
    expect(total).toBe(64 * 2 ** 20);
    expect(largest).toBeLessThanOrEqual(8 * 2 ** 20);
  });

  it("only so many requests run at once, until their bodies have ended, one way or another", async () => {
    const port = await serve((incoming, outgoing) => {
      outgoing.write("x".repeat(100_000));
      if (incoming.url === "/ends") outgoing.end();
      if (incoming.url === "/breaks") setTimeout(() => outgoing.destroy(), 20);
    });
    const outbound = open(port, { limits: { concurrent: 3 } });
    const [ends, hangs, breaks] = await Promise.all(
      ["/ends", "/hangs", "/breaks"].map((path) => outbound.fetch(get(port, path))),
    );
    await expect(outbound.fetch(get(port))).rejects.toMatchObject({
      code: "QUEUE_FULL",
      message: `Cannot fetch 'http://127.0.0.1:${port}/' as 3 requests of this function are running: read or cancel the bodies of their answers`,
    });
    expect((await ends!.text()).length).toBe(100_000);
    expect(outbound.running).toBe(2);
    await hangs!.body!.cancel();
    expect(outbound.running).toBe(1);
    await expect(breaks!.text()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(outbound.running).toBe(0);
    await (await outbound.fetch(get(port, "/ends"))).text();
  });

  it("requests that fail, or have no body, take up no room", async () => {
    const port = await serve((_, outgoing) => outgoing.writeHead(204).end());
    const outbound = open(port, { limits: { concurrent: 1 } });
    for (let i = 0; i < 3; i++) expect((await outbound.fetch(get(port))).status).toBe(204);
    const closed = await serve(() => {});
    ends.splice(ends.length - 1)[0]!();
    const other = open(closed, { limits: { concurrent: 1 } });
    for (let i = 0; i < 3; i++)
      await expect(other.fetch(get(closed))).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });
});

describe("the end", () => {
  it("aborting the request ends it, also while its body is read", async () => {
    const port = await serve((_, outgoing) => void outgoing.write("x"));
    const outbound = open(port);
    const controller = new AbortController();
    const answer = await outbound.fetch(new Request(get(port), { signal: controller.signal }));
    controller.abort();
    await expect(answer.text()).rejects.toMatchObject({ code: "CANCELLED" });
    expect(outbound.running).toBe(0);
  });

  it("`close()` ends what runs, and what comes after it", async () => {
    const port = await serve((_, outgoing) => void outgoing.write("x"));
    const outbound = open(port);
    const answer = await outbound.fetch(get(port));
    outbound.close();
    await expect(answer.text()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await expect(outbound.fetch(get(port))).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await expect(open(port).fetch(get(port))).resolves.toMatchObject({ status: 200 });
    const unused = open(port);
    unused.close();
    await expect(unused.fetch(get(port))).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });
});

it("any bytes arrive as they were sent, however they are cut and packed", async () => {
  const port = await serve(async (incoming, outgoing) => {
    const pieces: Uint8Array[] = [];
    for await (const piece of incoming) pieces.push(piece);
    const coding = incoming.headers["x-coding"];
    const bytes = Buffer.concat(pieces);
    if (coding === "gzip") outgoing.setHeader("content-encoding", "gzip").end(gzipSync(bytes));
    else outgoing.end(bytes);
  });
  const outbound = open(port);
  const piecesOf = fc.array(fc.uint8Array({ maxLength: 20_000, size: "max" }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(piecesOf, fc.boolean(), fc.boolean(), async (pieces, isPacked, isSlow) => {
      const left = [...pieces];
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          if (isSlow) await new Promise((resolve) => setImmediate(resolve));
          const piece = left.shift();
          if (piece) controller.enqueue(piece.slice());
          else controller.close();
        },
      });
      const init = { method: "PUT", body, duplex: "half", headers: isPacked ? { "x-coding": "gzip" } : {} };
      const answer = await outbound.fetch(new Request(get(port).url, init as RequestInit));
      expect(Buffer.from(await answer.arrayBuffer()).equals(Buffer.concat(pieces))).toBe(true);
      expect(outbound.running).toBe(0);
    }),
    { numRuns: 60 },
  );
});
