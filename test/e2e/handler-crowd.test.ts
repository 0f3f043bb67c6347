/**
 * Twenty handlers of two tenants on one device that does not hold the weights of the functions they use, called at random
 * from all sides for five seconds; or fifty of five tenants, for as many as DAWNLET_CROWD_SECONDS says.
 */
import { loadavg } from "node:os";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { onlyUnderNode } from "../left-out.ts";
import { descendants, hasProc } from "./child-processes.ts";
import {
  type CrowdCall,
  type CrowdHandler,
  crowdHandlers,
  usedBundles,
  wholeNumbers,
} from "./handler-crowd.ts";
import { dataFolder, type RunningGateway, startGateway } from "./running-gateway.ts";

const mebibyte = 2 ** 20;
const isLong = process.env.DAWNLET_CROWD_SECONDS !== undefined;
const seconds = Number(process.env.DAWNLET_CROWD_SECONDS ?? 5);
const deviceBytes = (isLong ? 16 : 7) * mebibyte;
const callers = 8;
const setupMs = 300_000;
const operator = "token-of-operator";
const tenants = ["acme", "beta", ...(isLong ? ["corp", "dune", "east"] : [])].map((name) => ({
  name,
  token: `token-of-tenant-${name}`,
}));

const leastEvictions = 10;

interface Member extends CrowdHandler {
  readonly token: string;
}

const isLeftOut = onlyUnderNode(
  "the crowd of handlers",
  "its handlers, limits and removal are tried one by one in the other tests of handlers",
);

describe.skipIf(isLeftOut)("a crowd of handlers", () => {
  let folder: Awaited<ReturnType<typeof dataFolder>>;
  let server: RunningGateway;
  let members: readonly Member[] = [];
  let used: readonly { readonly name: string; readonly token: string }[] = [];

  const send = async (token: string, path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(server.client.url + path, { ...init, headers: { authorization: `Bearer ${token}` } });

  async function deploy(token: string, name: string, bytes: Uint8Array): Promise<void> {
    const body = bytes as Uint8Array<ArrayBuffer>;
    const response = await send(token, `/v1/functions/${name}`, { method: "PUT", body });
    if (!response.ok) throw new Error(`${name}: ${await response.text()}`);
    await response.arrayBuffer();
  }

  beforeAll(async () => {
    folder = await dataFolder();
    server = await startGateway(folder.path, { deviceBytes, tenants, token: operator });
    for (const [index, { name: tenant, token }] of tenants.entries()) {
      for (const { name, bytes } of usedBundles(index, tenant)) {
        await deploy(token, name, bytes);
        used = [...used, { name, token }];
      }
      const handlers = await crowdHandlers(index, tenant);
      members = [...members, ...handlers.map((handler) => ({ ...handler, token }))];
    }
    // Two at a time: each is started once to see that it can be.
    const waiting = members.values();
    await Promise.all(
      [1, 2].map(async () => {
        for (const { name, token, bundle } of waiting) await deploy(token, name, await bundle());
      }),
    );
  }, setupMs);

  afterAll(async () => {
    await server?.close();
    await folder?.[Symbol.asyncDispose]();
  });

  async function call(
    { name, token }: Member,
    { path, body, check }: CrowdCall,
  ): Promise<string | undefined> {
    const response = await send(token, `/function/${name}/${path}`, { method: "POST", body });
    const answer = new Uint8Array(await response.arrayBuffer());
    return response.ok ? check(answer) : `${response.status}: ${new TextDecoder().decode(answer)}`;
  }

  test("answer right, all of them, within the budget", { timeout: setupMs + seconds * 7_000 }, async () => {
    expect(members).toHaveLength(10 * tenants.length);
    expect(new Set(members.map(({ name }) => name)).size).toBe(members.length);
    const { devices: device } = server.gateway.backends;
    const wrong: string[] = [];
    const called = new Set<string>();
    const latencies = new Map<string, number[]>();
    const most = { total: 0, sessions: 0, tensors: 0 };
    // Once each beforehand: a handler's first call waits for its process, which is not what is measured.
    const once = members.values();
    const warm = async () => {
      for (const member of once) {
        const problem = await call(member, member.calls[0]!);
        if (problem !== undefined) wrong.push(`${member.name}: ${problem}`);
      }
    };
    await Promise.all([warm(), warm()]);
    expect(wrong).toEqual([]);
    const { evictions: evicted } = device.devices[0]!.managed;
    const startedAt = performance.now();
    const hasSeenEnough = () => evicted.counts.room > leastEvictions;
    // A slow machine has until it has seen what this is about.
    const isOver = () => {
      const elapsed = (performance.now() - startedAt) / 1_000;
      return elapsed > seconds && (hasSeenEnough() || elapsed > 6 * seconds);
    };
    const caller = async (seed: number) => {
      const random = wholeNumbers(90_000 + seed, 100_000);
      for (let i = 0; !isOver(); i++) {
        const member = members[(random[i % random.length]! >>> 8) % members.length]!;
        const { calls, kind, name } = member;
        const startedAt = performance.now();
        const problem = await call(member, calls[i % calls.length]!);
        const took = performance.now() - startedAt;
        latencies.set(kind, [...(latencies.get(kind) ?? []), took]);
        called.add(name);
        if (problem !== undefined) wrong.push(`${name}: ${problem}`);
      }
    };
    const poll = async () => {
      while (!isOver()) {
        const { totalBytes, sessionBytes, tensorBytes } = await device.memory();
        most.total = Math.max(most.total, totalBytes);
        most.sessions = Math.max(most.sessions, sessionBytes);
        most.tensors = Math.max(most.tensors, tensorBytes);
        expect(totalBytes).toBeLessThanOrEqual(deviceBytes);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    await Promise.all([poll(), ...Array.from({ length: callers }, (_, i) => caller(i))]);
    const { devices } = await (await send(operator, "/v1/devices")).json();
    const { swapIns, evictions } = devices[0];
    const all = [...latencies.values()].flat();
    console.log(
      [
        `${all.length} calls of ${called.size} handlers in ${seconds} s (DAWNLET_CROWD_SECONDS), ${wrong.length} errors, load ${loadavg()[0]!.toFixed(1)}`,
        `device of ${mib(deviceBytes)}: at most ${mib(most.total)} used, ${mib(most.sessions)} by sessions, ${mib(most.tensors)} by tensors`,
        `${swapIns.count} swap-ins, ${evictions.counts.room} evictions; ${server.started.filter((kind) => kind === "isolate").length} processes of handlers started`,
        "kind         calls    p50 ms    p99 ms",
        ...[...latencies, ["all", all] as const].map(([kind, some]) => row(kind, some)),
      ].join("\n"),
    );
    expect(wrong).toEqual([]);
    expect(evictions.counts.room).toBeGreaterThan(leastEvictions);
    expect(most.tensors).toBeGreaterThan(0);
  });

  test("have nothing running when nobody calls", async () => {
    const { functions } = server.gateway;
    for (const { name } of members) {
      const { program } = (await functions.inspect(name)) as { program: object };
      expect(program, name).toMatchObject({ running: 0, waiting: 0 });
    }
  });

  test("leave nothing when they are removed", { timeout: setupMs }, async () => {
    for (const { name, token } of [...members, ...used]) {
      const response = await send(token, `/v1/functions/${name}`, { method: "DELETE" });
      expect(response.status, name).toBe(204);
    }
    const nothing = { totalBytes: 0, weightBytes: 0, placedBytes: 0, sessionBytes: 0, tensorBytes: 0 };
    await expect
      .poll(() => server.gateway.backends.devices.memory(), { timeout: 10_000 })
      .toMatchObject({ ...nothing, loadedPrograms: 0, residentPrograms: [], hostBytes: 0 });
    if (!hasProc) console.warn("Not looked for processes of handlers: there is no /proc");
    const isolates = () =>
      (hasProc ? descendants(process.pid) : []).filter(({ kind }) => kind === "isolate").length;
    // The one that waits for the next handler.
    await expect.poll(isolates, { timeout: 10_000 }).toBeLessThanOrEqual(1);
    await server.close();
    await expect.poll(isolates, { timeout: 10_000 }).toBe(0);
  });
});

function row(kind: string, latencies: readonly number[]): string {
  const sorted = [...latencies].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(share * sorted.length)]!.toFixed(1).padStart(10);
  return kind.padEnd(12) + String(sorted.length).padStart(6) + at(0.5) + at(0.99);
}

function mib(bytes: number): string {
  return `${(bytes / mebibyte).toFixed(1)} MiB`;
}
