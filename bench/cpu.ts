/**
 * What a CPU lane gives beside this machine's GPU: models that are called by one caller and by eight, on a gateway with a
 * lane and on one without. By one caller, what a run takes on the device that it went to; by eight, answers a second and
 * how many of them came from a lane. The gateways take turns, without HTTP.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { platform } from "#platform";
import { type Gateway, openGateway } from "../gateway/gateway.ts";
import type { TensorSpec, Tensors } from "../kernels/tensor.ts";
import { sampleDomains, sampleTensor } from "../models/verify/samples.ts";
import { buildBert } from "../models/zoo/bert.ts";
import { buildMobilenetV2 } from "../models/zoo/mobilenet-v2.ts";
import { writeResult } from "./harness/result.ts";
import { median } from "./harness/statistics.ts";
import { printTable } from "./harness/table.ts";

interface Model {
  readonly name: string;
  readonly build: () => Uint8Array;
}

const models: readonly Model[] = [
  {
    name: "bert-tiny",
    build: () =>
      buildBert({ batch: 1, sequence: 16, layers: 2, hidden: 64, heads: 2, vocabulary: 100, positions: 16 }),
  },
  { name: "mobilenet-96", build: () => buildMobilenetV2({ batch: 1, imageSize: 96 }) },
  {
    name: "bert-small",
    build: () =>
      buildBert({
        batch: 1,
        sequence: 64,
        layers: 4,
        hidden: 256,
        heads: 4,
        vocabulary: 1000,
        positions: 64,
      }),
  },
];
const callers = 8;
const warmUpMs = 3_000;
const measuredMs = 5_000;
const ways = ["without", "with"] as const;

export async function run(): Promise<void> {
  const dataFolder = await mkdtemp(join(tmpdir(), "dawnlet-bench-"));
  const results: Record<string, Record<string, Loop[]>> = {};
  try {
    await using first = disposable(await open(dataFolder, "without"));
    for (const { name, build } of models) await deploy(first.gateway, name, build());
    const adapter = first.gateway.adapters[0]!.description.adapter;
    await first.gateway.close();
    for (const way of ways) {
      await using one = disposable(await open(dataFolder, way));
      for (const { name } of models) {
        const inputs = inputsOf(one.gateway, name);
        // The crowd first: what it waits for is tried on the lane at once.
        const crowd = await loop(one.gateway, name, inputs, callers);
        const alone = await loop(one.gateway, name, inputs, 1);
        results[name] = { ...results[name], [way]: [alone, crowd] };
      }
    }
    await report(results, adapter);
  } finally {
    await rm(dataFolder, { recursive: true, force: true });
  }
}

function open(dataFolder: string, way: (typeof ways)[number]): Promise<Gateway> {
  return openGateway({ platform, dataFolder, port: 0, cpu: way === "with" });
}

/** Closing twice does nothing. */
function disposable(gateway: Gateway): { readonly gateway: Gateway } & AsyncDisposable {
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= gateway.close();
    return closing;
  };
  return { gateway: { ...gateway, close }, [Symbol.asyncDispose]: close };
}

async function deploy({ functions }: Gateway, name: string, bytes: Uint8Array): Promise<void> {
  const { function: status } = await functions.deploy(name, {
    body: new Blob([bytes as Uint8Array<ArrayBuffer>]).stream(),
  });
  if (status.current.engine.type !== "program") throw new Error(`${name} cannot run on the GPU`);
}

function inputsOf({ functions }: Gateway, name: string): Tensors {
  const { inputs } = functions.version(name).signature;
  // Ids that every vocabulary has.
  const domain = sampleDomains.find((one) => one.name === "zero and one")!;
  return Object.fromEntries(
    inputs.map((input, i) => [input.name, sampleTensor(input as TensorSpec, domain, i)]),
  );
}

interface Loop {
  readonly perSecond: number;
  /** Median time of a run, and part of the answers, by device. */
  readonly devices: Readonly<Record<string, { readonly executeMs: number; readonly part: number }>>;
}

async function loop({ functions }: Gateway, name: string, inputs: Tensors, count: number): Promise<Loop> {
  const { signal } = new AbortController();
  const times: Record<string, number[]> = {};
  const from = performance.now() + warmUpMs;
  const until = from + measuredMs;
  let answers = 0;
  const caller = async () => {
    while (performance.now() < until) {
      const { device = "none", timings } = await functions.invoke({ name, inputs, parameters: {}, signal });
      if (performance.now() < from) continue;
      answers++;
      const executeMs = timings.find(([hop]) => hop === "execute")![1];
      times[device] ??= [];
      times[device].push(executeMs);
    }
  };
  await Promise.all(Array.from({ length: count }, caller));
  const perSecond = answers / ((performance.now() - from) / 1000);
  const devices = Object.entries(times).map(([device, all]) => {
    return [device, { executeMs: median(all), part: all.length / answers }] as const;
  });
  return { perSecond, devices: Object.fromEntries(devices) };
}

async function report(
  results: Readonly<Record<string, Record<string, Loop[]>>>,
  adapter: Parameters<typeof writeResult>[1],
): Promise<void> {
  const rows = Object.entries(results).flatMap(([name, of]) =>
    ways.map((way) => {
      const [alone, crowd] = of[way] as [Loop, Loop];
      const text = ({ devices }: Loop) =>
        Object.entries(devices)
          .map(
            ([id, { executeMs, part }]) => `${id} ${executeMs.toFixed(2)} ms (${Math.round(100 * part)} %)`,
          )
          .join(", ");
      return [name, way, text(alone), crowd.perSecond, text(crowd)];
    }),
  );
  printTable(["model", "lane", "one caller", `calls/s of ${callers}`, "where"], rows);
  await writeResult("cpu", adapter, results);
}
