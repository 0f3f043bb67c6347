/** FetchPeers in two processes, over the socket between them. */
import { afterEach, expect, test, vi } from "vitest";
import { platform } from "#platform";
import type { ChildProcess } from "../../../../runtime/platform/platform.ts";
import { FetchPeer } from "../../../../runtime/port/fetch/fetch-peer.ts";
import { post, untilIdle } from "./peer-pair.ts";

let child: ChildProcess | undefined;

async function start(): Promise<FetchPeer> {
  child = await platform.spawnProcess(new URL("./children/fetch-child.ts", import.meta.url));
  return new FetchPeer({
    port: child.port,
    serve: async (request) => new Response(`asked for ${await request.text()}`, { status: 201 }),
  });
}

afterEach(async () => {
  child?.kill();
  await child?.exited;
});

test("requests and responses of all sizes cross, also many at a time, and errors keep their code", async () => {
  const peer = await start();
  const sizes = [0, 1, 70_000, 300_000, 3_000_000, 10_000_000];
  await Promise.all(
    sizes.map(async (size) => {
      const bytes = new Uint8Array(size).map((_, index) => (index * 7 + size) % 251);
      const response = await peer.fetch(post("http://child/echo", bytes));
      expect(response.headers.get("method")).toBe("POST");
      expect(Buffer.compare(new Uint8Array(await response.arrayBuffer()), bytes)).toBe(0);
    }),
  );
  await expect(peer.fetch(new Request("http://child/other"))).rejects.toMatchObject({
    name: "DawnletError",
    code: "NOT_FOUND",
    message: "Cannot find it",
  });
  await untilIdle(peer);
});

test("the child asks back while it is asked", async () => {
  const peer = await start();
  const response = await peer.fetch(post("http://child/relay", "tea"));
  expect(response.status).toBe(201);
  expect(await response.text()).toBe("asked for tea");
});

test("events come one by one, and giving up reaches their source", async () => {
  const peer = await start();
  const response = await peer.fetch(new Request("http://child/events"));
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let seen = "";
  while (!seen.includes("data: 9\n\n")) seen += (await reader.read()).value;
  expect(seen.match(/\d/g)).toEqual([..."0123456789"]);
  const asked = async () => (await peer.fetch(new Request("http://child/cancelled"))).text();
  expect(await asked()).toBe("nothing");
  await reader.cancel();
  await vi.waitFor(async () => expect(await asked()).toBe("CANCELLED"));
  await untilIdle(peer);
});

test("what is under way fails when the process ends", async () => {
  const peer = await start();
  const response = await peer.fetch(new Request("http://child/events"));
  const text = response.text();
  const exit = peer.fetch(new Request("http://child/exit"));
  const closed = { code: "UNAVAILABLE", message: "Cannot finish the request as the connection has closed" };
  const [events, answer] = await Promise.allSettled([text, exit]);
  expect(events).toMatchObject({ status: "rejected", reason: closed });
  expect(answer).toMatchObject({ status: "rejected", reason: closed });
  expect(peer.active).toBe(0);
});
