/**
 * The same by way of a gateway, whose scheduler has to let the short calls by: under `deadline`, which counts on the device
 * to cut long runs, and under `lb`, which gives a device one run at a time.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TextReader, Uint8ArrayWriter, ZipWriter } from "@zip.js/zip.js";
import { platform } from "#platform";
import { openGateway } from "../../gateway/gateway.ts";
import { median, percentile, timed } from "../harness/statistics.ts";

export interface GatewayFigures {
  readonly policy: string;
  readonly shortAloneMs: number;
  readonly longAloneMs: number;
  readonly longBesideMs: number;
  readonly shortP50Ms: number;
  readonly shortP99Ms: number;
}

const policies = ["deadline", "lb"] as const;
const count = 4096;
const rounds = 10;
const learningCalls = 5;

/** @param steps and iterations of each, of the long function. */
export async function measureByGateway(
  steps: number,
  iterations: number,
): Promise<readonly GatewayFigures[]> {
  const figures: GatewayFigures[] = [];
  for (const policy of policies) {
    const dataFolder = await mkdtemp(join(tmpdir(), "dawnlet-sharing-"));
    const gateway = await openGateway({ platform, dataFolder, port: 0, scheduling: policy });
    try {
      await deploy(gateway.url, "long", steps, iterations);
      await deploy(gateway.url, "short", 1, 1);
      figures.push({ policy, ...(await measure(gateway.url)) });
    } finally {
      await gateway.close();
      await rm(dataFolder, { recursive: true, force: true });
    }
  }
  return figures;
}

async function measure(url: string): Promise<Omit<GatewayFigures, "policy">> {
  const body = JSON.stringify({ x: Array.from({ length: count }, () => 1) });
  const call = async (name: string) => {
    const response = await fetch(`${url}/function/${name}`, { method: "POST", body });
    const text = await response.text();
    if (!response.ok) throw new Error(`${name}: ${text}`);
  };
  const [long, short] = [timed(() => call("long")), timed(() => call("short"))];
  const alone = async (one: typeof long) => {
    for (let i = 0; i < learningCalls; i++) await one();
    const all: number[] = [];
    for (let i = 0; i < rounds; i++) all.push(await one());
    return median(all);
  };
  const [longAloneMs, shortAloneMs] = [await alone(long), await alone(short)];
  const longs: number[] = [];
  const shorts: number[] = [];
  for (let round = 0; round < rounds; round++) {
    let isDone = false;
    const running = long().finally(() => {
      isDone = true;
    });
    while (!isDone) shorts.push(await short());
    longs.push(await running);
  }
  return {
    ...{ shortAloneMs, longAloneMs, longBesideMs: median(longs) },
    ...{ shortP50Ms: median(shorts), shortP99Ms: percentile(shorts, 0.99) },
  };
}

async function deploy(url: string, name: string, steps: number, iterations: number): Promise<void> {
  const shader = `
@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  var x = source[id.x] + id.x;
  for (var i = 0u; i < ${iterations}u; i++) { x = x * 1664525u + 1013904223u; }
  result[id.x] = x;
}`;
  const tensor = { type: "uint32", shape: [count] };
  const manifest = {
    kind: "wgsl",
    inputs: { x: tensor },
    outputs: { y: tensor },
    kernels: { main: { file: "kernel.wgsl" } },
    steps: Array.from({ length: steps }, () => ({
      ...{ kernel: "main", bind: { source: "x", result: "y" }, workgroups: [count / 64] },
    })),
  };
  const zip = new ZipWriter(new Uint8ArrayWriter(), { useWebWorkers: false });
  await zip.add("function.json", new TextReader(JSON.stringify(manifest)));
  await zip.add("kernel.wgsl", new TextReader(shader));
  const body = (await zip.close()) as Uint8Array<ArrayBuffer>;
  const response = await fetch(`${url}/v1/functions/${name}`, { method: "PUT", body });
  if (!response.ok) throw new Error(`Cannot deploy ${name}: ${await response.text()}`);
}
