/** What a tenant's functions may hold in the store. */
import { afterEach, describe, expect, test } from "vitest";
import { buildZip } from "../gateway/bundle/zip-builder.ts";
import { SlowRequest } from "./raw-http.ts";
import { gatewayFor, storedBlobs } from "./running-gateway.ts";
import { modelRows, timesModel, timesShader } from "./small-functions.ts";

const kibibyte = 2 ** 10;
const allowedBytes = 2 ** 20;
const tokens = { acme: "token-of-acme-00", beta: "token-of-beta-00", operator: "token-of-operator" };
type Who = keyof typeof tokens;

const server = gatewayFor("each test", {
  tenants: [
    { name: "acme", token: tokens.acme, storageBytes: allowedBytes },
    { name: "beta", token: tokens.beta },
  ],
  token: tokens.operator,
});

const opened: SlowRequest[] = [];
afterEach(() => {
  for (const request of opened.splice(0)) request[Symbol.dispose]();
});

/** A function of about 400 KiB, of which two fit and three do not. */
const large = (factor: number) => `${timesShader(factor)}\n//${"x".repeat(400 * kibibyte)}`;
const headers = (who: Who) => ({ authorization: `Bearer ${tokens[who]}` });

async function deploy(who: Who, name: string, body: string | Uint8Array) {
  const url = `${server.gateway.url}/v1/functions/${name}`;
  const response = await fetch(url, { method: "PUT", headers: headers(who), body: body as BodyInit });
  return { status: response.status, body: await response.json() };
}

async function remove(who: Who, name: string): Promise<void> {
  const url = `${server.gateway.url}/v1/functions/${name}`;
  expect((await fetch(url, { method: "DELETE", headers: headers(who) })).status).toBe(204);
}

async function call(who: Who, name: string): Promise<number> {
  const url = `${server.gateway.url}/function/${name}`;
  const response = await fetch(url, { method: "POST", headers: headers(who), body: '{"x":[1,2]}' });
  await response.text();
  return response.status;
}

function upload(name: string, announcedBytes: number, sentBytes: number): SlowRequest {
  const head = `PUT /v1/functions/${name} HTTP/1.1
Authorization: Bearer ${tokens.acme}
Content-Length: ${announcedBytes}`;
  const request = new SlowRequest(server.gateway.url, head);
  opened.push(request);
  request.send(new Uint8Array(sentBytes).fill(32));
  return request;
}

describe("storageBytes", () => {
  test("refuses a tenant's deploy beyond it, and nobody else's; a removal makes room", async () => {
    expect((await deploy("acme", "one", large(2))).status).toBe(201);
    expect((await deploy("acme", "two", large(3))).status).toBe(201);
    const stored = await storedBlobs(server.folder);
    const refuse = async () => {
      const refused = await deploy("acme", "three", large(4));
      expect(refused).toMatchObject({ status: 507, body: { code: "STORAGE_FULL" } });
      const numbers = /uses (\d+) of the (\d+) bytes that it may store, and (\d+) at least are needed/;
      const [used, allowed, needed] = numbers.exec(refused.body.error)!.slice(1).map(Number);
      expect(used).toBe(2 * large(2).length);
      expect(allowed).toBe(allowedBytes);
      expect(used! + needed!).toBeGreaterThan(allowedBytes);
      expect([await call("acme", "three"), await call("acme", "one")]).toEqual([404, 200]);
      expect(await storedBlobs(server.folder)).toEqual(stored);
    };
    await refuse();
    await server.restart();
    await refuse();
    for (const who of ["beta", "operator"] as const) {
      for (const i of [4, 5, 6]) expect((await deploy(who, `${who}-${i}`, large(i))).status).toBe(201);
    }
    await remove("acme", "one");
    expect((await deploy("acme", "three", large(4))).status).toBe(201);
    expect(await call("acme", "three")).toBe(200);
  });

  test("counts bytes once that several functions have, and versions that are kept", async () => {
    for (const name of ["one", "same", "again"])
      expect((await deploy("acme", name, large(2))).status).toBe(201);
    expect((await deploy("acme", "one", large(3))).status).toBe(200);
    expect((await deploy("acme", "one", large(4))).status).toBe(507);
    expect(await call("acme", "one")).toBe(200);
  });

  test("counts what a bundle unpacks to, before its version is visible", async () => {
    const handler = (assetBytes: number) =>
      buildZip([
        { name: "handler.js", content: `export default { fetch: () => new Response("${assetBytes}") };` },
        { name: "asset.bin", content: new Uint8Array(assetBytes), deflate: true },
      ]);
    expect(handler(allowedBytes).byteLength).toBeLessThan(100 * kibibyte);
    expect((await deploy("acme", "packed", handler(allowedBytes))).body.code).toBe("STORAGE_FULL");
    expect(await call("acme", "packed")).toBe(404);
    expect(await storedBlobs(server.folder)).toEqual([]);
    expect((await deploy("acme", "packed", handler(allowedBytes / 2))).status).toBe(201);
  });

  test("refuses an upload while it arrives, and counts those that others have in progress", async () => {
    const answer = await upload("huge", 2 ** 30, allowedBytes + 1).answer;
    expect(answer?.status).toBe(507);
    // What is not there yet cannot be counted, and what went away is not any more.
    const uploads = [
      upload("first", 2 ** 30, allowedBytes * 0.6),
      upload("second", 2 ** 30, allowedBytes * 0.6),
    ];
    const first = await Promise.race(uploads.map(async (one) => ({ one, answer: await one.answer })));
    expect(JSON.parse(first.answer!.body).code).toBe("STORAGE_FULL");
    for (const one of uploads) one[Symbol.dispose]();
    await expect
      .poll(async () => (await deploy("acme", "one", large(2))).status, { timeout: 10_000 })
      .toBe(201);
    expect((await deploy("acme", "two", large(3))).status).toBe(201);
  });

  test("counts what a model is compiled to for a call, which is answered", async () => {
    expect((await deploy("acme", "model", timesModel(3))).status).toBe(201);
    expect((await deploy("acme", "one", large(2))).status).toBe(201);
    const used = async () => {
      const { body } = await deploy("acme", "two", `${large(3)}${"x".repeat(250 * kibibyte)}`);
      return Number(/uses (\d+) of/.exec(body.error)![1]);
    };
    expect(await used()).toBe(large(2).length + timesModel(3).byteLength);
    const called = await fetch(`${server.gateway.url}/function/model`, {
      method: "POST",
      headers: { ...headers("acme"), "content-type": "application/octet-stream" },
      body: new Uint8Array(modelRows().data),
    });
    expect(called.status).toBe(200);
    expect(await used()).toBeGreaterThan(large(2).length + timesModel(3).byteLength);
  });
});
