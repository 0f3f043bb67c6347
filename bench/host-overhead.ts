/**
 * What a run costs the host: a model of 100 dispatches on Dawn's null backend, where the GPU takes no time. Compares
 * replaying the recorded Program with ONNX Runtime Web's `session.run()`, without and with graph capture. All in one
 * process, in turns; each contestant writes one input, runs, and has one output in host memory. ORT's input is a
 * GPUBuffer, and its output is read back in two ways: by its own `getData()`, which is what the ratios are of, and
 * by hand through a staging buffer that is used again and again, which is the least that can be done around it.
 * Measured twice: many runs one after the other, which is what a busy device does, and single runs after a pause, which
 * is what a caller of an idle one waits for.
 */
import { platform } from "#platform";
import type { Program } from "../kernels/program/program.ts";
import type { TensorSpec } from "../kernels/tensor.ts";
import { makeFloats, makeNode, makeValue } from "../models/onnx/build.ts";
import { encodeModel } from "../models/onnx/model.ts";
import { createGpuSession, type GpuSession } from "../models/ort.ts";
import { recordModel } from "../models/record/record.ts";
import { acceptSharedMemory } from "../models/record/shared-memory.ts";
import { Layouts } from "../runtime/device/layouts.ts";
import { openDevice } from "../runtime/device/open.ts";
import { DeviceService } from "../runtime/device/service.ts";
import { MemoryWeights } from "../runtime/device/weights.ts";
import { writeResult } from "./harness/result.ts";
import { interleave, percentile, timed } from "./harness/statistics.ts";
import { printTable } from "./harness/table.ts";

const width = 256;
const layers = 50;
/** Runs measured together: one alone is close to the clock's resolution. */
const runsPerRound = 20;
const rounds = 60;
const idleRounds = 150;
const pauseMs = 5;
const spec: TensorSpec = { name: "x", dataType: "float32", shape: [1, width] };

export async function run(): Promise<void> {
  const open = await platform.openGpu({ backend: "null" });
  Object.defineProperty(globalThis.navigator, "gpu", { value: open.gpu, configurable: true });
  const newDevice = () => openDevice({ open, backend: "null", ask: "portable" });
  const files = { model: multilayerPerceptron() };
  const input = { dataType: spec.dataType, shape: spec.shape, data: new Uint8Array(width * 4) };

  // Recorded on the null backend too: the commands are the same, whatever they compute.
  const recording = await newDevice();
  const layouts = new Layouts(recording.device);
  const samples = [[input], [input]] as const;
  const request = { device: recording.device, layouts, files, inputs: [spec], samples };
  const { program, weights } = await recordModel(request, async (recorded) => recorded);
  const replay = await openReplay((await newDevice()).device, recording.adapter, program, weights);
  const plain = await openOrt((await newDevice()).device, files.model, false);
  const captured = await openOrt((await newDevice()).device, files.model, true);

  const many = (once: () => Promise<unknown>) =>
    timed(async () => {
      for (let i = 0; i < runsPerRound; i++) await once();
    });
  const single = {
    replay: () => replay.run({ program: "model", inputs: [input.data] }),
    sessionRun: () => plain(input.data, "getData"),
    sessionRunByHand: () => plain(input.data, "byHand"),
    graphCapture: () => captured(input.data, "getData"),
    graphCaptureByHand: () => captured(input.data, "byHand"),
  };
  const contestants = mapValues(single, many);
  // V8 compiles what is hot only after a while.
  await interleave(contestants, 10);
  const { values, ratio } = await interleave(contestants, rounds);
  const idle = await interleave(mapValues(single, afterPause), idleRounds);

  const dispatches = program.steps.filter((step) => step.type === "dispatch").length;
  const names = Object.keys(contestants) as (keyof typeof contestants)[];
  const perRun = (name: keyof typeof contestants, p: number) => percentile(values[name], p) / runsPerRound;
  console.log(
    `${dispatches} dispatches, ${program.pipelines.length} pipelines, Dawn's null backend, ms a run`,
  );
  printTable(
    ["contestant", "p50 ms", "p10 ms", "µs a dispatch", "idle p50 ms"],
    names.map((name) => [
      name,
      perRun(name, 0.5),
      perRun(name, 0.1),
      (perRun(name, 0.5) * 1000) / dispatches,
      percentile(idle.values[name], 0.5),
    ]),
  );
  const figures = {
    ratioToRun: ratio("replay", "sessionRun").median,
    ratioToGraphCapture: ratio("replay", "graphCapture").median,
    ratioToRunByHand: ratio("replay", "sessionRunByHand").median,
    ratioToGraphCaptureByHand: ratio("replay", "graphCaptureByHand").median,
    idleRatioToRun: idle.ratio("replay", "sessionRun").median,
    idleRatioToGraphCapture: idle.ratio("replay", "graphCapture").median,
    replayMs: perRun("replay", 0.5),
    sessionRunMs: perRun("sessionRun", 0.5),
    graphCaptureMs: perRun("graphCapture", 0.5),
    dispatches,
  };
  console.log(
    `replay takes ${figures.ratioToRun.toFixed(3)} of session.run(), ${figures.ratioToGraphCapture.toFixed(3)} of graph capture`,
  );
  console.log(
    `after a pause ${figures.idleRatioToRun.toFixed(3)} and ${figures.idleRatioToGraphCapture.toFixed(3)}`,
  );
  await writeResult("host-overhead", recording.adapter, figures, { runsPerRound, rounds, width, layers });
}

/** One run, after everything that goes on behind the one before has ended. */
function afterPause(once: () => Promise<unknown>): () => Promise<number> {
  const run = timed(once);
  return async () => {
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    return run();
  };
}

function mapValues<Name extends string, From, To>(
  values: Readonly<Record<Name, From>>,
  map: (value: From) => To,
): Record<Name, To> {
  const entries = Object.entries<From>(values).map(([name, value]) => [name, map(value)]);
  return Object.fromEntries(entries) as Record<Name, To>;
}

/** A model whose layers are two dispatches each: a matrix product and an activation that ORT does not fuse into it. */
function multilayerPerceptron(): Uint8Array {
  const nodes = [];
  const initializer = [];
  let value = "x";
  for (let layer = 0; layer < layers; layer++) {
    const [weight, product, activation] = [
      `w${layer}`,
      `p${layer}`,
      layer === layers - 1 ? "y" : `a${layer}`,
    ];
    initializer.push(makeFloats(weight, new Float32Array(width * width).fill(1 / width), [width, width]));
    nodes.push(makeNode("MatMul", [value, weight], [product]), makeNode("Tanh", [product], [activation]));
    value = activation;
  }
  return encodeModel({
    irVersion: 8n,
    opsetImport: [{ domain: "", version: 17n }],
    metadataProps: [],
    trainingInfo: [],
    functions: [],
    graph: {
      name: "mlp",
      node: nodes,
      initializer,
      sparseInitializer: [],
      input: [makeValue("x", "float32", spec.shape)],
      output: [makeValue("y", "float32", spec.shape)],
      valueInfo: [],
      quantizationAnnotation: [],
      metadataProps: [],
    },
  });
}

async function openReplay(
  device: GPUDevice,
  adapter: Awaited<ReturnType<typeof openDevice>>["adapter"],
  program: Program,
  weights: ReadonlyMap<string, Uint8Array>,
): Promise<DeviceService> {
  const service = new DeviceService({
    device,
    adapter,
    weights: new MemoryWeights(weights),
    budgetBytes: 2 ** 31,
  });
  await service.load("model", program, { writesBeforeReads: true });
  return service;
}

/** ORT with its input in a GPUBuffer and its output left in one. */
async function openOrt(device: GPUDevice, model: Uint8Array, enableGraphCapture: boolean) {
  acceptSharedMemory(device);
  const session: GpuSession = await createGpuSession(device, { model }, { enableGraphCapture });
  const size = width * 4;
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const buffer = device.createBuffer({ size, usage });
  const staging = device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  return async (bytes: Uint8Array, readBack: "getData" | "byHand"): Promise<Uint8Array> => {
    device.queue.writeBuffer(buffer, 0, bytes as Uint8Array<ArrayBuffer>);
    const { outputs, download, dispose } = await session.run([{ spec, buffer }]);
    if (readBack === "getData") {
      const [output] = await download();
      dispose();
      return output!;
    }
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(outputs[0]!.buffer, 0, staging, 0, size);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const result = new Uint8Array(staging.getMappedRange()).slice();
    staging.unmap();
    dispose();
    return result;
  };
}
