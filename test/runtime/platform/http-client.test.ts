import { createServer, type RequestListener } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it, test, vi } from "vitest";
import { platform } from "#platform";
import { DawnletError } from "../../../kernels/errors.ts";
import type { HttpClient, HttpClientOptions } from "../../../runtime/platform/platform.ts";
import { openHttpClient, type Resolve } from "../../../runtime/platform/posix-http-client.ts";
import { selfSigned } from "./self-signed.ts";

const ends: (() => void)[] = [];

afterEach(() => {
  for (const end of ends.splice(0).reverse()) end();
});

async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ends.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

const serve = (handler: RequestListener) => listen(createServer(handler));

/** Answers each request with these bytes, and ends the connection. */
const serveBytes = (bytes: string) =>
  listen(createTcpServer((socket) => socket.once("data", () => socket.end(Buffer.from(bytes, "latin1")))));

const toLoopback: Resolve = async () => [{ address: "127.0.0.1", family: 4 }];

function open(options: Partial<HttpClientOptions> = {}, resolve: Resolve = toLoopback): HttpClient {
  const client = openHttpClient({ checkAddress: () => {}, connectTimeoutMs: 5000, ...options }, resolve);
  ends.push(() => client.close());
  return client;
}

/** What the server saw: the head as it was sent, in the order in which it was. */
async function seenBy(request: (port: number) => Request): Promise<{ head: string[]; body: string }> {
  const seen = Promise.withResolvers<{ head: string[]; body: string }>();
  const port = await serve(async (incoming, outgoing) => {
    const body = await text(incoming);
    outgoing.end();
    const { rawHeaders: raw } = incoming;
    const names = raw.filter((_, i) => i % 2 === 0);
    seen.resolve({
      head: names.map((name, i) => `${name.toLowerCase()}: ${raw[2 * i + 1]}`.replace(String(port), "PORT")),
      body,
    });
  });
  await open().fetch(request(port));
  return seen.promise;
}

describe("`HttpClient.fetch()` carries", () => {
  it("method, path, headers, body; status, headers and body of the answer", async () => {
    const port = await serve(async (incoming, outgoing) => {
      outgoing.writeHead(418, "Short and stout", [
        ...["x-a", "1", "set-cookie", "a=1", "set-cookie", "b=2", "x-latin", "\xe9"],
        ...["connection", "x-hop", "x-hop", "1", "keep-alive", "timeout=9", "proxy-authenticate", "Basic"],
      ]);
      outgoing.end(`${incoming.method} ${incoming.url} ${incoming.headers["x-b"]} ${await text(incoming)}`);
    });
    const answer = await open().fetch(
      new Request(`http://example.test:${port}/a%20b?c=d#e`, {
        method: "PUT",
        headers: { "x-b": "2" },
        body: "body",
      }),
    );
    expect([answer.status, answer.statusText]).toEqual([418, "Short and stout"]);
    const headers = [...answer.headers].filter(([name]) => name !== "date");
    expect(headers).toEqual([
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
      ["x-a", "1"],
      ["x-latin", "\xe9"],
    ]);
    expect(await answer.text()).toBe("PUT /a%20b?c=d 2 body");
  });

  it("no header that concerns the connection, whatever the caller sets", async () => {
    const { head } = await seenBy(
      (port) =>
        new Request(`http://example.test:${port}/`, {
          headers: {
            ...{ host: "evil.test", connection: "x-hop", "x-hop": "1", "keep-alive": "1", te: "trailers" },
            ...{
              expect: "100-continue",
              upgrade: "h2c",
              "transfer-encoding": "chunked",
              "content-length": "7",
            },
            ...{ "proxy-authorization": "x", "proxy-connection": "x", trailer: "x", "http2-settings": "x" },
            ...{ "x-kept": "1", cookie: "a=b", authorization: "Bearer x", "user-agent": "me" },
          },
        }),
    );
    expect(head.sort()).toEqual([
      "accept: */*",
      "authorization: Bearer x",
      "connection: keep-alive",
      "cookie: a=b",
      "host: example.test:PORT",
      "user-agent: me",
      "x-kept: 1",
    ]);
  });

  it("a body that is there at once, with its length", async () => {
    for (const method of ["POST", "DELETE", "PROPFIND"]) {
      const { head, body } = await seenBy(
        (port) => new Request(`http://a.test:${port}/`, { method, body: "whole" }),
      );
      expect(body).toBe("whole");
      expect(head).toContain("content-length: 5");
      expect(head.join()).not.toContain("transfer-encoding");
    }
  });

  it("a body that comes later in chunks, and with its length where the caller has declared it", async () => {
    const streamed = (length: Record<string, string>) => (port: number) =>
      new Request(`http://a.test:${port}/`, {
        method: "DELETE",
        headers: length,
        body: slowly("ab", "cd", "e"),
        duplex: "half",
      } as RequestInit);
    const chunked = await seenBy(streamed({}));
    expect(chunked.body).toBe("abcde");
    expect(chunked.head).toContain("transfer-encoding: chunked");
    const declared = await seenBy(streamed({ "content-length": "5" }));
    expect(declared.body).toBe("abcde");
    expect(declared.head).toContain("content-length: 5");
    expect(declared.head.join()).not.toContain("transfer-encoding");
  });

  it("a POST without a body as one of no bytes", async () => {
    const { head } = await seenBy((port) => new Request(`http://a.test:${port}/`, { method: "POST" }));
    expect(head).toContain("content-length: 0");
  });

  it("answers without bodies, and the connection stays", async () => {
    const ports = new Set<number>();
    const port = await serve((incoming, outgoing) => {
      ports.add(incoming.socket.remotePort!);
      const isText = incoming.url === "/text";
      outgoing.writeHead(
        isText ? 200 : Number(incoming.url!.slice(1)),
        isText ? { "content-length": 4 } : {},
      );
      outgoing.end(isText ? "text" : undefined);
    });
    const client = open();
    for (const path of ["/204", "/304"]) {
      const answer = await client.fetch(new Request(`http://a.test:${port}${path}`));
      expect(answer.body).toBeNull();
      await connectionIsBack();
    }
    const head = await client.fetch(new Request(`http://a.test:${port}/text`, { method: "HEAD" }));
    expect(head.body).toBeNull();
    await connectionIsBack();
    expect(await (await client.fetch(new Request(`http://a.test:${port}/text`))).text()).toBe("text");
    expect(ports.size).toBe(1);
  });

  it("large bodies both ways at once, each held back by its reader", async () => {
    const sizeBytes = 64 * 2 ** 20;
    const port = await serve((incoming, outgoing) => void incoming.pipe(outgoing));
    let pulled = 0;
    const body = new ReadableStream({
      pull(controller) {
        pulled += 2 ** 16;
        controller.enqueue(new Uint8Array(2 ** 16).fill(pulled / 2 ** 16));
        if (pulled === sizeBytes) controller.close();
      },
    });
    const answer = await open().fetch(
      new Request(`http://a.test:${port}/`, { method: "POST", body, duplex: "half" } as RequestInit),
    );
    await vi.waitFor(async () => {
      const before = pulled;
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(pulled).toBe(before);
    });
    // Nobody reads: what is on its way fits the buffers of two sockets and two programs.
    expect(pulled).toBeLessThan(sizeBytes / 2);
    let received = 0;
    let isSame = true;
    for await (const piece of answer.body!) {
      for (const byte of piece) isSame &&= byte === ((Math.floor(received++ / 2 ** 16) + 1) & 255);
    }
    expect([received, isSame]).toEqual([sizeBytes, true]);
  });

  it("informational answers to nobody", async () => {
    const port = await serveBytes(
      "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    );
    const answer = await open().fetch(new Request(`http://a.test:${port}/`));
    expect([answer.status, await answer.text()]).toEqual([200, "ok"]);
  });
});

describe("addresses", () => {
  it("each is checked before anything connects to it, and one that is refused is not connected to", async () => {
    const onConnection = vi.fn();
    const server = createServer((_, outgoing) => outgoing.end("reached"));
    server.on("connection", onConnection);
    const port = await listen(server);
    const checked: string[] = [];
    const refused = new DawnletError("HOST_NOT_ALLOWED", "Not there");
    let isAllowed = false;
    const checkAddress = (address: string, url: URL): void => {
      checked.push(`${url.hostname} ${address}`);
      if (!isAllowed) throw refused;
    };
    const client = open({ checkAddress });
    for (const host of ["a.test", "127.0.0.1", "0x7f.1"])
      await expect(client.fetch(new Request(`http://${host}:${port}/`))).rejects.toBe(refused);
    expect(onConnection).not.toHaveBeenCalled();
    expect(checked).toEqual(["a.test 127.0.0.1", "127.0.0.1 127.0.0.1", "127.0.0.1 127.0.0.1"]);
    isAllowed = true;
    expect(await (await client.fetch(new Request(`http://a.test:${port}/`))).text()).toBe("reached");
  });

  it("a name is looked up once a connection: another answer the next time is not gone by", async () => {
    const port = await serve((_, outgoing) => outgoing.end("reached"));
    const answers = ["127.0.0.1", "127.0.0.2"];
    const resolve = vi.fn<Resolve>(async () => [{ address: answers.shift()!, family: 4 }]);
    const checked: string[] = [];
    const client = open({ checkAddress: (address) => void checked.push(address) }, resolve);
    expect(await (await client.fetch(new Request(`http://a.test:${port}/`))).text()).toBe("reached");
    expect(resolve).toHaveBeenCalledOnce();
    expect(checked).toEqual(["127.0.0.1"]);
  });

  it("a name is refused where one of its addresses is", async () => {
    const port = await serve((_, outgoing) => outgoing.end());
    const resolve: Resolve = async () => [
      { address: "127.0.0.1", family: 4 },
      { address: "10.0.0.1", family: 4 },
    ];
    const checkAddress = (address: string): void => {
      if (address === "10.0.0.1") throw new DawnletError("HOST_NOT_ALLOWED", "Not there");
    };
    await expect(
      open({ checkAddress }, resolve).fetch(new Request(`http://a.test:${port}/`)),
    ).rejects.toMatchObject({ code: "HOST_NOT_ALLOWED" });
  });

  it("the system's own look-up finds `localhost`", async () => {
    const port = await serve((_, outgoing) => outgoing.end("reached"));
    const checked: string[] = [];
    const client = await platform.openHttpClient({
      checkAddress: (address) => void checked.push(address),
      connectTimeoutMs: 5000,
    });
    ends.push(() => client.close());
    expect(await (await client.fetch(new Request(`http://localhost:${port}/`))).text()).toBe("reached");
    expect(checked).toContain("127.0.0.1");
  });
});

describe("connections", () => {
  it("are kept for the next request, and ended by `close()`", async () => {
    const sockets = new Set<Socket>();
    const port = await serve((incoming, outgoing) => {
      sockets.add(incoming.socket);
      outgoing.end("x");
    });
    const client = open();
    for (let i = 0; i < 3; i++) await (await client.fetch(new Request(`http://a.test:${port}/`))).text();
    expect(sockets.size).toBe(1);
    client.close();
    await vi.waitFor(() => expect([...sockets].every((socket) => socket.destroyed)).toBe(true));
    await expect(client.fetch(new Request(`http://a.test:${port}/`))).rejects.toMatchObject({
      code: "UNAVAILABLE",
    });
  });

  it("that the server has ended meanwhile are replaced, where the request may be repeated", async () => {
    const asked: string[] = [];
    const port = await serve((incoming, outgoing) => {
      const connection = `${incoming.socket.remotePort}`;
      // The second request on a connection finds it closed.
      if (asked.includes(connection)) incoming.socket.destroy();
      else outgoing.end("x");
      asked.push(connection);
    });
    const client = open();
    const ask = async (method: string): Promise<string> => {
      const answer = await client.fetch(new Request(`http://a.test:${port}/`, { method }));
      const body = await answer.text();
      await connectionIsBack();
      return body;
    };
    expect(await ask("GET")).toBe("x");
    expect(await ask("GET")).toBe("x");
    expect(asked.length).toBe(3);
    await expect(ask("POST")).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(asked.length).toBe(4);
  });

  it("a request that is aborted on a kept connection is not sent again", async () => {
    const asked: string[] = [];
    const arrived = Promise.withResolvers<void>();
    const port = await serve((incoming, outgoing) => {
      asked.push(`${incoming.method} ${incoming.socket.remotePort}`);
      if (asked.length === 1) outgoing.end("x");
      else arrived.resolve();
    });
    const client = open();
    await (await client.fetch(new Request(`http://a.test:${port}/`))).text();
    await connectionIsBack();
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = expect(
      client.fetch(new Request(`http://a.test:${port}/`, { method: "POST", body: "x", signal })),
    ).rejects.toMatchObject({ code: "CANCELLED" });
    await arrived.promise;
    controller.abort();
    await waiting;
    await connectionIsBack();
    const [, connection] = asked[0]!.split(" ");
    expect(asked).toEqual([`GET ${connection}`, `POST ${connection}`]);
  });

  it("a request that waits is ended by `close()`", async () => {
    const arrived = Promise.withResolvers<void>();
    const port = await serve(() => arrived.resolve());
    const client = open();
    const waiting = expect(client.fetch(new Request(`http://a.test:${port}/`))).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: "Cannot finish the request as its sender is stopping",
    });
    await arrived.promise;
    client.close();
    await waiting;
  });
});

describe("aborting", () => {
  const reason = new DawnletError("DEADLINE_EXCEEDED", "Too late");

  it("before the answer ends the request, and the server sees it", async () => {
    const closed = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    const port = await serve((incoming) => {
      incoming.socket.once("close", () => closed.resolve());
      arrived.resolve();
    });
    const controller = new AbortController();
    const waiting = expect(
      open().fetch(new Request(`http://a.test:${port}/`, { signal: controller.signal })),
    ).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED", message: "Too late" });
    await arrived.promise;
    controller.abort(reason);
    await waiting;
    await closed.promise;
  });

  it("after the head ends the body", async () => {
    const port = await serve((_, outgoing) => void outgoing.write("begin"));
    const controller = new AbortController();
    const { signal } = controller;
    const answer = await open().fetch(new Request(`http://a.test:${port}/`, { signal }));
    const reader = answer.body!.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("begin");
    controller.abort();
    await expect(reader.read()).rejects.toMatchObject({ code: "CANCELLED" });
  });

  it("before anything sends nothing", async () => {
    const resolve = vi.fn(toLoopback);
    await expect(
      open({}, resolve).fetch(new Request("http://a.test/", { signal: AbortSignal.abort() })),
    ).rejects.toMatchObject({ code: "CANCELLED" });
    expect(resolve).not.toHaveBeenCalled();
  });

  it("cancelling the body ends the connection, and cancels the body that is being sent", async () => {
    const closed = Promise.withResolvers<void>();
    const port = await serve((incoming, outgoing) => {
      incoming.socket.once("close", () => closed.resolve());
      incoming.resume();
      outgoing.write("begin");
    });
    const cancelled = Promise.withResolvers<void>();
    const body = new ReadableStream({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        controller.enqueue(new Uint8Array(10));
      },
      cancel: () => cancelled.resolve(),
    });
    const request = new Request(`http://a.test:${port}/`, {
      method: "POST",
      body,
      duplex: "half",
    } as RequestInit);
    const answer = await open().fetch(request);
    await answer.body!.cancel();
    await closed.promise;
    await cancelled.promise;
  });
});

describe("errors", () => {
  it("a name without an address", async () => {
    const resolve: Resolve = async () => {
      throw Object.assign(new Error("getaddrinfo ENOTFOUND a.test"), { code: "ENOTFOUND" });
    };
    await expect(open({}, resolve).fetch(new Request("http://a.test/x?key=1"))).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: "Cannot fetch 'http://a.test/x' as its name has no address",
    });
    await expect(open({}, async () => []).fetch(new Request("http://a.test/"))).rejects.toMatchObject({
      code: "UNAVAILABLE",
    });
  });

  it("a port on which nothing listens: no address is told", async () => {
    const server = createServer();
    const port = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    await expect(open().fetch(new Request(`http://a.test:${port}/`))).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: `Cannot fetch 'http://a.test:${port}/' as the connection was refused`,
    });
  });

  it("a name that takes too long", async () => {
    const never: Resolve = () => new Promise(() => {});
    await expect(
      open({ connectTimeoutMs: 50 }, never).fetch(new Request("http://a.test/")),
    ).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
      message: "Cannot fetch 'http://a.test/' as connecting took too long",
    });
  });

  it("a server that never answers the beginning of TLS, beside one that is slow to answer a request", async () => {
    const silent = await listen(createTcpServer(() => {}));
    const client = open({ connectTimeoutMs: 200 });
    await expect(client.fetch(new Request(`https://a.test:${silent}/`))).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
    });
    const slow = await serve((_, outgoing) => void setTimeout(() => outgoing.end("late"), 400));
    expect(await (await client.fetch(new Request(`http://a.test:${slow}/`))).text()).toBe("late");
  });

  it.each([
    ["nothing", ""],
    ["no HTTP", "garbage\r\n\r\n"],
    ["a status that there is not", "HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n"],
    ["another protocol", "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"],
    ["two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"],
    ["too long a head", `HTTP/1.1 200 OK\r\nx: ${"x".repeat(100_000)}\r\n\r\n`],
  ])("an answer that is none: %s", async (_, bytes) => {
    const port = await serveBytes(bytes);
    await expect(open().fetch(new Request(`http://a.test:${port}/`))).rejects.toMatchObject({
      code: "UNAVAILABLE",
    });
  });

  it.each([
    "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
  ])("an answer that breaks off: %j", async (bytes) => {
    const port = await serveBytes(bytes);
    const answer = await open().fetch(new Request(`http://a.test:${port}/`));
    await expect(answer.text()).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  it.each([
    ["3", "more"],
    ["9", "fewer"],
  ])("a body that is not of its declared length of %s", async (length, than) => {
    let body = "";
    const port = await serve((incoming) => {
      incoming.on("data", (piece) => {
        body += piece;
      });
      incoming.on("error", () => {});
    });
    const request = new Request(`http://a.test:${port}/`, {
      method: "POST",
      headers: { "content-length": length },
      body: slowly("ab", "cd"),
      duplex: "half",
    } as RequestInit);
    await expect(open().fetch(request)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: `Cannot send the body as it has ${than} bytes than its content-length of ${length} says`,
    });
    expect(body.length).toBeLessThanOrEqual(Number(length));
  });

  it("a body that fails while it is sent", async () => {
    const closed = Promise.withResolvers<void>();
    const port = await serve((incoming) => {
      incoming.on("error", () => {});
      incoming.socket.once("close", () => closed.resolve());
    });
    let pieces = 0;
    const body = new ReadableStream({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        if (pieces++ < 2) controller.enqueue(new Uint8Array(1));
        else controller.error(new DawnletError("CANCELLED", "Enough"));
      },
    });
    await expect(
      open().fetch(
        new Request(`http://a.test:${port}/`, { method: "POST", body, duplex: "half" } as RequestInit),
      ),
    ).rejects.toMatchObject({ code: "CANCELLED", message: "Enough" });
    await closed.promise;
  });
});

describe("TLS", () => {
  const { certificate, key } = selfSigned("secure.test");
  const serveSecure = () =>
    listen(createSecureServer({ cert: certificate, key }, (_, outgoing) => void outgoing.end("sealed")));

  it("a certificate that is trusted, of the name that is asked for", async () => {
    const port = await serveSecure();
    const client = open({ certificates: [certificate] });
    expect(await (await client.fetch(new Request(`https://secure.test:${port}/`))).text()).toBe("sealed");
  });

  it("one of another name, or of an address, is not taken", async () => {
    const port = await serveSecure();
    const client = open({ certificates: [certificate] });
    for (const host of ["other.test", "127.0.0.1"])
      await expect(client.fetch(new Request(`https://${host}:${port}/`))).rejects.toMatchObject({
        code: "UNAVAILABLE",
        message: `Cannot fetch 'https://${host}:${port}/' as its certificate is not trusted (ERR_TLS_CERT_ALTNAME_INVALID)`,
      });
  });

  it("nor is one that nobody vouches for", async () => {
    const port = await serveSecure();
    await expect(open().fetch(new Request(`https://secure.test:${port}/`))).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: `Cannot fetch 'https://secure.test:${port}/' as its certificate is not trusted (DEPTH_ZERO_SELF_SIGNED_CERT)`,
    });
  });

  it("a server without it is not spoken to in the open", async () => {
    const handler = vi.fn<RequestListener>((_, outgoing) => void outgoing.end());
    const port = await serve(handler);
    await expect(open().fetch(new Request(`https://a.test:${port}/`))).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: `Cannot fetch 'https://a.test:${port}/' as the server does not speak TLS`,
    });
    expect(handler).not.toHaveBeenCalled();
  });
});

test("a URL that is no URL of HTTP is an error, not a crash", async () => {
  const { method, headers, body, signal } = new Request("http://a.test/");
  for (const url of ["ftp://a.test/", "nothing"])
    await expect(open().fetch({ url, method, headers, body, signal })).rejects.toThrow();
});

/** An answer is there a few turns before its connection can be used again. */
const connectionIsBack = () => new Promise((resolve) => setTimeout(resolve, 50));

/** Each piece in a turn of its own, after some time. */
function slowly(...pieces: readonly string[]): ReadableStream<Uint8Array> {
  const left = [...pieces];
  return new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      const piece = left.shift();
      if (piece === undefined) controller.close();
      else controller.enqueue(new TextEncoder().encode(piece));
    },
  });
}
