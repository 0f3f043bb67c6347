/**
 * What a handler in a process of its own costs, against the same work in the process that serves HTTP (a bare Hono app)
 * and in a worker thread per request (the naive isolate): its start, calls at 1 and at 64 connections, processor time a
 * call, memory. Also one WGSL function called through `env`, against calling it directly, and a bare call over the same
 * socket. Servers and load generator are processes of their own; contestants take turns, another one first each round.
 */
import { platform } from "#platform";
import { findAdapter } from "../runtime/adapter/find-adapter.ts";
import { processMemory } from "./density/process-memory.ts";
import { generateLoad, generateLoadOutside, type LoadPlan, type LoadResult } from "./harness/http-load.ts";
import { writeResult } from "./harness/result.ts";
import { median } from "./harness/statistics.ts";
import { type Cell, printTable } from "./harness/table.ts";
import { coldFunctions, type Server, type Servers, startServers } from "./isolate/contestants.ts";

const rounds = 5;
const coldStarts = 15;
const durationMs = 2500;
const warmUpMs = 500;
const words = { text: "The quick brown fox jumps over the lazy dog, and the dog sleeps on. ".repeat(4) };
const numbers = Array.from({ length: 16 }, (_, i) => i);
const tensor = { inputs: [{ name: "x", shape: [16], datatype: "FP32", data: numbers }] };

interface Contestant {
  readonly server: Server;
  readonly path: string;
  readonly body: object;
  readonly connections: number;
}

interface Figures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of server and isolates, for each call. */
  readonly cpuMs: number;
}

export async function run(): Promise<void> {
  const found = await findAdapter(platform);
  await using servers = await startServers();
  const { hono, worker, gateway } = servers;
  const handler = { server: gateway, path: "/function/words/words", body: words };
  const onGpu = { server: gateway, path: "/function/on-gpu", body: { x: numbers } };
  const direct = { server: gateway, path: "/v2/models/double/infer", body: tensor };
  const contestants: Record<string, Contestant> = {
    "hono, 1": { server: hono, path: "/words", body: words, connections: 1 },
    "handler, 1": { ...handler, connections: 1 },
    "worker a request, 1": { server: worker, path: "/words", body: words, connections: 1 },
    "hono, 64": { server: hono, path: "/words", body: words, connections: 64 },
    "handler, 64": { ...handler, connections: 64 },
    "WGSL, 1": { ...direct, connections: 1 },
    "WGSL by a handler, 1": { ...onGpu, connections: 1 },
    "WGSL, 64": { ...direct, connections: 64 },
    "WGSL by a handler, 64": { ...onGpu, connections: 64 },
  };
  const names = Object.keys(contestants);
  const before = await processMemory(gateway.pid);
  const results: Record<string, Figures[]> = Object.fromEntries(names.map((name) => [name, []]));
  const rpcMs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(round + turn) % names.length]!;
      results[name]!.push(await measure(contestants[name]!, servers));
    }
    rpcMs.push(await bareCalls(servers));
  }
  const memory = await memoryOf(servers);
  const cold = await coldFigures(servers);
  const measured = { results, rpcMs, memory: { ...memory, gatewayBeforeBytes: before?.ownBytes }, cold };
  await report(measured, found.description.adapter);
}

async function measure(contestant: Contestant, servers: Servers): Promise<Figures> {
  const plan = planOf(contestant);
  await generateLoadOutside({ ...plan, durationMs: 100 });
  const isGateway = contestant.server === servers.gateway;
  const pids = [contestant.server.pid, ...(isGateway ? await servers.isolates() : [])];
  const [usedMs, result] = await spent(pids, () => generateLoadOutside({ ...plan, warmUpMs: 0 }));
  return { ...figuresOf(result), cpuMs: usedMs / result.requests };
}

function planOf({ server, path, body, connections }: Contestant): LoadPlan {
  return {
    ...{ host: "127.0.0.1", port: server.port, method: "POST", path, connections, warmUpMs, durationMs },
    headers: { "content-type": "application/json" },
    bodyBase64: Buffer.from(JSON.stringify(body)).toString("base64"),
    expect: { status: 200 },
  };
}

/** Processor time that these processes take meanwhile, in milliseconds. */
async function spent<T>(pids: readonly number[], action: () => Promise<T>): Promise<readonly [number, T]> {
  const total = async (): Promise<number> => {
    const usages = await Promise.all(pids.map((pid) => platform.processUsage(pid)));
    return usages.reduce((sum, usage) => sum + (usage?.cpuMs ?? 0), 0);
  };
  const before = await total();
  const result = await action();
  return [(await total()) - before, result];
}

function figuresOf({ throughput, latencyMs, errors, firstError }: LoadResult): Omit<Figures, "cpuMs"> {
  const wrong = errors.status + errors.body + errors.connection;
  if (wrong > 0) throw new Error(`${wrong} answers were wrong: ${firstError}`);
  return { perSecond: throughput, p50Ms: latencyMs.p50, p99Ms: latencyMs.p99 };
}

/** Median of calls one after the other that bring as many bytes there and back. */
async function bareCalls({ rpc }: Servers): Promise<number> {
  const bytes = new TextEncoder().encode(JSON.stringify(words));
  const all: number[] = [];
  for (let i = 0; i < 2000; i++) {
    const start = performance.now();
    await rpc.call("echo", null, [bytes]);
    all.push(performance.now() - start);
  }
  return median(all);
}

/** From a request to a handler that has no instance to its answer. */
async function coldFigures(servers: Servers): Promise<Record<keyof typeof coldFunctions, number[]>> {
  const all: Record<keyof typeof coldFunctions, number[]> = { coldSpare: [], coldAlone: [] };
  for (let i = 0; i < coldStarts; i++) {
    for (const kind of ["coldSpare", "coldAlone"] as const) {
      const name = coldFunctions[kind];
      await untilCold(servers, name);
      const contestant = {
        server: servers.gateway,
        path: `/function/${name}/words`,
        body: words,
        connections: 1,
      };
      const one = { ...planOf(contestant), warmUpMs: 0, requests: 1 };
      all[kind].push(figuresOf(await generateLoad(one)).p50Ms);
    }
  }
  return all;
}

/** Instances have ended, and a process waits: beside those of the two handlers that stay. */
async function untilCold(servers: Servers, name: string): Promise<void> {
  const staying = (await servers.instances("words")) + (await servers.instances("on-gpu"));
  for (let tries = 0; tries < 200; tries++) {
    const [instances, isolates] = await Promise.all([servers.instances(name), servers.isolates()]);
    if (instances === 0 && isolates.length === staying + 1) {
      // What has just started is done with starting, and with warming up (runtime/isolate/warm-up.ts).
      await new Promise((resolve) => setTimeout(resolve, 600));
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`'${name}' does not become cold`);
}

interface Memory {
  /** Median of the processes of handlers; undefined where the system does not say. */
  readonly instanceBytes: number | undefined;
  readonly gatewayBytes: number | undefined;
}

async function memoryOf({ gateway, isolates }: Servers): Promise<Memory> {
  const all = await Promise.all((await isolates()).map(processMemory));
  const own = all.flatMap((memory) => (memory === undefined ? [] : [memory.ownBytes]));
  return {
    instanceBytes: own.length === 0 ? undefined : median(own),
    gatewayBytes: (await processMemory(gateway.pid))?.ownBytes,
  };
}

interface Measured {
  readonly results: Readonly<Record<string, readonly Figures[]>>;
  readonly rpcMs: readonly number[];
  readonly memory: Memory & { readonly gatewayBeforeBytes: number | undefined };
  readonly cold: Readonly<Record<keyof typeof coldFunctions, readonly number[]>>;
}

async function report(measured: Measured, adapter: Parameters<typeof writeResult>[1]): Promise<void> {
  const { results, rpcMs, memory, cold } = measured;
  const middle = (name: string, key: keyof Figures): number => median(results[name]!.map((one) => one[key]));
  const ratio = (of: string, to: string, key: keyof Figures): number =>
    median(results[of]!.map((one, round) => one[key] / results[to]![round]![key]));
  const rows = Object.keys(results).map((name): Cell[] => [
    name,
    Math.round(middle(name, "perSecond")),
    ...[middle(name, "p50Ms"), middle(name, "p99Ms"), middle(name, "cpuMs")],
  ]);
  printTable(["contestant, connections", "calls/s", "p50 ms", "p99 ms", "CPU ms a call"], rows);
  const figures = {
    coldStartMs: median(cold.coldSpare),
    coldStartWithoutSpareMs: median(cold.coldAlone),
    warmCallMs: middle("handler, 1", "p50Ms"),
    warmCallP99Ms: middle("handler, 1", "p99Ms"),
    honoCallMs: middle("hono, 1", "p50Ms"),
    workerPerRequestMs: middle("worker a request, 1", "p50Ms"),
    bareRpcMs: median(rpcMs),
    callsPerSecond: middle("handler, 64", "perSecond"),
    ratioToHono: ratio("handler, 64", "hono, 64", "perSecond"),
    cpuRatioToHono: ratio("handler, 64", "hono, 64", "cpuMs"),
    gpuAddedMs: middle("WGSL by a handler, 1", "p50Ms") - middle("WGSL, 1", "p50Ms"),
    gpuRatioToDirect: ratio("WGSL by a handler, 64", "WGSL, 64", "perSecond"),
    instanceBytes: memory.instanceBytes,
    gatewayMemoryBytes: memory.gatewayBytes,
    gatewayMemoryBeforeBytes: memory.gatewayBeforeBytes,
  };
  console.log("");
  printTable(
    ["figure", "value"],
    Object.entries(figures).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
  await writeResult("isolate", adapter, figures, measured);
}
