/**
 * What the way through HTTP costs: calls of a tiny function (y = 2x on 16 numbers) as Open Inference JSON, against a
 * bare Hono app that echoes the same body, and against calling the device process without HTTP, at 1 and at 64
 * connections. Server, device process and load generator are processes of their own; contestants take turns.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { platform } from "#platform";
import { loadWgslBundle } from "../kernels/manifest/bundle.ts";
import { findAdapter } from "../runtime/adapter/find-adapter.ts";
import { deviceEntry, deviceStreams } from "../runtime/device/entry.ts";
import { DeviceClient } from "../runtime/device/protocol.ts";
import type { ChildProcess } from "../runtime/platform/platform.ts";
import { RpcClient } from "../runtime/port/rpc-client.ts";
import { splitPort } from "../runtime/port/split-port.ts";
import { generateLoadOutside, type LoadPlan, type LoadResult } from "./harness/http-load.ts";
import { writeResult } from "./harness/result.ts";
import { median, percentile } from "./harness/statistics.ts";
import { printTable } from "./harness/table.ts";

const count = 16;
const rounds = 5;
const durationMs = 2500;
const warmUpMs = 700;
const shader = `
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&y)) { y[id.x] = 2.0 * x[id.x]; }
}`;

const values = Array.from({ length: count }, (_, i) => i);
const body = JSON.stringify({ inputs: [{ name: "x", shape: [count], datatype: "FP32", data: values }] });

type Contestant = "echo" | "gateway" | "device";

export async function run(): Promise<void> {
  const found = await findAdapter(platform);
  const dataFolder = await mkdtemp(join(tmpdir(), "dawnlet-bench-"));
  const children: ChildProcess[] = [];
  const spawn = async (entry: URL, environment: Record<string, string> = {}) => {
    const child = await platform.spawnProcess(entry, { environment });
    children.push(child);
    return child.port;
  };
  const start = async (file: string) => new RpcClient(await spawn(new URL(file, import.meta.url)));
  try {
    const echo = (await (await start("./gateway/echo-main.ts")).call("address", null)).result as {
      port: number;
    };
    const gatewayRpc = await start("./gateway/gateway-main.ts");
    const gateway = (await gatewayRpc.call("start", { dataFolder })).result as { port: number };
    const deployed = await fetch(`http://127.0.0.1:${gateway.port}/v1/functions/double`, {
      method: "PUT",
      body: shader,
    });
    if (!deployed.ok) throw new Error(`Deploy failed: ${await deployed.text()}`);
    const device = await openDevice(
      new RpcClient(splitPort(await spawn(deviceEntry, { ...found.environment }), deviceStreams).calls),
      found,
      dataFolder,
    );

    const plan = (port: number, path: string, connections: number): LoadPlan => ({
      ...{ host: "127.0.0.1", port, method: "POST", path, connections, warmUpMs, durationMs },
      headers: { "content-type": "application/json" },
      bodyBase64: Buffer.from(body).toString("base64"),
      expect: { status: 200 },
    });
    const measure: Record<Contestant, (connections: number) => Promise<Figures>> = {
      echo: async (connections) =>
        figuresOf(await generateLoadOutside(plan(echo.port, "/echo", connections))),
      gateway: async (connections) =>
        figuresOf(await generateLoadOutside(plan(gateway.port, "/v2/models/double/infer", connections))),
      device: (connections) => callDevice(device, connections),
    };
    const results: Record<number, Record<Contestant, Figures[]>> = {};
    for (const connections of [1, 64]) {
      const of: Record<Contestant, Figures[]> = { echo: [], gateway: [], device: [] };
      for (let round = 0; round < rounds; round++) {
        for (const name of ["echo", "gateway", "device"] as const)
          of[name].push(await measure[name](connections));
      }
      results[connections] = of;
    }
    await report(results, found.description.adapter);
  } finally {
    for (const child of children) await child.stop();
    await rm(dataFolder, { recursive: true, force: true });
  }
}

interface Figures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

function figuresOf({ throughput, latencyMs, errors, firstError }: LoadResult): Figures {
  const wrong = errors.status + errors.body + errors.connection;
  if (wrong > 0) throw new Error(`${wrong} answers were wrong: ${firstError}`);
  return { perSecond: throughput, p50Ms: latencyMs.p50, p99Ms: latencyMs.p99 };
}

async function openDevice(
  rpc: RpcClient,
  found: Awaited<ReturnType<typeof findAdapter>>,
  dataFolder: string,
): Promise<DeviceClient> {
  const client = new DeviceClient(rpc);
  const { isSoftware } = found.description.adapter;
  await client.open({ isSoftware, budgetBytes: 2 ** 30, blobFolder: join(dataFolder, "blobs") });
  const bundle = await loadWgslBundle(new Map([["main.wgsl", new TextEncoder().encode(shader)]]));
  const { program } = bundle.specialise({ x: [count] }, {});
  await client.load("double", program, { writesBeforeReads: false });
  return client;
}

/** The same closed loop without HTTP, from this process. */
async function callDevice(device: DeviceClient, callers: number): Promise<Figures> {
  const input = new Uint8Array(new Float32Array(values).buffer);
  const latencies: number[] = [];
  const startedAt = performance.now();
  const measuredFrom = startedAt + warmUpMs;
  const until = measuredFrom + durationMs;
  const call = async () => {
    for (let at = performance.now(); at < until; ) {
      await device.run({ program: "double", inputs: [input] });
      const now = performance.now();
      if (at >= measuredFrom) latencies.push(now - at);
      at = now;
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  return {
    perSecond: latencies.length / (durationMs / 1000),
    p50Ms: median(latencies),
    p99Ms: percentile(latencies, 0.99),
  };
}

async function report(
  results: Readonly<Record<number, Record<Contestant, Figures[]>>>,
  adapter: Parameters<typeof writeResult>[1],
): Promise<void> {
  const rows: (string | number)[][] = [];
  const figures: Record<string, number> = {};
  for (const [connections, of] of Object.entries(results)) {
    for (const [name, all] of Object.entries(of)) {
      const middle = (key: keyof Figures) => median(all.map((one) => one[key]));
      rows.push([
        Number(connections),
        name,
        Math.round(middle("perSecond")),
        middle("p50Ms"),
        middle("p99Ms"),
      ]);
    }
    const ratio = median(of.gateway.map((one, i) => one.perSecond / of.echo[i]!.perSecond));
    const added = median(of.gateway.map((one, i) => one.p50Ms - of.echo[i]!.p50Ms));
    figures[connections === "64" ? "ratioToHono" : "ratioToHonoAt1"] = ratio;
    figures[connections === "1" ? "addedP50Ms" : "addedP50MsAt64"] = added;
  }
  printTable(["connections", "contestant", "calls/s", "p50 ms", "p99 ms"], rows);
  console.log(`\nat 64 connections ${figures.ratioToHono!.toFixed(2)} of the echo's throughput`);
  console.log(`at 1 connection ${figures.addedP50Ms!.toFixed(3)} ms added to the echo's p50`);
  await writeResult("gateway", adapter, figures, results);
}
