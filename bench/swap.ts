/**
 * What swapping costs: each model resident on the device, its weights brought in without a run (loaded), swapped in from
 * host memory for a run, cold from the disk, against ONNX Runtime Web with its session kept and made anew. The bound of a swapped call is the longer of two times that
 * cannot be avoided: uploading its weights at the raw rate, measured in the same rounds, and running it.
 *
 *   npm run bench -- swap [tables] [wide] [mobilenetV2] … [--null | --adapter] [--rounds N] [--no-ort]
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { platform } from "#platform";
import { weightFirstUse } from "../kernels/program/analyze.ts";
import { parseProgram } from "../kernels/program/parse.ts";
import type { Program } from "../kernels/program/program.ts";
import { sampleDomains, sampleTensor } from "../models/verify/samples.ts";
import { type FoundAdapter, findAdapter } from "../runtime/adapter/find-adapter.ts";
import { deviceEntry, deviceProcessOptions, deviceStreams } from "../runtime/device/entry.ts";
import { DeviceClient } from "../runtime/device/protocol.ts";
import type { ChildProcess } from "../runtime/platform/platform.ts";
import { RpcClient } from "../runtime/port/rpc-client.ts";
import { splitPort } from "../runtime/port/split-port.ts";
import { writeResult } from "./harness/result.ts";
import { median, percentile } from "./harness/statistics.ts";
import { printTable } from "./harness/table.ts";
import { swapModels } from "./swap/models.ts";

const ways = ["resident", "loaded", "swapped", "cold", "ortKept", "ortRecreated"] as const;
type Way = (typeof ways)[number];

const warmUps = 5;
/** Of uploads, which are short, the median counts: after seconds of a model's run the first finds its memory cold. */
const uploadsARound = 3;

interface Setup {
  readonly found: FoundAdapter;
  readonly backend: "null" | undefined;
  readonly rounds: number;
  readonly hasOrt: boolean;
}

/** Milliseconds, a value a round. */
type Samples = Record<Way | "raw", number[]>;

interface ModelResult {
  readonly weightBytes: number;
  readonly overBound: number;
  readonly uploadShare: number;
  readonly overResident: number;
  readonly samples: Samples;
}

export async function run(args: readonly string[]): Promise<void> {
  const names = Object.keys(swapModels).filter(
    (name) => args.includes(name) || !Object.keys(swapModels).some((known) => args.includes(known)),
  );
  const backend = args.includes("--null") ? "null" : undefined;
  const rounds = Number(args[args.indexOf("--rounds") + 1] ?? Number.NaN) || (backend ? 15 : 5);
  const found = await findAdapter(platform);
  const setup: Setup = { found, backend, rounds, hasOrt: !args.includes("--no-ort") };
  console.log(
    `swap on ${backend ? "Dawn's null backend" : found.description.adapter.device}, ${rounds} rounds`,
  );
  const models: Record<string, ModelResult> = {};
  for (const name of names) {
    models[name] = await measureModel(name, setup);
    report(name, models[name]);
  }
  const figures = Object.fromEntries(
    Object.entries(models).map(([name, { overBound, uploadShare, overResident }]) => [
      name,
      { overBound, uploadShare, overResident },
    ]),
  );
  await writeResult(backend ? "swap-null" : "swap", found.description.adapter, { models: figures }, models);
}

async function measureModel(name: string, setup: Setup): Promise<ModelResult> {
  const folder = await mkdtemp(join(tmpdir(), "dawnlet-swap-"));
  const children: ChildProcess[] = [];
  const start = async (entry: URL, environment: Readonly<Record<string, string>>) => {
    const child = await platform.spawnProcess(entry, { ...deviceProcessOptions, name: name, environment });
    children.push(child);
    return new RpcClient(entry === deviceEntry ? splitPort(child.port, deviceStreams).calls : child.port);
  };
  const { found, backend, rounds, hasOrt } = setup;
  const environment = backend ? {} : found.environment;
  const adapter = { backend, isSoftware: found.description.adapter.isSoftware };
  try {
    const modelPath = join(folder, "model.onnx");
    await writeFile(modelPath, swapModels[name]!());
    const recorder = await start(new URL("./cold-start/record-main.ts", import.meta.url), environment);
    await recorder.call("record", { ...adapter, modelPath, folder });
    await children.pop()!.stop();

    const json = await readFile(join(folder, "program.json"));
    const program = parseProgram(JSON.parse(json.toString()));
    const weightBytes = bytesOfWeights(program);
    const raw = await start(new URL("./swap/raw-rate-main.ts", import.meta.url), environment);
    await raw.call("open", { ...adapter, totalBytes: weightBytes });
    const device = new DeviceClient(await start(deviceEntry, environment));
    await device.open({
      ...{ ...adapter, budgetBytes: 2 * 2 ** 30, hostBudgetBytes: 2 * 2 ** 30 },
      blobFolder: join(folder, "blobs"),
    });
    const inputs = program.inputs.map((spec, i) => sampleTensor(spec, sampleDomains[0]!, i).data);
    const load = () => device.loadEncoded("model", json, { writesBeforeReads: true });
    const call = () => timed(() => device.run({ program: "model", inputs }));
    const ort = hasOrt ? await start(new URL("./swap/ort-main.ts", import.meta.url), environment) : undefined;
    await ort?.call("open", { ...adapter, modelPath });
    const measure: Record<Way | "raw", () => Promise<number>> = {
      raw: async () => (await raw.call("measure")).result as number,
      resident: call,
      loaded: async () => {
        await device.evict("model");
        return timed(() => device.reload("model"));
      },
      swapped: async () => {
        await device.evict("model");
        return call();
      },
      cold: async () => {
        // With its last Program the device gives all memory back, host memory included.
        await device.unload("model");
        return timed(() => Promise.all([load(), device.run({ program: "model", inputs })]));
      },
      ortKept: async () => (await ort!.call("kept")).result as number,
      ortRecreated: async () => (await ort!.call("recreated")).result as number,
    };
    await load();
    await call();
    // What is read a second time stays in host memory; and fresh memory is slower for a while.
    for (let i = 0; i < warmUps; i++) await measure.loaded();
    const samples = Object.fromEntries(
      (["raw", ...ways] as const).map((way) => [way, []]),
    ) as unknown as Samples;
    const warm = (["raw", ...ways] as const).filter(
      (way) => way !== "cold" && (hasOrt || !way.startsWith("ort")),
    );
    for (let round = 0; round < rounds; round++) {
      for (const way of warm) {
        const times: number[] = [];
        for (let i = 0; i < (way === "raw" || way === "loaded" ? uploadsARound : 1); i++)
          times.push(await measure[way]());
        samples[way].push(median(times));
      }
    }
    // At last: each one gives the memory back that the others have warmed.
    for (let round = 0; round < rounds; round++) samples.cold.push(await measure.cold());
    return { weightBytes, ...ratiosOf(samples), samples };
  } finally {
    for (const child of children) await child.stop();
    await rm(folder, { recursive: true });
  }
}

/** Ratios within each round, medians of them. */
function ratiosOf({ raw, resident, loaded, swapped }: Samples) {
  const each = (ratio: (i: number) => number) => median(raw.map((_, i) => ratio(i)));
  const bound = (i: number) => Math.max(raw[i]!, resident[i]!);
  return {
    overBound: each((i) => swapped[i]! / bound(i)),
    overResident: each((i) => swapped[i]! / resident[i]!),
    /** Of bringing the weights in without running. */
    uploadShare: each((i) => raw[i]! / loaded[i]!),
  };
}

function report(name: string, { weightBytes, samples, ...ratios }: ModelResult): void {
  const mebibytes = weightBytes / 2 ** 20;
  const rate = weightBytes / median(samples.raw) / 1e6;
  console.log(`\n${name}: ${mebibytes.toFixed(1)} MiB of weights, raw upload rate ${rate.toFixed(2)} GB/s`);
  const rows = (["raw", ...ways] as const)
    .filter((way) => samples[way].length > 0)
    .map((way) => [way, median(samples[way]), percentile(samples[way], 0.99)]);
  printTable(["", "p50 ms", "p99 ms"], rows);
  const text = Object.entries(ratios).map(([key, value]) => `${key} ${value.toFixed(2)}`);
  console.log(text.join(", "));
}

function bytesOfWeights(program: Program): number {
  const sizes = new Map<string, number>();
  for (const index of weightFirstUse(program).keys()) {
    const buffer = program.buffers[index]!;
    if (buffer.type === "weight") sizes.set(buffer.digest, buffer.sizeBytes);
  }
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

async function timed(action: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await action();
  return performance.now() - startedAt;
}
