/**
 * From nothing to the first output: a stored, deployed function in a new device process, against ONNX Runtime Web
 * (WebGPU) in a new process, in turns. On Dawn's null backend the GPU takes no time, so only the software's own work
 * counts; on the adapter at hand shaders are compiled and the model really runs.
 *
 *   npm run bench -- cold-start [mnist] [resnet50] [bertBase] [--null | --adapter] [--rounds N]
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { platform } from "#platform";
import { parseProgram } from "../kernels/program/parse.ts";
import { sampleDomains, sampleTensor } from "../models/verify/samples.ts";
import { buildBert } from "../models/zoo/bert.ts";
import { buildResnet } from "../models/zoo/resnet.ts";
import { findAdapter } from "../runtime/adapter/find-adapter.ts";
import { DeviceClient } from "../runtime/device/protocol.ts";
import { RpcClient } from "../runtime/port/rpc-client.ts";
import type { OrtPhases } from "./cold-start/protocol.ts";
import { writeResult } from "./harness/result.ts";
import { median } from "./harness/statistics.ts";
import { printTable } from "./harness/table.ts";

/** At full size; BERT on 32 tokens. */
const models: Readonly<Record<string, () => Promise<Uint8Array>>> = {
  mnist: () => readFile(new URL("../../shared/models/mnist.onnx", import.meta.url)),
  resnet50: async () => buildResnet({ batch: 1 }),
  bertBase: async () => buildBert({ batch: 1, sequence: 32, idType: "int32" }),
};

type Backend = "null" | undefined;

interface Setup {
  readonly name: string;
  readonly backend: Backend;
  readonly environment: Readonly<Record<string, string>>;
  readonly isSoftware: boolean;
  readonly modelPath: string;
  readonly folder: string;
}

/** Milliseconds. */
interface OurPhases {
  readonly processMs: number;
  readonly engineMs: number;
  readonly pipelinesMs: number;
  readonly uploadMs: number;
  readonly loadMs: number;
  readonly runMs: number;
  readonly totalMs: number;
}

type TheirPhases = OrtPhases & { readonly processMs: number; readonly totalMs: number };

export async function run(args: readonly string[]): Promise<void> {
  const names = Object.keys(models).filter(
    (name) => args.includes(name) || !Object.keys(models).some((m) => args.includes(m)),
  );
  const found = await findAdapter(platform);
  const backends: Backend[] = args.includes("--null")
    ? ["null"]
    : args.includes("--adapter")
      ? [undefined]
      : ["null", undefined];
  const figures: { speedupNull: Record<string, number>; speedup: Record<string, number> } = {
    speedupNull: {},
    speedup: {},
  };
  const details: Record<string, unknown> = {};
  const work = await mkdtemp(join(tmpdir(), "dawnlet-cold-start-"));
  try {
    for (const name of names) {
      const modelPath = join(work, `${name}.onnx`);
      await writeFile(modelPath, await models[name]!());
      for (const backend of backends) {
        const rounds =
          Number(args[args.indexOf("--rounds") + 1] ?? Number.NaN) || (backend === "null" ? 5 : 3);
        const folder = join(work, `${name}-${backend ?? "adapter"}`);
        const environment = backend === "null" ? {} : found.environment;
        const { isSoftware } = found.description.adapter;
        const setup: Setup = { name, backend, environment, isSoftware, modelPath, folder };
        const result = await compare(setup, rounds);
        (backend === "null" ? figures.speedupNull : figures.speedup)[name] = result.speedup;
        details[`${name}.${backend ?? "adapter"}`] = result;
        await rm(folder, { recursive: true });
      }
    }
  } finally {
    await rm(work, { recursive: true });
  }
  await writeResult("cold-start", found.description.adapter, figures, details);
}

async function compare(setup: Setup, rounds: number) {
  const where = setup.backend === "null" ? "Dawn's null backend" : "the adapter";
  console.log(`\n${setup.name} on ${where}`);
  await inChild(setup, async (rpc) => {
    const { backend, modelPath, folder } = setup;
    await rpc.call("record", { backend, modelPath, folder });
  });
  const ours: OurPhases[] = [];
  const theirs: TheirPhases[] = [];
  for (let round = 0; round < rounds; round++) {
    ours.push(await startDawnlet(setup));
    theirs.push(await startOrt(setup));
  }
  const middle = <T extends object>(all: readonly T[], key: keyof T) =>
    median(all.map((one) => one[key] as number));
  const ratios = ours.map((one, i) => theirs[i]!.totalMs / one.totalMs);
  printTable(
    ["", "process", "engine", "pipelines", "upload", "session / load", "run", "total ms"],
    [
      [
        "Dawnlet",
        ...(["processMs", "engineMs", "pipelinesMs", "uploadMs", "loadMs", "runMs", "totalMs"] as const).map(
          (key) => middle(ours, key),
        ),
      ],
      [
        "ORT-web",
        middle(theirs, "processMs"),
        middle(theirs, "engineMs"),
        "",
        "",
        middle(theirs, "sessionMs"),
        middle(theirs, "runMs"),
        middle(theirs, "totalMs"),
      ],
    ],
  );
  const speedup = median(ratios);
  console.log(
    `${speedup.toFixed(2)} times faster (${ratios.map((ratio) => ratio.toFixed(2)).join(", ")}); pipelines and upload overlap within load`,
  );
  return { speedup, ratios, ours, theirs };
}

/** A new device process, as the gateway starts it, to the first output of a stored Program. */
async function startDawnlet({ backend, environment, isSoftware, folder }: Setup): Promise<OurPhases> {
  const startedAt = performance.now();
  const entry = new URL("../runtime/device/main.ts", import.meta.url);
  const child = await platform.spawnProcess(entry, { name: "the device process", environment });
  const connectedAt = performance.now();
  const client = new DeviceClient(new RpcClient(child.port));
  const blobFolder = join(folder, "blobs");
  await client.open({ backend, isSoftware, budgetBytes: 8 * 2 ** 30, blobFolder });
  const openedAt = performance.now();
  const json = await readFile(join(folder, "program.json"));
  const load = await client.loadEncoded("model", json, { writesBeforeReads: true });
  const loadedAt = performance.now();
  const { inputs } = parseProgram(JSON.parse(json.toString()));
  const tensors = inputs.map((spec, i) => sampleTensor(spec, sampleDomains[0]!, 100 + i).data);
  const readyAt = performance.now();
  await client.run({ program: "model", inputs: tensors });
  const doneAt = performance.now();
  await child.stop();
  // Making inputs is the benchmark's own work.
  const totalMs = doneAt - startedAt - (readyAt - loadedAt);
  return {
    processMs: connectedAt - startedAt,
    engineMs: openedAt - connectedAt,
    pipelinesMs: load.pipelinesMs,
    uploadMs: load.uploadMs,
    loadMs: loadedAt - openedAt,
    runMs: doneAt - readyAt,
    totalMs,
  };
}

async function startOrt(setup: Setup): Promise<TheirPhases> {
  const startedAt = performance.now();
  return inChild(setup, async (rpc) => {
    const processMs = performance.now() - startedAt;
    const { backend, modelPath } = setup;
    const phases = (await rpc.call("runOrt", { backend, modelPath })).result as OrtPhases;
    const totalMs = processMs + phases.engineMs + phases.sessionMs + phases.runMs;
    return { ...phases, processMs, totalMs };
  });
}

async function inChild<T>({ environment }: Setup, work: (rpc: RpcClient) => Promise<T>): Promise<T> {
  const entry = new URL("./cold-start/child-main.ts", import.meta.url);
  const child = await platform.spawnProcess(entry, { name: "the benchmark's child", environment });
  try {
    return await work(new RpcClient(child.port));
  } finally {
    await child.stop();
  }
}
