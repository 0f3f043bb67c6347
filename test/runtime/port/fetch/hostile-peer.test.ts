/** A FetchPeer whose other side keeps to no rules: it cuts the Port off, and that is all that happens. */
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { firstCreditBytes, wholeBodyBytes } from "../../../../runtime/port/fetch/fetch-limits.ts";
import { FetchPeer } from "../../../../runtime/port/fetch/fetch-peer.ts";
import type { Message, Port } from "../../../../runtime/port/port.ts";
import { counted, messagePorts, settled } from "./peer-pair.ts";

const rejections: unknown[] = [];
const note = (error: unknown): void => {
  rejections.push(error);
};
beforeAll(() => {
  process.on("unhandledRejection", note);
});
afterAll(() => {
  process.off("unhandledRejection", note);
  expect(rejections).toEqual([]);
});

const url = "http://localhost/";
const bytes = (size: number): Uint8Array<ArrayBuffer> => new Uint8Array(size).fill(1);
const record = { code: "CANCELLED", message: "no more" };

interface Victim {
  readonly peer: FetchPeer;
  readonly raw: Port;
  readonly isClosed: () => boolean;
  readonly received: Message[];
  readonly served: Request[];
}

/** A peer that reads no bodies, answers `/stream` with an endless one and all else never. */
function victim(limits = {}): Victim {
  const { left, right } = messagePorts();
  let isClosed = false;
  const received: Message[] = [];
  const served: Request[] = [];
  right.closed.then(() => {
    isClosed = true;
  });
  right.receive((message) => received.push(message));
  const peer = new FetchPeer({
    port: left,
    limits,
    serve: (request) => {
      served.push(request);
      return request.url.endsWith("/stream")
        ? new Response(counted(1_000_000, 1000).stream)
        : new Promise<Response>(() => {});
    },
  });
  return { peer, raw: right, isClosed: () => isClosed, received, served };
}

type Send = readonly [header: unknown, ...attachments: Uint8Array[]];

async function play({ raw }: Victim, messages: readonly Send[]): Promise<void> {
  for (const [header, ...attachments] of messages) raw.send({ header, attachments });
  await settled();
}

const request = (
  id: unknown,
  body: unknown = "none",
  rest: Partial<Record<number, unknown>> = {},
): unknown[] => Object.assign(["request", id, body === "none" ? "GET" : "POST", url, [], null, body], rest);
const response = (
  id: unknown,
  body: unknown = "none",
  rest: Partial<Record<number, unknown>> = {},
): unknown[] => Object.assign(["response", id, 200, "", [], body], rest);
const credited = Math.floor(firstCreditBytes / 2);

/** What a caller may send, and what it is cut off for. */
const asCaller: Record<string, { fine: Send[]; bad: Send[] }> = {
  "a header that is a list of entries": { fine: [[[]]], bad: [[{ calls: [] }]] },
  "known kinds of entries": { fine: [[[request(1)]]], bad: [[[["push", 1]]]] },
  "ids that are whole numbers": { fine: [[[request(7)]]], bad: [[[request(1.5)]]] },
  "ids of its own": { fine: [[[request(1)]]], bad: [[[request(-1)]]] },
  "each id once": { fine: [[[request(1), request(2)]]], bad: [[[request(1), request(1)]]] },
  "ids upwards": { fine: [[[request(2)]], [[request(3)]]], bad: [[[request(2)]], [[request(1)]]] },
  "methods that there are": {
    fine: [[[request(1, "none", { 2: "PATCH" })]]],
    bad: [[[request(1, "none", { 2: "A B" })]]],
  },
  "methods that Request takes": { fine: [[[request(1)]]], bad: [[[request(1, "none", { 2: "CONNECT" })]]] },
  "absolute URLs": {
    fine: [[[request(1, "none", { 3: "https://x/y" })]]],
    bad: [[[request(1, "none", { 3: "/y" })]]],
  },
  "URLs of bounded length": {
    fine: [[[request(1, "none", { 3: url + "x".repeat(16_000) })]]],
    bad: [[[request(1, "none", { 3: url + "x".repeat(17_000) })]]],
  },
  "headers with sound names": {
    fine: [[[request(1, "none", { 4: [["a-b", "c"]] })]]],
    bad: [[[request(1, "none", { 4: [["a b", "c"]] })]]],
  },
  "headers with sound values": {
    fine: [[[request(1, "none", { 4: [["a", "b c"]] })]]],
    bad: [[[request(1, "none", { 4: [["a", "b\r\nc: d"]] })]]],
  },
  "headers as pairs of text": {
    fine: [[[request(1, "none", { 4: [["a", "1"]] })]]],
    bad: [[[request(1, "none", { 4: [["a", 1]] })]]],
  },
  "so many headers": {
    fine: [[[request(1, "none", { 4: Array(256).fill(["a", "b"]) })]]],
    bad: [[[request(1, "none", { 4: Array(257).fill(["a", "b"]) })]]],
  },
  "headers of such a size": {
    fine: [[[request(1, "none", { 4: [["a", "b".repeat(60_000)]] })]]],
    bad: [[[request(1, "none", { 4: [["a", "b".repeat(66_000)]] })]]],
  },
  "deadlines that lie ahead": {
    fine: [[[request(1, "none", { 5: 10 })]]],
    bad: [[[request(1, "none", { 5: -10 })]]],
  },
  "GET without a body": {
    fine: [[[request(1, "whole")], bytes(3)]],
    bad: [[[request(1, "whole", { 2: "GET" })], bytes(3)]],
  },
  "small bodies with their head": {
    fine: [[[request(1, "whole")], bytes(wholeBodyBytes)]],
    bad: [[[request(1, "whole")], bytes(wholeBodyBytes + 1)]],
  },
  "the attachments that it says": {
    fine: [[[request(1, "whole")], bytes(3)]],
    bad: [[[request(1, "whole")]]],
  },
  "no attachments beside": { fine: [[[request(1)]]], bad: [[[request(1)], bytes(3)]] },
  "so many requests": {
    fine: [[Array.from({ length: 1024 }, (_, index) => request(index + 1))]],
    bad: [[Array.from({ length: 1025 }, (_, index) => request(index + 1))]],
  },
  "as much as it has credit for": {
    fine: [[[request(1, "stream"), ["data", 1], ["data", 1]], bytes(credited), bytes(credited - 1000)]],
    bad: [[[request(1, "stream"), ["data", 1], ["data", 1]], bytes(credited), bytes(credited)]],
  },
  "as many tiny chunks as it has credit for": {
    fine: [[[request(1, "stream"), ...Array(1000).fill(["data", 1])], ...Array(1000).fill(bytes(1))]],
    bad: [[[request(1, "stream"), ...Array(1100).fill(["data", 1])], ...Array(1100).fill(bytes(1))]],
  },
  "bodies that it has announced": {
    fine: [[[request(1, "stream"), ["data", 1]], bytes(1)]],
    bad: [[[request(1, "none"), ["data", 1]], bytes(1)]],
  },
  "one end": {
    fine: [[[request(1, "stream"), ["end", 1]]]],
    bad: [[[request(1, "stream"), ["end", 1], ["end", 1]]]],
  },
  "nothing after the end": {
    fine: [[[request(1, "stream"), ["data", 1], ["end", 1]], bytes(1)]],
    bad: [[[request(1, "stream"), ["end", 1], ["data", 1]], bytes(1)]],
  },
  "nothing about requests that it has not sent": {
    fine: [[[request(1), ["abort", 1, record]]]],
    bad: [[[["abort", 1, record]]]],
  },
  "late words about what is over": {
    fine: [
      [[request(1, "stream"), ["abort", 1, record]]],
      [
        [
          ["data", 1],
          ["end", 1],
          ["credit", 1, 5],
          ["abort", 1, record],
        ],
        bytes(9),
      ],
    ],
    bad: [[[request(1, "stream"), ["abort", 1, record], ["data", 2]], bytes(9)]],
  },
  "no answers to what it was not asked": { fine: [[[request(1)]]], bad: [[[response(-1)]]] },
  "errors with code and message": {
    fine: [[[request(1), ["abort", 1, { code: "WHAT", message: "x", details: { deep: { er: 1 } } }]]]],
    bad: [[[request(1), ["abort", 1, { code: "CANCELLED" }]]]],
  },
  "credit for bodies that come": {
    fine: [[[request(1, "none", { 3: `${url}stream` })]], [[["credit", 1, 100_000]]]],
    bad: [[[request(1), ["credit", 1, 100_000]]]],
  },
  "credit of a sound size": {
    fine: [[[request(1, "none", { 3: `${url}stream` })]], [[["credit", 1, 1_000_000]]]],
    bad: [[[request(1, "none", { 3: `${url}stream` })]], [[["credit", 1, 1e15]]]],
  },
  "credit of a sound sum": {
    fine: [[[request(1, "none", { 3: `${url}stream` })]], [[["credit", 1, 1_000_000]]]],
    bad: [
      [[request(1, "none", { 3: `${url}stream` })]],
      [
        [
          ["credit", 1, 2 ** 32],
          ["credit", 1, 2 ** 32],
        ],
      ],
    ],
  },
};

test.for(Object.entries(asCaller))(
  "a caller may send %s, and is cut off for else",
  async ([, { fine, bad }]) => {
    const sound = victim();
    await play(sound, fine);
    expect(sound.isClosed()).toBe(false);
    sound.peer.close();
    const cut = victim();
    await play(cut, bad);
    expect(cut.isClosed()).toBe(true);
    expect(cut.peer.active).toBe(0);
    for (const one of cut.served) expect(one.signal.aborted).toBe(true);
  },
);

/** What may be answered to request 1, a POST whose body streams, and to request 2, a HEAD. */
const asCallee: Record<string, { fine: Send[]; bad: Send[] }> = {
  "a final status": { fine: [[[response(-1)]]], bad: [[[response(-1, "none", { 2: 101 })]]] },
  "a status that there is": {
    fine: [[[response(-1, "none", { 2: 599 })]]],
    bad: [[[response(-1, "none", { 2: 0 })]]],
  },
  "sound text of a status": {
    fine: [[[response(-1, "none", { 3: "Fine" })]]],
    bad: [[[response(-1, "none", { 3: "a\r\nb" })]]],
  },
  "sound headers": {
    fine: [[[response(-1, "none", { 4: [["set-cookie", "a"]] })]]],
    bad: [[[response(-1, "none", { 4: [["", "a"]] })]]],
  },
  "one response": {
    fine: [[[response(-1, "stream")]]],
    bad: [[[response(-1, "stream"), response(-1, "stream")]]],
  },
  "late words after the response": {
    fine: [[[response(-1), ["data", -1], ["stop", -1, record]], bytes(1)]],
    bad: [[[response(-1), ["data", -3]], bytes(1)]],
  },
  "data of a response that streams": {
    fine: [[[response(-1, "stream"), ["data", -1]], bytes(1)]],
    bad: [[[["data", -1], response(-1, "stream")], bytes(1)]],
  },
  "no body to HEAD": { fine: [[[response(-2)]]], bad: [[[response(-2, "whole")], bytes(1)]] },
  "no body with 204": {
    fine: [[[response(-1, "none", { 2: 204 })]]],
    bad: [[[response(-1, "whole", { 2: 204 })], bytes(1)]],
  },
  "as much as it has credit for": {
    fine: [[[response(-1, "stream"), ["data", -1]], bytes(firstCreditBytes - 256)]],
    bad: [[[response(-1, "stream"), ["data", -1]], bytes(firstCreditBytes - 255)]],
  },
  "no answers to requests that were not sent": { fine: [[[response(-2)]]], bad: [[[response(-3)]]] },
  "that it reads no more": { fine: [[[["stop", -1, record]]]], bad: [[[["stop", -2, record]]]] },
  "no requests in place of answers": { fine: [[[request(1)]]], bad: [[[["stop", 1, record]]]] },
};

test.for(Object.entries(asCallee))(
  "a callee may send %s, and is cut off for else",
  async ([, { fine, bad }]) => {
    const ask = async (messages: Send[]): Promise<boolean> => {
      const asking = victim();
      const calls = [
        asking.peer.fetch(
          new Request(url, {
            method: "POST",
            body: counted(1e6, 1000).stream,
            duplex: "half",
          } as RequestInit),
        ),
        asking.peer.fetch(new Request(url, { method: "HEAD" })),
      ];
      const outcomes = Promise.allSettled(calls);
      await settled();
      // The streamed one leaves after the other.
      const [first] = asking.received.flatMap(({ header }) => header as unknown[][]);
      const swapped = first?.[2] === "HEAD";
      const renumbered = messages.map(([header, ...attachments]): Send => {
        const entries = header as unknown[][];
        const number = (id: unknown) => (id === -1 ? -2 : id === -2 ? -1 : id);
        return [swapped ? entries.map((entry) => entry.with(1, number(entry[1]))) : entries, ...attachments];
      });
      await play(asking, renumbered);
      const isClosed = asking.isClosed();
      asking.peer.close();
      for (const outcome of await outcomes) {
        if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "UNAVAILABLE" });
      }
      expect(asking.peer.active).toBe(0);
      return isClosed;
    };
    expect(await ask(fine)).toBe(false);
    expect(await ask(bad)).toBe(true);
  },
);

const kinds = fc.constantFrom("request", "response", "data", "end", "credit", "stop", "abort", "other");
const ids = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.double(), fc.constantFrom(null, "1", 2 ** 60));
const part = fc.oneof(
  fc.constantFrom<unknown>(
    "GET",
    "POST",
    url,
    "none",
    "whole",
    "stream",
    200,
    null,
    record,
    [],
    [["a", "b"]],
    70_000,
  ),
  fc.jsonValue(),
);
const entry = fc.oneof(
  fc.tuple(kinds, ids, fc.array(part, { maxLength: 6 })).map(([kind, id, rest]) => [kind, id, ...rest]),
  fc.constantFrom<unknown>(request(1, "stream"), request(2), request(3, "none", { 3: `${url}stream` })),
  fc.constantFrom<unknown>(
    response(-1),
    response(-1, "stream"),
    ["data", 1],
    ["data", -1],
    ["end", -1],
    ["end", 1],
  ),
  fc.jsonValue(),
);
const message = fc.record({
  header: fc.oneof(
    { weight: 5, arbitrary: fc.array(entry, { maxLength: 5 }) },
    { weight: 1, arbitrary: fc.jsonValue() },
  ),
  attachments: fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 3 }),
});

test("whatever comes, a peer goes on or closes the Port, and its calls fail as they should", async () => {
  let closed = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 6 }), async (messages) => {
      const fuzzed = victim({ requests: 4 });
      const call = fuzzed.peer.fetch(new Request(url)).then((each) => each.text());
      call.catch(() => {});
      for (const each of messages) fuzzed.raw.send(each);
      await settled();
      if (fuzzed.isClosed()) closed++;
      fuzzed.peer.close();
      const [outcome] = await Promise.allSettled([call]);
      if (outcome?.status === "rejected") expect(outcome.reason).toHaveProperty("code");
      expect(fuzzed.peer.active).toBe(0);
      for (const { header } of fuzzed.received) expect(Array.isArray(header)).toBe(true);
    }),
    { numRuns: 150 },
  );
  expect(closed).toBeGreaterThan(30);
  expect(rejections).toEqual([]);
});
