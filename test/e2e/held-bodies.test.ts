/** What uploads that come slowly, or not at all, may hold of the gateway's memory, over real sockets. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { platform } from "#platform";
import { SlowRequest, sendRaw } from "./raw-http.ts";
import { gatewayFor } from "./running-gateway.ts";
import { timesShader } from "./small-functions.ts";

const kibibyte = 2 ** 10;
const mebibyte = 2 ** 20;
const tokens = { acme: "token-of-acme-00", beta: "token-of-beta-00", operator: "token-of-operator" };
type Who = keyof typeof tokens;

const tenants = (["acme", "beta"] as const).map((name) => ({ name, token: tokens[name] }));
const access = { tenants, token: tokens.operator };
/** A tenant has half of what all may hold: three of the uploads that stall, and not a fourth. */
const limits = { callBytes: 4 * mebibyte, heldBytes: 4 * mebibyte };
const stalledBytes = 600 * kibibyte;
/** What a tenant's budget takes when nothing else is in it, and not beside one upload that stalls. */
const nearlyAllBytes = 1900 * kibibyte;
const functionOf = { acme: "one", beta: "two", operator: "ours" };

const opened: SlowRequest[] = [];
afterEach(() => {
  for (const request of opened.splice(0)) request[Symbol.dispose]();
});

/** Deno ends it with its client: see deno-http.ts. */
const ended = (request: SlowRequest) => (platform.runtime === "deno" ? undefined : request.closed);

function headOf(who: Who, path: string, sizeBytes: number, method = "POST"): string {
  return `${method} ${path} HTTP/1.1
Authorization: Bearer ${tokens[who]}
Content-Type: application/octet-stream
Content-Length: ${sizeBytes}`;
}

function begin(url: string, head: string, sent: number): SlowRequest {
  const request = new SlowRequest(url, head);
  opened.push(request);
  request.send(new Uint8Array(sent));
  return request;
}

describe("bodies of calls under way", () => {
  const server = gatewayFor("all tests", { ...access, limits });
  const headers = (who: Who) => ({ authorization: `Bearer ${tokens[who]}` });

  beforeEach(async () => {
    for (const [who, name] of Object.entries(functionOf) as [Who, string][])
      await fetch(`${server.gateway.url}/v1/functions/${name}`, {
        method: "PUT",
        headers: headers(who),
        body: timesShader(2),
      });
  });

  /** One that lacks its last bytes. @param restBytes that are no whole floats make it a call that is refused. */
  const stall = (who: Who, restBytes = 4 * kibibyte) =>
    begin(
      server.gateway.url,
      headOf(who, `/function/${functionOf[who]}`, stalledBytes + restBytes),
      stalledBytes,
    );
  const complete = (request: SlowRequest, restBytes = 4 * kibibyte) =>
    request.send(new Uint8Array(restBytes));

  /** Which of those under way is refused is decided by whose bytes come last. */
  async function firstAnswered(uploads: readonly SlowRequest[]) {
    const { one, answer } = await Promise.race(
      uploads.map(async (one) => ({ one, answer: await one.answer })),
    );
    expect(answer?.status).toBe(503);
    return { refused: one, answer: answer!, held: uploads.filter((upload) => upload !== one) };
  }

  /** As many uploads as fit, and one more that was refused. */
  const fill = (who: Who, restBytes?: number) =>
    firstAnswered(Array.from({ length: 4 }, () => stall(who, restBytes)));

  async function call(who: Who, sizeBytes: number): Promise<number | undefined> {
    const head = headOf(who, `/function/${functionOf[who]}`, sizeBytes);
    return (await sendRaw(server.gateway.url, head, new Uint8Array(sizeBytes)))?.status;
  }

  /** That nothing is held any more: going away is noticed a little later. */
  const allIsBack = (who: Who) => expect.poll(() => call(who, nearlyAllBytes), { timeout: 10_000 }).toBe(200);

  test("are refused beyond a tenant's half, while others and small calls are answered", async () => {
    const { held, refused, answer } = await fill("acme");
    expect(JSON.parse(answer.body)).toMatchObject({
      code: "QUEUE_FULL",
      error: expect.stringContaining(
        `calls of tenant 'acme' under way take all of the ${2 * mebibyte} bytes`,
      ),
    });
    expect(answer.head).toMatch(/retry-after: 1/i);
    await ended(refused);
    for (const who of ["acme", "beta", "operator"] as const) expect(await call(who, 64)).toBe(200);
    expect(await call("beta", nearlyAllBytes)).toBe(200);
    // Beyond a tenant's half and below all.
    expect(await call("operator", 2100 * kibibyte)).toBe(200);
    for (const one of held) complete(one);
    expect((await Promise.all(held.map((one) => one.answer))).map((one) => one?.status)).toEqual([
      200, 200, 200,
    ]);
    expect(await call("acme", nearlyAllBytes)).toBe(200);
  });

  test("of all together are bounded for the operator, too", async () => {
    const uploads = [...(await fill("acme")).held, ...(await fill("beta")).held];
    const { held, answer } = await firstAnswered([...uploads, stall("operator")]);
    expect(JSON.parse(answer.body)).toMatchObject({
      code: "QUEUE_FULL",
      error: expect.stringContaining(`of calls under way take all of the ${4 * mebibyte} bytes`),
    });
    expect(await call("operator", 64)).toBe(200);
    held[0]![Symbol.dispose]();
    await expect.poll(() => call("operator", stalledBytes), { timeout: 10_000 }).toBe(200);
    for (const request of opened.splice(0)) request[Symbol.dispose]();
    await allIsBack("acme");
    await allIsBack("beta");
  });

  test.each([
    ["answers", undefined, (one: SlowRequest) => complete(one)],
    ["refusals of what is in them", 5, (one: SlowRequest) => complete(one, 5)],
    ["clients that went away", undefined, (one: SlowRequest) => one[Symbol.dispose]()],
  ])("give their bytes back after %s: as many uploads fit again, and no more", async (_, restBytes, end) => {
    for (let round = 0; round < 2; round++) {
      const { held } = await fill("acme", restBytes);
      for (const one of held) end(one);
      await allIsBack("acme");
    }
  });

  test("count where their length is not announced", async () => {
    const head = `POST /function/one HTTP/1.1
Authorization: Bearer ${tokens.acme}
Content-Type: application/octet-stream
Transfer-Encoding: chunked`;
    const { held: announced } = await fill("acme");
    const chunked = new SlowRequest(server.gateway.url, head);
    opened.push(chunked);
    const chunk = new Uint8Array(stalledBytes);
    chunked.send(new TextEncoder().encode(`${chunk.byteLength.toString(16)}\r\n`));
    chunked.send(chunk);
    const { held } = await firstAnswered([...announced, chunked]);
    for (const one of held) one[Symbol.dispose]();
    await allIsBack("acme");
  });

  test("count as what has arrived, not as what was announced", async () => {
    const path = `/function/${functionOf.acme}`;
    for (let i = 0; i < 8; i++) begin(server.gateway.url, headOf("acme", path, 4 * mebibyte), 4 * kibibyte);
    expect(await call("acme", nearlyAllBytes)).toBe(200);
  });
});

describe("a body of which nothing arrives", () => {
  const server = gatewayFor("all tests", { ...access, limits: { ...limits, stallMs: 500 } });

  test.each([
    ["a small call", "POST", "/function/ours", 1000, 10],
    ["a large call", "POST", "/function/ours", mebibyte, 100 * kibibyte],
    ["a call of which nothing came at all", "POST", "/v2/models/ours/infer", mebibyte, 0],
    ["a deploy", "PUT", "/v1/functions/other", mebibyte, 100 * kibibyte],
  ])("is refused with 408, and its connection ends: %s", async (_, method, path, sizeBytes, sent) => {
    const deployed = await fetch(`${server.gateway.url}/v1/functions/ours`, {
      method: "PUT",
      headers: { authorization: `Bearer ${tokens.operator}` },
      body: timesShader(2),
    });
    expect(deployed.ok).toBe(true);
    const request = begin(server.gateway.url, headOf("operator", path, sizeBytes, method), sent);
    const answer = await request.answer;
    expect(answer?.status).toBe(408);
    expect(JSON.parse(answer!.body)).toMatchObject({
      code: "REQUEST_TIMEOUT",
      error: expect.stringContaining("nothing of it has arrived for 500 ms"),
    });
    await ended(request);
  });
});
