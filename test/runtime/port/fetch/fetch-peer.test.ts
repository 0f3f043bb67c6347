/** HTTP over a Port: what arrives, in how many messages, and how it fails. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { DawnletError } from "../../../../kernels/errors.ts";
import { FetchPeer } from "../../../../runtime/port/fetch/fetch-peer.ts";
import type { Port } from "../../../../runtime/port/port.ts";
import {
  carriers,
  controlled,
  messagePorts,
  type PeerPair,
  peers,
  post,
  settled,
  untilIdle,
} from "./peer-pair.ts";

const url = "http://localhost/a/b?c=d";
const echo = async (request: Request): Promise<Response> =>
  new Response(request.body, { headers: { method: request.method } });

describe.for(Object.entries(carriers))("requests over %s", ([, connect]) => {
  test("arrive with method, URL, headers and body, and responses come back with theirs", async () => {
    const { client, server } = peers(
      async (request) => {
        const seen = { method: request.method, url: request.url, headers: [...request.headers] };
        expect(await request.text()).toBe("héllo");
        const headers = new Headers([
          ["set-cookie", "a=1"],
          ["x-one", "é"],
          ["set-cookie", "b=2"],
        ]);
        headers.set("seen", encodeURIComponent(JSON.stringify(seen)));
        return new Response("wörld", { status: 207, statusText: "Several", headers });
      },
      { connect },
    );
    const request = post(url, "héllo", { "x-two": "2", host: "example.com", cookie: "c=3" });
    const response = await client.fetch(request);
    expect(response.status).toBe(207);
    expect(response.statusText).toBe("Several");
    expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
    expect(response.headers.get("x-one")).toBe("é");
    expect(await response.text()).toBe("wörld");
    const seen = JSON.parse(decodeURIComponent(response.headers.get("seen")!));
    expect(seen).toMatchObject({ method: "POST", url });
    expect(seen.headers).toEqual(
      expect.arrayContaining([
        ["x-two", "2"],
        ["host", "example.com"],
        ["cookie", "c=3"],
      ]),
    );
    await untilIdle(client, server);
    client.close();
  });

  test("that are small travel as one message each way, and many of one turn together", async () => {
    const { client, sent, received } = peers(echo, { connect });
    const body = new Uint8Array(1000).fill(7);
    const length = { "content-length": "1000" };
    const response = await client.fetch(post(url, body, length));
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(body);
    expect([sent.length, received.length]).toEqual([1, 1]);

    const many = await Promise.all(Array.from({ length: 20 }, () => client.fetch(post(url, body))));
    for (const each of many) expect(new Uint8Array(await each.arrayBuffer())).toEqual(body);
    expect([sent.length, received.length]).toEqual([2, 2]);

    // A body of several chunks that are there already is none to stream either.
    const chunks = controlled();
    for (const text of ["a", "b", "c"]) chunks.write(text);
    chunks.end();
    expect(await (await client.fetch(post(url, chunks.stream))).text()).toBe("abc");
    expect([sent.length, received.length]).toEqual([3, 3]);
    client.close();
  });

  test("whose length is small wait for their body, others leave without it", async () => {
    const { client, sent } = peers(async (request) => new Response(await request.text()), { connect });
    const slow = controlled();
    const stated = client.fetch(post(url, slow.stream, { "content-length": "2" }));
    slow.write("a");
    await settled();
    expect(sent).toHaveLength(0);
    slow.write("b");
    slow.end();
    expect(await (await stated).text()).toBe("ab");
    expect(sent).toHaveLength(1);

    const unknown = controlled();
    const unstated = client.fetch(post(url, unknown.stream));
    await settled();
    expect(sent).toHaveLength(2);
    unknown.write("c");
    unknown.end();
    expect(await (await unstated).text()).toBe("c");
    client.close();
  });

  test("stream both ways at once, each chunk when it is written", async () => {
    const { client, server } = peers(echo, { connect });
    const body = controlled();
    const response = await client.fetch(post(url, body.stream));
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    for (const text of ["one", "two", "three"]) {
      body.write(text);
      expect(await reader.read()).toEqual({ done: false, value: text });
    }
    expect([client.active, server.active]).toEqual([1, 1]);
    body.end();
    expect((await reader.read()).done).toBe(true);
    await untilIdle(client, server);
    client.close();
  });

  test("bring large bodies there and back as they were", async () => {
    const { client, server } = peers(echo, { connect });
    const bytes = new Uint8Array(5_000_001).map((_, index) => index % 251);
    const response = await client.fetch(post(url, bytes));
    expect(Buffer.compare(new Uint8Array(await response.arrayBuffer()), bytes)).toBe(0);
    await untilIdle(client, server);
    client.close();
  });

  test("fail with what the handler throws: the code of a DawnletError, INTERNAL for all else", async () => {
    const thrown: Record<string, unknown> = {
      own: new DawnletError("QUEUE_FULL", "Cannot queue it", { details: { retryAfterMs: 5 } }),
      foreign: new TypeError("oops"),
      text: "just text",
      nothing: Object.create(null),
    };
    const { client } = peers(
      (request) => {
        throw thrown[new URL(request.url).pathname.slice(1)];
      },
      { connect },
    );
    const call = (name: string) => client.fetch(new Request(`http://localhost/${name}`));
    await expect(call("own")).rejects.toMatchObject({
      name: "DawnletError",
      code: "QUEUE_FULL",
      message: "Cannot queue it",
      details: { retryAfterMs: 5 },
    });
    await expect(call("foreign")).rejects.toMatchObject({ code: "INTERNAL", message: "oops" });
    await expect(call("text")).rejects.toMatchObject({ code: "INTERNAL", message: "just text" });
    await expect(call("nothing")).rejects.toMatchObject({ code: "INTERNAL" });
    expect(client.active).toBe(0);
    client.close();
  });

  test("and open bodies fail with UNAVAILABLE when the Port closes", async () => {
    const body = controlled();
    const cancelled: unknown[] = [];
    const { client, server, ports } = peers(
      (request) => {
        request.signal.addEventListener("abort", () => cancelled.push(request.signal.reason));
        return request.url.endsWith("/never") ? new Promise(() => {}) : new Response(body.stream);
      },
      { connect },
    );
    const whole = await client.fetch(new Request("http://localhost/stream"));
    body.write("first");
    const never = client.fetch(new Request("http://localhost/never"));
    const reader = whole.body!.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("first");
    await settled();
    ports.right.close();
    const closed = {
      code: "UNAVAILABLE",
      message: "Cannot finish the request as the connection has closed",
    };
    await expect(never).rejects.toMatchObject(closed);
    await expect(reader.read()).rejects.toMatchObject(closed);
    await expect(client.fetch(new Request(url))).rejects.toMatchObject(closed);
    expect(await body.cancelled).toMatchObject(closed);
    expect(cancelled).toMatchObject([closed, closed]);
    expect([client.active, server.active]).toEqual([0, 0]);
  });
});

test("both sides ask and answer over one Port", async () => {
  const { left, right } = messagePorts();
  const one = new FetchPeer({ port: left, serve: () => new Response("one") });
  const two: FetchPeer = new FetchPeer({
    port: right,
    serve: async () => new Response(`two, ${await (await two.fetch(new Request(url))).text()}`),
  });
  expect(await (await one.fetch(new Request(url))).text()).toBe("two, one");
  expect([one.active, two.active]).toEqual([0, 0]);
  one.close();
});

test("a side without `serve` refuses requests", async () => {
  const { client, server } = peers(() => new Response("fine"));
  await expect(server.fetch(new Request(url))).rejects.toMatchObject({ code: "UNSUPPORTED" });
  expect(await (await client.fetch(new Request(url))).text()).toBe("fine");
  client.close();
});

test("responses to HEAD and with status 204, 205 and 304 have no body, others do", async () => {
  const dropped = controlled();
  const { client, received } = peers((request) => {
    if (request.method === "HEAD")
      return new Response(dropped.stream, { headers: { "content-length": "9" } });
    const status = Number(new URL(request.url).pathname.slice(1));
    return new Response(status === 200 ? "" : null, { status });
  });
  const head = await client.fetch(new Request(url, { method: "HEAD" }));
  expect(head.headers.get("content-length")).toBe("9");
  expect(head.body).toBeNull();
  await dropped.cancelled;
  for (const status of [204, 205, 304, 404]) {
    const response = await client.fetch(new Request(`http://localhost/${status}`));
    expect(response.status).toBe(status);
    expect(response.body).toBeNull();
  }
  const empty = await client.fetch(new Request("http://localhost/200"));
  expect(empty.body).not.toBeNull();
  expect(await empty.text()).toBe("");
  expect(received).toHaveLength(6);
  client.close();
});

test("a redirect is handed on as it is, and the handler's request does not follow any", async () => {
  const { client } = peers(
    (request) => new Response(null, { status: 302, headers: { location: "/x", mode: request.redirect } }),
  );
  const response = await client.fetch(new Request(url));
  expect([response.status, response.headers.get("location")]).toEqual([302, "/x"]);
  expect(response.headers.get("mode")).toBe("manual");
  client.close();
});

test("what is no Response that can be sent is an INTERNAL error, and a sound one is not", async () => {
  const read = new Response("read");
  await read.text();
  const locked = new Response("locked");
  locked.body!.getReader();
  const hundred = Object.create(new Response("early"), { status: { value: 101 } });
  const answers: Record<string, unknown> = {
    error: Response.error(),
    nothing: undefined,
    other: { status: 200 },
    text: new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue("text"),
      }),
    ),
    read,
    locked,
    hundred,
    sound: new Response("sound"),
  };
  const { client } = peers((request) => answers[new URL(request.url).pathname.slice(1)] as Response);
  const call = async (name: string) => (await client.fetch(new Request(`http://localhost/${name}`))).text();
  for (const name of Object.keys(answers).filter((each) => each !== "sound"))
    await expect(call(name), name).rejects.toMatchObject({ code: "INTERNAL" });
  expect(await call("sound")).toBe("sound");
  expect(client.active).toBe(0);
  client.close();
});

test("a body that fails at its source fails at its reader, after what came before, with its message", async () => {
  const body = controlled();
  const { client, server } = peers(() => new Response(body.stream));
  const response = await client.fetch(new Request(url));
  const reader = response.body!.getReader();
  body.write("kept");
  await settled();
  body.fail(new Error("the disk is gone"));
  expect(new TextDecoder().decode((await reader.read()).value)).toBe("kept");
  await expect(reader.read()).rejects.toMatchObject({ code: "INTERNAL", message: "the disk is gone" });
  await untilIdle(client, server);

  const upload = controlled();
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const other = peers(async (request) => {
    await request.text().catch(resolve);
    return new Response("too late");
  });
  const call = other.client.fetch(post(url, upload.stream));
  upload.write("part");
  await settled();
  upload.fail(new DawnletError("CORRUPT_DATA", "the client lied"));
  await expect(call).rejects.toMatchObject({ code: "CORRUPT_DATA", message: "the client lied" });
  expect(await promise).toMatchObject({ code: "CORRUPT_DATA", message: "the client lied" });
  await untilIdle(other.client, other.server);
  client.close();
  other.client.close();
});

test("a reader that gives up is heard by the source, of a response and of a request", async () => {
  const down = controlled();
  const signals: AbortSignal[] = [];
  const { client, server } = peers((request) => {
    signals.push(request.signal);
    return new Response(down.stream);
  });
  const response = await client.fetch(new Request(url));
  down.write("x");
  await response.body!.cancel("enough");
  expect(await down.cancelled).toMatchObject({
    code: "CANCELLED",
    message: expect.stringContaining("enough"),
  });
  expect(signals[0]!.aborted).toBe(true);
  await untilIdle(client, server);
  client.close();

  const up = controlled();
  const other = peers(async (request) => {
    await request.body!.cancel(new Error("no more"));
    expect(await up.cancelled).toMatchObject({ message: expect.stringContaining("no more") });
    return new Response(String(request.signal.aborted));
  });
  // The request itself goes on.
  expect(await (await other.client.fetch(post(url, up.stream))).text()).toBe("false");
  other.client.close();
});

test("what is left of a request's body is cancelled once the response has come", async () => {
  const up = controlled();
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const { client, server } = peers((request) => {
    request.text().catch(resolve);
    return new Response("early");
  });
  expect(await (await client.fetch(post(url, up.stream))).text()).toBe("early");
  expect(await up.cancelled).toMatchObject({ code: "CANCELLED" });
  expect(await promise).toMatchObject({ code: "CANCELLED" });
  await untilIdle(client, server);
  client.close();
});

describe("aborting", () => {
  test("before, while it waits and while it streams cancels the other side, with the reason", async () => {
    const seen: unknown[] = [];
    const body = controlled();
    const { client, server } = peers((request, context) => {
      request.signal.addEventListener("abort", () => seen.push(request.signal.reason.code));
      context.done.then(() => seen.push("done"));
      return request.url.endsWith("/never") ? new Promise(() => {}) : new Response(body.stream);
    });
    const before = AbortSignal.abort();
    await expect(client.fetch(new Request(url), { signal: before })).rejects.toMatchObject({
      code: "CANCELLED",
    });

    const waiting = new AbortController();
    const never = client.fetch(new Request("http://localhost/never", { signal: waiting.signal }));
    await settled();
    expect(seen).toEqual([]);
    waiting.abort();
    await expect(never).rejects.toMatchObject({ code: "CANCELLED" });
    await settled();
    expect(seen).toEqual(["CANCELLED", "done"]);

    const streaming = new AbortController();
    const response = await client.fetch(new Request(url), { signal: streaming.signal });
    body.write("x");
    const reader = response.body!.getReader();
    await reader.read();
    streaming.abort(new DawnletError("DEADLINE_EXCEEDED", "Cannot wait any longer"));
    await expect(reader.read()).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    expect(await body.cancelled).toMatchObject({
      code: "DEADLINE_EXCEEDED",
      message: "Cannot wait any longer",
    });
    await settled();
    expect(seen).toEqual(["CANCELLED", "done", "DEADLINE_EXCEEDED", "done"]);
    expect([client.active, server.active]).toEqual([0, 0]);
    client.close();
  });

  test("in the turn of the call, or while its body is held back, leaves nothing behind", async () => {
    const { client, server, sent } = peers(echo);
    const atOnce = new AbortController();
    const first = client.fetch(new Request(url), { signal: atOnce.signal });
    atOnce.abort();
    await expect(first).rejects.toMatchObject({ code: "CANCELLED" });
    await settled();
    const before = sent.length;
    const held = controlled();
    const late = new AbortController();
    const second = client.fetch(post(url, held.stream, { "content-length": "3" }), { signal: late.signal });
    await settled();
    late.abort();
    await expect(second).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await held.cancelled).toMatchObject({ code: "CANCELLED" });
    await settled();
    expect(sent).toHaveLength(before);
    expect([client.active, server.active]).toEqual([0, 0]);
    client.close();
  });

  test("after the response has come does nothing", async () => {
    const { client, sent } = peers(echo);
    const controller = new AbortController();
    const response = await client.fetch(post(url, "body"), { signal: controller.signal });
    controller.abort();
    expect(await response.text()).toBe("body");
    await settled();
    expect(sent).toHaveLength(1);
    client.close();
  });

  test("reaches the other side, and who listens there, when nobody else holds the request any more", async () => {
    setFlagsFromString("--expose-gc");
    const collectGarbage = runInNewContext("gc") as () => void;
    const body = controlled();
    const heard = Promise.withResolvers<string>();
    const { client } = peers((request) => {
      request.signal.addEventListener("abort", () => heard.resolve("heard"));
      return new Response(body.stream);
    });
    const controller = new AbortController();
    const response = await client.fetch(new Request(url, { signal: controller.signal }));
    for (let round = 0; round < 3; round++) {
      await settled();
      collectGarbage();
    }
    controller.abort();
    await expect(response.text()).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await heard.promise).toBe("heard");
    client.close();
  });

  test("a handler that answers all the same has its response's body cancelled", async () => {
    const late = controlled();
    const answer = Promise.withResolvers<Response>();
    const { client } = peers(() => answer.promise);
    const controller = new AbortController();
    const call = client.fetch(new Request(url), { signal: controller.signal });
    await settled();
    controller.abort();
    await expect(call).rejects.toMatchObject({ code: "CANCELLED" });
    await settled();
    answer.resolve(new Response(late.stream));
    expect(await late.cancelled).toMatchObject({ code: "CANCELLED" });
    client.close();
  });
});

test("`done` settles only when the body has been sent, and the deadline is passed on", async () => {
  const body = controlled();
  const seen: unknown[] = [];
  const { client } = peers((_, context) => {
    seen.push(context.deadlineMs);
    context.done.then(() => seen.push("done"));
    return new Response(body.stream);
  });
  const response = await client.fetch(new Request(url), { deadlineMs: 1500 });
  await settled();
  expect(seen).toEqual([1500]);
  body.end();
  await response.text();
  await settled();
  expect(seen).toEqual([1500, "done"]);
  await client.fetch(new Request(url), { deadlineMs: Number.POSITIVE_INFINITY }).catch(() => {});
  expect(seen[2]).toBeUndefined();
  client.close();
});

test("a response over `responseLimitBytes` fails and is cancelled, one of that size is not", async () => {
  const endless = controlled();
  const { client, server } = peers((request) =>
    request.url.endsWith("/endless") ? new Response(endless.stream) : new Response("12345"),
  );
  const tooLarge = { code: "PAYLOAD_TOO_LARGE", message: expect.stringContaining("4 bytes") };
  await expect(client.fetch(new Request(url), { responseLimitBytes: 4 })).rejects.toMatchObject(tooLarge);
  expect(await (await client.fetch(new Request(url), { responseLimitBytes: 5 })).text()).toBe("12345");

  const response = await client.fetch(new Request("http://localhost/endless"), { responseLimitBytes: 4 });
  const reader = response.body!.getReader();
  endless.write("123");
  expect((await reader.read()).value).toHaveLength(3);
  endless.write("45");
  await expect(reader.read()).rejects.toMatchObject(tooLarge);
  expect(await endless.cancelled).toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
  await untilIdle(client, server);
  client.close();
});

test("requests beyond the limits are refused before they are sent, those within are not", async () => {
  const { client, sent } = peers((request) => new Response(String([...request.headers].length)), {
    limits: { requests: 2, headers: 3, headerBytes: 100, urlLength: 50 },
  });
  const call = (path: string, headers: Record<string, string> = {}) =>
    client.fetch(new Request(`http://localhost/${path}`, { headers }));
  const tooLarge = { code: "PAYLOAD_TOO_LARGE" };
  await expect(call("x".repeat(50))).rejects.toMatchObject(tooLarge);
  await expect(call("", { a: "1", b: "2", c: "3", d: "4" })).rejects.toMatchObject(tooLarge);
  await expect(call("", { a: "x".repeat(100) })).rejects.toMatchObject(tooLarge);
  const used = post(url, "x");
  await used.text();
  await expect(client.fetch(used)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(sent).toHaveLength(0);
  const within = [call("a", { a: "1", b: "2", c: "3" }), call("b", { a: "x".repeat(90) })];
  await expect(call("c")).rejects.toMatchObject({ code: "QUEUE_FULL" });
  expect(await (await within[0]!).text()).toBe("3");
  expect(await (await within[1]!).text()).toBe("1");
  expect(await (await call("c")).text()).toBe("0");
  client.close();
});

test("a response whose headers are too many is an INTERNAL error of its handler", async () => {
  const { client } = peers(
    (request) => new Response(null, { headers: Object.fromEntries(new URL(request.url).searchParams) }),
    {
      limits: { headers: 2 },
    },
  );
  const call = (query: string) => client.fetch(new Request(`http://localhost/?${query}`));
  await expect(call("a=1&b=2&c=3")).rejects.toMatchObject({ code: "INTERNAL" });
  expect((await call("a=1&b=2")).headers.get("b")).toBe("2");
  client.close();
});

describe("what the Port cannot take", () => {
  /** Takes no attachments of more than two bytes. */
  const narrow = (port: Port): Port => ({
    closed: port.closed,
    close: () => port.close(),
    receive: (receiver) => port.receive(receiver),
    send: (message) => {
      if (message.attachments.some(({ length }) => length > 2))
        throw new DawnletError("PAYLOAD_TOO_LARGE", "Cannot take it");
      port.send(message);
    },
  });
  const open = (): PeerPair => {
    const { left, right } = messagePorts();
    const ports = { left: narrow(left), right: narrow(right) };
    const serve = async (request: Request) => {
      await request.text();
      return new Response("x".repeat(Number(new URL(request.url).search.slice(1))));
    };
    return peers(serve, { connect: () => ports });
  };
  const refused = { status: "rejected", reason: { code: "PAYLOAD_TOO_LARGE", message: "Cannot take it" } };

  test("fails the request or the response that it belongs to, and no others of its turn", async () => {
    const { client } = open();
    const outcomes = await Promise.allSettled([
      client.fetch(post("http://localhost/?1", "xxx")),
      client.fetch(new Request("http://localhost/?3")),
      client.fetch(post("http://localhost/?1", "xx")),
    ]);
    expect(outcomes).toMatchObject([refused, refused, { status: "fulfilled" }]);
    expect(await (await client.fetch(new Request("http://localhost/?2"))).text()).toBe("xx");
    await untilIdle(client);
    client.close();
  });

  test("closes the Port where a part of a stream would be missing", async () => {
    const { client, server } = open();
    const body = controlled();
    const call = client.fetch(post("http://localhost/?1", body.stream));
    await settled();
    body.write("xx");
    await settled();
    expect([client.active, server.active]).toEqual([1, 1]);
    body.write("xxx");
    await expect(call).rejects.toMatchObject(refused.reason);
    await body.cancelled;
    await untilIdle(client, server);
    await expect(client.fetch(new Request(url))).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });
});
