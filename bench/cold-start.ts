/**
 * From nothing to the first output: a stored, deployed function in a new device process, against ONNX Runtime Web
 * (WebGPU) in a new process, in turns. On Dawn's null backend the GPU takes no time, so only the software's own work
 * counts; on the adapter at hand shaders are compiled and the model really runs.
 *
 *   npm run bench -- cold-start [mnist] [resnet50] [bertBase] [--null | --adapter] [--rounds N]
 */

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { platform } from "#platform";
import { parseProgram } from "../kernels/program/parse.ts";
import { sampleDomains, sampleTensor } from "../models/verify/samples.ts";
import { buildBert } from "../models/zoo/bert.ts";
import { buildResnet } from "../models/zoo/resnet.ts";
import { findAdapter } from "../runtime/adapter/find-adapter.ts";
import { deviceEntry, deviceProcessOptions, deviceStreams } from "../runtime/device/entry.ts";
import { DeviceClient } from "../runtime/device/protocol.ts";
import { RpcClient } from "../runtime/port/rpc-client.ts";
import { splitPort } from "../runtime/port/split-port.ts";
import { writeResult } from "./harness/result.ts";
import { median } from "./harness/statistics.ts";
import { printTable } from "./harness/table.ts";

/** At full size; BERT on 32 tokens. */
const models: Readonly<Record<string, () => Promise<Uint8Array>>> = {
  mnist: () => readFile(new URL("../../shared/models/mnist.onnx", import.meta.url)),
  resnet50: async () => buildResnet({ batch: 1 }),
  bertBase: async () => buildBert({ batch: 1, sequence: 32, idType: "int32" }),
};

/** Ratios by model. */
type Figures = Record<
  "speedupNull" | "speedup" | "speedupNullOverJspi" | "speedupOverJspi",
  Record<string, number>
>;

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

/** The build of ONNX Runtime Web that its documentation names for WebGPU, and the leaner one that needs JSPI. */
type OrtBuild = "webgpu" | "jspi";

/** Milliseconds. */
interface TheirPhases {
  readonly processMs: number;
  /** Opening WebGPU and loading the library. */
  readonly engineMs: number;
  /** Reading the file and creating the session: compiles wasm, plans, uploads weights. */
  readonly sessionMs: number;
  /** The first run: compiles shaders, computes, reads back. */
  readonly runMs: number;
  readonly totalMs: number;
}

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
  const figures: Figures = { speedupNull: {}, speedup: {}, speedupNullOverJspi: {}, speedupOverJspi: {} };
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
        const isNull = backend === "null";
        (isNull ? figures.speedupNull : figures.speedup)[name] = result.speedup;
        (isNull ? figures.speedupNullOverJspi : figures.speedupOverJspi)[name] = result.speedupOverJspi;
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
  await record(setup);
  const ours: OurPhases[] = [];
  const theirs: Record<OrtBuild, TheirPhases[]> = { webgpu: [], jspi: [] };
  for (let round = 0; round < rounds; round++) {
    ours.push(await startDawnlet(setup));
    theirs.webgpu.push(await startOrt(setup, "webgpu"));
    theirs.jspi.push(await startOrt(setup, "jspi"));
  }
  const middle = <T extends object>(all: readonly T[], key: keyof T) =>
    median(all.map((one) => one[key] as number));
  const row = (build: OrtBuild) => {
    const of = (key: keyof TheirPhases) => middle(theirs[build], key);
    return [
      `ORT-web (${build})`,
      of("processMs"),
      of("engineMs"),
      "",
      "",
      of("sessionMs"),
      of("runMs"),
      of("totalMs"),
    ];
  };
  const keys = ["processMs", "engineMs", "pipelinesMs", "uploadMs", "loadMs", "runMs", "totalMs"] as const;
  printTable(
    ["", "process", "engine", "pipelines", "upload", "session / load", "run", "total ms"],
    [["Dawnlet", ...keys.map((key) => middle(ours, key))], row("webgpu"), row("jspi")],
  );
  const speedupOf = (build: OrtBuild) =>
    median(ours.map((one, i) => theirs[build][i]!.totalMs / one.totalMs));
  const speedup = speedupOf("webgpu");
  const speedupOverJspi = speedupOf("jspi");
  console.log(
    `${speedup.toFixed(2)} times faster than the WebGPU build, ${speedupOverJspi.toFixed(2)} than the JSPI build`,
  );
  console.log("(Dawnlet's pipelines and upload overlap within its load)");
  return { speedup, speedupOverJspi, ours, theirs };
}

/** A new device process, as the gateway starts it, to the first output of a stored Program. */
async function startDawnlet({ backend, environment, isSoftware, folder }: Setup): Promise<OurPhases> {
  const startedAt = performance.now();
  const child = await platform.spawnProcess(deviceEntry, { ...deviceProcessOptions, environment });
  const connectedAt = performance.now();
  const client = new DeviceClient(new RpcClient(splitPort(child.port, deviceStreams).calls));
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

/** A new process with nothing in it but ONNX Runtime Web. */
async function startOrt({ backend, environment, modelPath }: Setup, build: OrtBuild): Promise<TheirPhases> {
  const entry = fileURLToPath(new URL("./cold-start/ort-main.ts", import.meta.url));
  const runtimeArgs = platform.runtime === "deno" ? ["run", "-A", "--no-prompt"] : [];
  const startedAt = performance.now();
  const child = spawn(process.execPath, [...runtimeArgs, entry, modelPath, build, backend ?? ""], {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  for await (const chunk of child.stdout) output += chunk;
  const phases = JSON.parse(output) as Omit<TheirPhases, "processMs" | "totalMs">;
  const { engineMs, sessionMs, runMs } = phases;
  // Measured from outside, less the parts that the child measured: starting the process and loading its modules.
  const totalMs = performance.now() - startedAt;
  return { ...phases, processMs: totalMs - engineMs - sessionMs - runMs, totalMs };
}

async function record({ backend, environment, isSoftware, modelPath, folder }: Setup): Promise<void> {
  const entry = new URL("./cold-start/record-main.ts", import.meta.url);
  const child = await platform.spawnProcess(entry, { name: "the recording process", environment });
  try {
    await new RpcClient(child.port).call("record", { backend, isSoftware, modelPath, folder });
  } finally {
    await child.stop();
  }
}
