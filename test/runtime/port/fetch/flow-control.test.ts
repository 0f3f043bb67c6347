/** How much of a body is under way when nobody reads it, and that nothing is lost or turned around when somebody does. */
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { firstCreditBytes } from "../../../../runtime/port/fetch/fetch-limits.ts";
import { FetchPeer } from "../../../../runtime/port/fetch/fetch-peer.ts";
import type { Port } from "../../../../runtime/port/port.ts";
import { carriers, counted, messagePorts, peers, post, settled, untilIdle } from "./peer-pair.ts";

const url = "http://localhost/";
const chunkBytes = 10_000;
const endless = 1_000_000;

/** Waits until the source is not asked for more. */
async function standstill(made: () => number): Promise<number> {
  let before = -1;
  while (before !== made()) {
    before = made();
    await settled();
  }
  return before;
}

describe.for(Object.entries(carriers))("bodies over %s", ([, connect]) => {
  test("stop at the window while nobody reads, and go on as they are read", async () => {
    const windowBytes = 2 * firstCreditBytes;
    const down = counted(endless, chunkBytes);
    const { client, server } = peers(() => new Response(down.stream), { connect, limits: { windowBytes } });
    const response = await client.fetch(new Request(url));
    const unread = await standstill(down.made);
    expect(unread * chunkBytes).toBeGreaterThan(firstCreditBytes - 2 * chunkBytes);
    expect(unread * chunkBytes).toBeLessThan(windowBytes + 2 * chunkBytes);
    const reader = response.body!.getReader();
    let read = 0;
    for (let turn = 0; turn < 5; turn++) {
      for (let bytes = 0; bytes < firstCreditBytes; ) {
        const { value } = await reader.read();
        bytes += value!.byteLength;
        read += value!.byteLength;
      }
      const made = (await standstill(down.made)) * chunkBytes;
      expect(made - read).toBeLessThan(windowBytes + 2 * chunkBytes);
      expect(made - read).toBeGreaterThan(0);
    }
    await reader.cancel();
    await down.cancelled;
    await untilIdle(client, server);
    client.close();
  });

  test("of requests stop at the window too, and one that is stuck holds up no other", async () => {
    const up = counted(endless, chunkBytes);
    const release = Promise.withResolvers<void>();
    const { client, server } = peers(
      async (request) => {
        if (request.url.endsWith("/quick")) return new Response(await request.arrayBuffer());
        await release.promise;
        const reader = request.body!.getReader();
        await reader.read();
        return new Response("done");
      },
      { connect },
    );
    const stuck = client.fetch(post(url, up.stream));
    const made = await standstill(up.made);
    expect(made * chunkBytes).toBeLessThan(firstCreditBytes + 2 * chunkBytes);
    const large = new Uint8Array(3_000_000).fill(5);
    const quick = await client.fetch(post(`${url}quick`, large));
    expect(Buffer.compare(new Uint8Array(await quick.arrayBuffer()), large)).toBe(0);
    release.resolve();
    expect(await (await stuck).text()).toBe("done");
    await up.cancelled;
    await untilIdle(client, server);
    client.close();
  });
});

test("a large chunk is cut to what there is credit for", async () => {
  const bytes = new Uint8Array(4_000_000).map((_, index) => index % 241);
  const { client, received } = peers(() => new Response(bytes));
  const response = await client.fetch(new Request(url));
  await settled();
  const underWay = received
    .flatMap(({ attachments }) => attachments)
    .reduce((sum, each) => sum + each.length, 0);
  expect(underWay).toBeGreaterThan(0);
  expect(underWay).toBeLessThan(firstCreditBytes);
  expect(Buffer.compare(new Uint8Array(await response.arrayBuffer()), bytes)).toBe(0);
  client.close();
});

test("readers with buffers of their own get the bytes and the end", async () => {
  const { client } = peers(() => new Response(counted(3, 200_000).stream));
  const reader = (await client.fetch(new Request(url))).body!.getReader({ mode: "byob" });
  const seen: number[] = [];
  for (;;) {
    const { done, value } = await reader.read(new Uint8Array(150_000));
    if (done) break;
    seen.push(...new Set(value));
    expect(value.byteLength).toBeLessThanOrEqual(150_000);
  }
  expect([...new Set(seen)]).toEqual([0, 1, 2]);
  // One that waits already when the end comes.
  const waiting = peers((request) => new Response(request.body));
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const response = await waiting.client.fetch(post(url, readable));
  const read = response.body!.getReader({ mode: "byob" }).read(new Uint8Array(4));
  await writable.close();
  expect((await read).done).toBe(true);
  client.close();
  waiting.client.close();
});

test("while the Port's queue is long, bodies and new answers wait, whatever credit there is", async () => {
  const { left, right } = messagePorts();
  let queuedBytes = 0;
  const port: Port = {
    closed: right.closed,
    close: () => right.close(),
    send: (message) => right.send(message),
    receive: (receiver) => right.receive(receiver),
    get queuedBytes() {
      return queuedBytes;
    },
  };
  const body = counted(endless, chunkBytes);
  let asked = 0;
  const server = new FetchPeer({
    port,
    serve: () => (++asked === 1 ? new Response(body.stream) : new Response("fine")),
  });
  const client = new FetchPeer({ port: left });
  const reader = (await client.fetch(new Request(url))).body!.getReader();
  await standstill(body.made);
  queuedBytes = 100_000_000;
  const late = client.fetch(new Request(url));
  // All that has come is read, and credit for it granted.
  for (let read = 0, all = body.made() * chunkBytes; read < all - 2 * chunkBytes; )
    read += (await reader.read()).value!.byteLength;
  const stuck = body.made();
  await settled();
  expect(body.made() - stuck).toBeLessThan(2);
  expect(asked).toBe(1);
  queuedBytes = 0;
  await vi.waitFor(() => expect(body.made()).toBeGreaterThan(stuck + 10));
  expect(await (await late).text()).toBe("fine");
  await reader.cancel();
  await untilIdle(client, server);
  client.close();
});

interface Plan {
  readonly chunks: readonly number[];
  /** Turns of the event loop before each chunk, in a row. */
  readonly pauses: readonly number[];
  readonly ending: "end" | "fail" | "hang";
}

interface Scene {
  readonly up: Plan | null;
  readonly down: Plan | null;
  /** Who reads how many chunks, and gives up then. */
  readonly serverReads: number;
  readonly clientReads: number;
  readonly abortAfter: number | null;
  readonly readsFirst: boolean;
}

const plan: fc.Arbitrary<Plan> = fc.record({
  chunks: fc.array(fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 400_000 })), {
    maxLength: 6,
  }),
  pauses: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 4 }),
  ending: fc.constantFrom("end", "end", "fail", "hang"),
});
const reads = fc.oneof(
  { weight: 3, arbitrary: fc.constant(1000) },
  { weight: 1, arbitrary: fc.nat({ max: 3 }) },
);
const scene: fc.Arbitrary<Scene> = fc.record({
  up: fc.option(plan),
  down: fc.option(plan),
  serverReads: reads,
  clientReads: reads,
  abortAfter: fc.option(fc.nat({ max: 12 }), { freq: 3 }),
  readsFirst: fc.boolean(),
});

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

/** What the byte at a place of a body is: chunks that are lost or swapped show. */
const byteAt = (place: number): number => (place * 31 + (place >> 8)) % 256;

function planned({ chunks, pauses, ending }: Plan): ReadableStream<Uint8Array<ArrayBuffer>> {
  let index = 0;
  let place = 0;
  return new ReadableStream(
    {
      async pull(controller) {
        for (let turn = pauses[index % pauses.length]!; turn > 0; turn--) await pause();
        const size = chunks[index++];
        if (size !== undefined) {
          const begin = place;
          place += size;
          controller.enqueue(new Uint8Array(size).map((_, at) => byteAt(begin + at)));
        } else if (ending === "end") controller.close();
        else if (ending === "fail") controller.error(new Error("failed as planned"));
        else return new Promise(() => {});
      },
    },
    { highWaterMark: 0 },
  );
}

/** Reads so many chunks and gives up then. @returns how many bytes came, all right, and whether the end was seen. */
async function readSome(
  body: ReadableStream<Uint8Array> | null,
  count: number,
): Promise<{ bytes: number; isRight: boolean; isWhole: boolean }> {
  const seen = { bytes: 0, isRight: true, isWhole: false };
  const reader = body?.getReader();
  try {
    for (let index = 0; index < count; index++) {
      const { done, value } = (await reader?.read()) ?? { done: true };
      if (done) return { ...seen, isWhole: true };
      seen.isRight &&= value!.every((byte, at) => byte === byteAt(seen.bytes + at));
      seen.bytes += value!.byteLength;
    }
    await reader?.cancel();
  } catch {
    // Whoever gave up first: what came until then counts.
  }
  return seen;
}

const total = (one: Plan | null): number => (one?.chunks ?? []).reduce((sum, size) => sum + size, 0);

describe.for(Object.entries(carriers))("whatever both sides do over %s", ([, connect]) => {
  test("no byte is lost or out of order, and nothing stays under way", async () => {
    let wholes = 0;
    await fc.assert(
      fc.asyncProperty(scene, async (each) => {
        let uploaded: ReturnType<typeof readSome> | undefined;
        const { client, server } = peers(
          async (request) => {
            uploaded = readSome(request.body, each.serverReads);
            if (each.readsFirst) await uploaded;
            return new Response(each.down && planned(each.down));
          },
          { connect, limits: { windowBytes: firstCreditBytes } },
        );
        const hangs = [each.up, each.down].some((one) => one?.ending === "hang");
        const controller = new AbortController();
        const request = each.up ? post(url, planned(each.up)) : new Request(url);
        const call = client.fetch(request, { signal: controller.signal }).then(
          (response) => readSome(response.body, each.clientReads),
          () => undefined,
        );
        const abortAfter = each.abortAfter ?? (hangs ? 40 : undefined);
        for (let turn = 0; turn < (abortAfter ?? 0); turn++) await pause();
        if (abortAfter !== undefined) controller.abort();
        const downloaded = await call;
        await untilIdle(client, server);
        const sides = [
          { seen: await uploaded, plan: each.up },
          { seen: downloaded, plan: each.down },
        ];
        for (const { seen, plan: sent } of sides) {
          if (seen === undefined) continue;
          expect(seen.isRight).toBe(true);
          if (seen.isWhole) {
            wholes++;
            expect(seen.bytes).toBe(total(sent));
          } else expect(seen.bytes).toBeLessThanOrEqual(total(sent));
        }
        const isCalm =
          abortAfter === undefined &&
          [each.up, each.down].every((one) => one === null || one.ending === "end");
        if (isCalm && each.clientReads === 1000) expect(downloaded).toMatchObject({ isWhole: true });
        client.close();
      }),
      { numRuns: 50 },
    );
    expect(wholes).toBeGreaterThan(10);
  });
});
