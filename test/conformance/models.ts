/**
 * Cases of recorded models: compiled here as a deploy does it, in a compiler process, with outputs expected from
 * ONNX Runtime's CPU provider.
 */
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { platform } from "#platform";
import { parseProgram } from "../../kernels/program/parse.ts";
import type { Tensor, TensorSpec } from "../../kernels/tensor.ts";
import { createCpuSession } from "../../models/ort.ts";
import { prepareVariant } from "../../models/prepare.ts";
import { buildBert } from "../../models/zoo/bert.ts";
import { buildMobilenetV2 } from "../../models/zoo/mobilenet-v2.ts";
import type { FoundAdapter } from "../../runtime/adapter/find-adapter.ts";
import { Compilers } from "../../runtime/supervisor/compilers.ts";
import type { CaseRun, ConformanceCase } from "./case.ts";
import { seededFloats } from "./seeded.ts";

interface ModelCase {
  readonly name: string;
  readonly model: () => Uint8Array | Promise<Uint8Array>;
  /** Absolute, and relative to the expected value: what other adapters may make of the same Program. */
  readonly tolerance: number;
}

/** Beside the project and no part of it. */
const mnistPath = fileURLToPath(new URL("../../../shared/models/mnist.onnx", import.meta.url));
const hasMnist = existsSync(mnistPath);
if (!hasMnist) console.warn(`Left out: the trained model MNIST, as there is no '${mnistPath}'`);

/** Word ids of the small BERT. */
const vocabulary = 50;

export const modelCases: readonly ModelCase[] = [
  // Its scores are in the hundreds.
  ...(hasMnist
    ? [{ name: "MNIST, a trained model", model: () => readFile(mnistPath), tolerance: 1e-3 }]
    : []),
  {
    name: "a small MobileNetV2",
    model: () => buildMobilenetV2({ imageSize: 32, classes: 10, width: 0.1, repeats: 1, batch: 1 }),
    tolerance: 1e-4,
  },
  {
    name: "a small BERT",
    model: () =>
      buildBert({
        layers: 2,
        hidden: 32,
        heads: 4,
        vocabulary,
        positions: 16,
        batch: 1,
        sequence: 8,
        idType: "int32",
      }),
    tolerance: 1e-4,
  },
];

/** Of one compilation. */
const limitMs = 600_000;

/** @throws Error where a model is not recorded. */
export async function makeModelCases({ environment, description }: FoundAdapter): Promise<ConformanceCase[]> {
  const folder = await mkdtemp(join(tmpdir(), "dawnlet-conformance-"));
  const lines: string[] = [];
  const { isSoftware } = description.adapter;
  const compilers = new Compilers({
    platform,
    environment,
    adapter: { isSoftware },
    onLine: (line) => lines.push(line),
  });
  try {
    const cases: ConformanceCase[] = [];
    for (const each of modelCases) cases.push(await compile(each, compilers, folder));
    return cases;
  } catch (error) {
    throw new Error(`Cannot compile the models of the suite: ${error}\n${lines.join("\n")}`, {
      cause: error,
    });
  } finally {
    await compilers.stop();
    await rm(folder, { recursive: true });
  }
}

async function compile(
  { name, model, tolerance }: ModelCase,
  compilers: Compilers,
  folder: string,
): Promise<ConformanceCase> {
  const bytes = new Uint8Array(await model());
  const modelPath = join(folder, "model.onnx");
  await writeFile(modelPath, bytes);
  const source = { modelPath, files: {}, dimensions: {}, outputFolder: folder };
  const { reply, programJson } = await compilers.compile("", source, {
    ...{ modelBytes: bytes.byteLength, limitMs },
    onProgress: () => {},
  });
  if (reply.type !== "program") throw new Error(`${name} was not recorded: ${reply.reason}`);
  const weights = new Map<string, Uint8Array>();
  for (const { digest } of reply.weights)
    weights.set(digest, new Uint8Array(await readFile(join(folder, digest))));
  const program = parseProgram(JSON.parse(new TextDecoder().decode(programJson)));
  const outputs = program.outputs.map((output) => output.name);
  const { writesBeforeReads } = reply;
  return { name, program, weights, writesBeforeReads, runs: await makeRuns(bytes, outputs, tolerance) };
}

async function makeRuns(
  model: Uint8Array,
  outputs: readonly string[],
  tolerance: number,
): Promise<CaseRun[]> {
  const { reference, inputs } = prepareVariant(model, () => undefined, {});
  const session = await createCpuSession(reference);
  try {
    const runs: CaseRun[] = [];
    for (const seed of [1, 2]) {
      const tensors = inputs.map((spec, i) => sample(spec, seed * 10 + i));
      const named = Object.fromEntries(inputs.map(({ name }, i) => [name, tensors[i]!]));
      const results = await session.run(named);
      runs.push({
        inputs: tensors.map(({ data }) => data),
        expected: outputs.map((name) => ({
          bytes: results.get(name)!.data.slice(),
          tolerance: { type: "close", absolute: tolerance, relative: tolerance },
        })),
      });
    }
    return runs;
  } finally {
    await session.release();
  }
}

function sample({ name, dataType, shape }: TensorSpec, seed: number): Tensor {
  const count = shape.reduce((product, size) => product * size, 1);
  const values = seededFloats(count, seed);
  if (dataType === "float32") return { dataType, shape, data: new Uint8Array(values.buffer) };
  if (dataType !== "int32") throw new Error(`No samples of ${dataType}`);
  const below = name === "input_ids" ? vocabulary : 2;
  const ids = Int32Array.from(values, (value) => ((value + 1) / 2) * below);
  return { dataType, shape, data: new Uint8Array(ids.buffer) };
}
