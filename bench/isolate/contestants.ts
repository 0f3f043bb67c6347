/** The servers of the isolate benchmark, each a process of its own, and the functions that the gateway of them serves. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BlobWriter, TextReader, ZipWriter } from "@zip.js/zip.js";
import { platform } from "#platform";
import type { StatedHandlerLimits } from "../../kernels/manifest/handler-manifest.ts";
import { RpcClient } from "../../runtime/port/rpc-client.ts";

export interface Server {
  readonly port: number;
  readonly pid: number;
}

export interface Servers extends AsyncDisposable {
  readonly hono: Server;
  readonly worker: Server;
  readonly gateway: Server;
  /** Answers calls of `echo`. */
  readonly rpc: RpcClient;
  /** Processes of handlers that are up, those that wait for one too. */
  isolates(): Promise<readonly number[]>;
  /** Instances of a handler. */
  instances(name: string): Promise<number>;
}

/** Instances of these end soon after a call; the second takes no process that was started ahead. */
export const coldFunctions = { coldSpare: "cold-spare", coldAlone: "cold-alone" } as const;

const shader = `
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&y)) { y[id.x] = 2.0 * x[id.x]; }
}`;

const onGpu = `
export default {
  async fetch(request, env) {
    const { x } = await request.json();
    const { y } = await env.double.run({ x: Float32Array.from(x) });
    return Response.json({ y: [...(await y.data())] });
  },
};`;

export async function startServers(): Promise<Servers> {
  await using cleanup = new AsyncDisposableStack();
  const start = async (file: string) => {
    const child = await platform.spawnProcess(new URL(file, import.meta.url));
    cleanup.defer(async () => void (await child.stop()));
    return { pid: child.pid, rpc: new RpcClient(child.port) };
  };
  const serve = async (file: string): Promise<Server> => {
    const { pid, rpc } = await start(file);
    return { pid, ...((await rpc.call("address")).result as { port: number }) };
  };
  const hono = await serve("./hono-main.ts");
  const worker = await serve("./worker-server-main.ts");
  const { rpc } = await start("./rpc-echo-main.ts");
  const dataFolder = await mkdtemp(join(tmpdir(), "dawnlet-bench-"));
  cleanup.defer(() => rm(dataFolder, { recursive: true, force: true }));
  const { pid, rpc: gateway } = await start("./gateway-main.ts");
  const { port } = (await gateway.call("start", { dataFolder })).result as { port: number };
  await deployAll(port);
  const held = cleanup.move();
  return {
    ...{ hono, worker, rpc, gateway: { port, pid } },
    isolates: async () => ((await gateway.call("isolates")).result as { pids: number[] }).pids,
    async instances(name) {
      const response = await fetch(`http://127.0.0.1:${port}/v1/functions/${name}/program`);
      return ((await response.json()) as { program: { instances: number } }).program.instances;
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

async function deployAll(port: number): Promise<void> {
  const app = await readFile(new URL("./app.ts", import.meta.url), "utf8");
  await deploy(port, "double", shader);
  await deploy(port, "words", await handler(app, { concurrency: 64, instances: 1 }));
  await deploy(port, "on-gpu", await handler(onGpu, { concurrency: 64, instances: 1 }, { double: "double" }));
  const cold = { instances: 1, idleMs: 1 };
  await deploy(port, coldFunctions.coldSpare, await handler(app, cold));
  // Another heap than those have that wait.
  await deploy(port, coldFunctions.coldAlone, await handler(app, { ...cold, memoryBytes: 300 * 2 ** 20 }));
}

async function deploy(port: number, name: string, body: string | Blob): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/functions/${name}`, { method: "PUT", body });
  if (!response.ok) throw new Error(`Cannot deploy '${name}': ${await response.text()}`);
  await response.body?.cancel();
}

async function handler(
  code: string,
  limits: StatedHandlerLimits,
  uses: Readonly<Record<string, string>> = {},
): Promise<Blob> {
  const writer = new ZipWriter(new BlobWriter("application/zip"));
  await writer.add("handler.ts", new TextReader(code));
  await writer.add("function.json", new TextReader(JSON.stringify({ kind: "handler", uses, limits })));
  return writer.close();
}
