/**
 * What one device gives a long function and a short one at once: what it costs the long one to be cut into parts, and
 * what the short one waits, against a device that does not cut; and how many runs share a round in the end, by how long
 * they are. Two device processes, each called by this one; they take turns. Then the same by way of a gateway.
 */
import { platform } from "#platform";
import { type Program, programFormat } from "../kernels/program/program.ts";
import { findAdapter } from "../runtime/adapter/find-adapter.ts";
import { deviceEntry, deviceProcessOptions, deviceStreams } from "../runtime/device/entry.ts";
import { DeviceClient } from "../runtime/device/protocol.ts";
import type { ChildProcess } from "../runtime/platform/platform.ts";
import { RpcClient } from "../runtime/port/rpc-client.ts";
import { splitPort } from "../runtime/port/split-port.ts";
import { writeResult } from "./harness/result.ts";
import { interleave, median, percentile, timed } from "./harness/statistics.ts";
import { printTable } from "./harness/table.ts";
import { measureByGateway } from "./sharing/by-gateway.ts";

const count = 4096;
const steps = 40;
const longMs = 100;
const rounds = 20;
const crowdMs = 6000;
const ways = ["cut", "whole"] as const;
type Way = (typeof ways)[number];

export async function run(): Promise<void> {
  const found = await findAdapter(platform);
  const { isSoftware } = found.description.adapter;
  const children: ChildProcess[] = [];
  const open = async (sliceMs?: number) => {
    const options = { ...deviceProcessOptions, environment: { ...found.environment } };
    const child = await platform.spawnProcess(deviceEntry, options);
    children.push(child);
    const client = new DeviceClient(new RpcClient(splitPort(child.port, deviceStreams).calls));
    await client.open({ isSoftware, budgetBytes: 2 ** 30, sliceMs, blobFolder: "/nowhere" });
    return client;
  };
  try {
    const devices: Record<Way, DeviceClient> = { cut: await open(), whole: await open(1e9) };
    const iterations = await calibrate(devices.whole);
    for (const way of ways) {
      await load(devices[way], "long", chain(steps, iterations));
      await load(devices[way], "short", chain(1, 1));
      // Costs of its steps are learned.
      for (let i = 0; i < 5; i++) await call(devices[way], "long");
    }
    const alone = await interleave(
      { cut: timed(() => call(devices.cut, "long")), whole: timed(() => call(devices.whole, "long")) },
      rounds,
    );
    const beside: Record<Way, Beside[]> = { cut: [], whole: [] };
    for (let round = 0; round < rounds; round++)
      for (const way of ways) beside[way].push(await callBeside(devices[way]));
    const shortAlone: number[] = [];
    for (let i = 0; i < 200; i++) shortAlone.push(await timed(() => call(devices.cut, "short"))());

    const of = (way: Way) => {
      const short = beside[way].flatMap(({ shortMs }) => shortMs);
      return {
        aloneMs: median(alone.values[way]),
        besideMs: median(beside[way].map((each) => each.longMs)),
        shortP50Ms: median(short),
        shortP99Ms: percentile(short, 0.99),
      };
    };
    const [cut, whole] = [of("cut"), of("whole")];
    const shortAloneMs = median(shortAlone);
    printTable(
      ["", "long alone ms", "long beside short ms", "short p50 ms", "short p99 ms"],
      [
        ["cut", ...Object.values(cut)],
        ["whole", ...Object.values(whole)],
      ],
    );
    const ratioAlone = alone.ratio("cut", "whole").median;
    console.log(
      `\nshort alone ${shortAloneMs.toFixed(2)} ms; a long run alone takes ${ratioAlone.toFixed(3)} of the time if it is cut`,
    );
    const lanes = await crowd(devices.cut, iterations);
    for (const { millis, lanes: n, perSecond } of lanes)
      console.log(
        `64 callers of a run of ${millis.toFixed(2)} ms: rounds of up to ${n}, ${Math.round(perSecond)} a second`,
      );
    for (const child of children.splice(0)) await child.stop();
    const byGateway = await measureByGateway(steps, iterations);
    console.log("\nby way of a gateway");
    printTable(
      ["", "short alone ms", "long alone ms", "long beside short ms", "short p50 ms", "short p99 ms"],
      byGateway.map((one) => Object.values(one)),
    );
    await writeResult(
      "sharing",
      found.description.adapter,
      { cut, whole, ratioAlone, shortAloneMs, lanes },
      { steps, iterations, byGateway },
    );
  } finally {
    for (const child of children) await child.stop();
  }
}

interface Beside {
  readonly longMs: number;
  readonly shortMs: readonly number[];
}

/** Calls the short function again and again until the long one has answered. */
async function callBeside(device: DeviceClient): Promise<Beside> {
  let isDone = false;
  const long = timed(() => call(device, "long"))().finally(() => {
    isDone = true;
  });
  const shortMs: number[] = [];
  while (!isDone) shortMs.push(await timed(() => call(device, "short"))());
  return { longMs: await long, shortMs };
}

interface Crowd {
  readonly millis: number;
  readonly lanes: number;
  readonly perSecond: number;
}

/** What lanes come to where 64 callers want the same. */
async function crowd(device: DeviceClient, iterations: number): Promise<Crowd[]> {
  const results: Crowd[] = [];
  for (const part of [0, 0.02, 0.2]) {
    await load(device, "crowd", chain(1, Math.max(1, Math.round(iterations * part * steps * 0.1))));
    // A first run compiles.
    await call(device, "crowd");
    const { timing } = await call(device, "crowd");
    const until = performance.now() + crowdMs;
    let calls = 0;
    const caller = async () => {
      for (; performance.now() < until; calls++) await call(device, "crowd");
    };
    await Promise.all(Array.from({ length: 64 }, caller));
    const { laneLimits } = await device.memory();
    const millis = timing.executeMs;
    const limit = laneLimits.find(({ upToMs = Number.POSITIVE_INFINITY }) => millis <= upToMs);
    results.push({ millis, lanes: limit?.lanes ?? 0, perSecond: (calls * 1000) / crowdMs });
    await device.unload("crowd");
  }
  return results;
}

/** @returns iterations a step with which the long Program takes `longMs`. */
async function calibrate(device: DeviceClient): Promise<number> {
  let iterations = 64;
  for (;;) {
    await load(device, "trial", chain(steps, iterations));
    await call(device, "trial");
    const ms = await timed(() => call(device, "trial"))();
    await device.unload("trial");
    if (ms > longMs / 2) return Math.round((iterations * longMs) / ms);
    iterations *= 2;
  }
}

function load(device: DeviceClient, id: string, program: Program) {
  return device.load(id, program, { writesBeforeReads: true });
}

function call(device: DeviceClient, program: string) {
  return device.run({ program, inputs: [new Uint8Array(4 * count)] });
}

/** Steps that each work on what the one before has left. */
function chain(length: number, iterations: number): Program {
  const sizeBytes = 4 * count;
  const last = length + 1;
  const tensor = { dataType: "uint32", shape: [count] } as const;
  return {
    format: programFormat,
    inputs: [{ name: "x", ...tensor, buffer: 0 }],
    outputs: [{ name: "y", ...tensor, buffer: length }],
    buffers: Array.from({ length: last }, (_, i) => ({
      type: i === 0 ? "input" : i === length ? "output" : "temporary",
      sizeBytes,
    })),
    shaders: [
      `@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  var x = source[id.x] + id.x;
  for (var i = 0u; i < ${iterations}u; i++) { x = x * 1664525u + 1013904223u; }
  result[id.x] = x;
}`,
    ],
    pipelines: [{ shader: 0, entryPoint: "main" }],
    steps: Array.from({ length }, (_, i) => ({
      type: "dispatch",
      pipeline: 0,
      bindings: [
        { group: 0, binding: 0, buffer: i, offset: 0, sizeBytes, access: "read" },
        { group: 0, binding: 1, buffer: i + 1, offset: 0, sizeBytes, access: "read_write" },
      ],
      workgroups: [count / 64, 1, 1],
    })),
    features: [],
  };
}
