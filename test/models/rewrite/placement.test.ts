/**
 * Rewritten models run whole on ONNX Runtime's WebGPU provider: no node is placed on the CPU. Read from the log
 * of a process of its own, since the log goes to standard error.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeModel, encodeModel, type Model } from "../../../models/onnx/model.ts";
import { rewriteForGpu } from "../../../models/rewrite/gpu.ts";
import { narrowInt64Inputs } from "../../../models/rewrite/narrow-inputs.ts";
import { upgradeModel } from "../../../models/rewrite/upgrade.ts";
import { buildBert } from "../../../models/zoo/bert.ts";
import { buildDensenet } from "../../../models/zoo/densenet.ts";
import { buildGpt2Step } from "../../../models/zoo/gpt2-step.ts";
import { buildMobilenetV2 } from "../../../models/zoo/mobilenet-v2.ts";
import { buildResnet } from "../../../models/zoo/resnet.ts";
import { backendCases, missingFiles } from "../onnx/shared-files.ts";
import { gpuCases } from "./gpu-cases.ts";

const image = { imageSize: 32, classes: 10, batch: 1 };
const text = { layers: 1, hidden: 32, heads: 4, vocabulary: 50, positions: 16 };

const models = new Map<string, Model>([
  ...gpuCases.map(({ name, opset, model }) => [`${name} of opset ${opset}`, rewriteForGpu(model)] as const),
  ["ResNet", decodeModel(buildResnet({ ...image, width: 1 / 16, blocks: [1, 1] }))],
  ["MobileNetV2", decodeModel(buildMobilenetV2({ ...image, width: 0.1, repeats: 1 }))],
  ["DenseNet", decodeModel(buildDensenet({ ...image, blocks: [2, 2], growth: 4 }))],
  ["GPT-2 step", decodeModel(buildGpt2Step(text))],
  ["BERT on int32", decodeModel(buildBert({ ...text, idType: "int32" }))],
  ["BERT on int64, narrowed", narrowInt64Inputs(decodeModel(buildBert(text))).model],
  ...(missingFiles === undefined ? backendCases() : [])
    .filter(({ name }) => name.startsWith("light_"))
    .map(({ name, model }) => [name, rewriteForGpu(upgradeModel(decodeModel(model)))] as const),
]);
/** The control: models that need their rewrite. */
const controls = new Map<string, readonly string[]>([
  ["Sum of three of opset 17", ["Sum"]],
  ["Xor of opset 17", ["Xor"]],
  ["Clip of opset 10", ["all"]],
  ["LRN of opset 13", ["all"]],
  ["Sin of opset 22", ["all"]],
]);

const adapter = describeAdapter();
if (adapter !== undefined) console.warn(`Skipped: placement on the GPU, as ${adapter}`);

describe.skipIf(adapter !== undefined)("ONNX Runtime's WebGPU provider", () => {
  let placed: ReadonlyMap<string, readonly string[]> = new Map();
  const folder = mkdtempSync(join(tmpdir(), "placement-"));
  beforeAll(() => {
    const originals = gpuCases
      .map(({ name, opset, model }) => [`${name} of opset ${opset}`, model] as const)
      .filter(([name]) => controls.has(name))
      .map(([name, model]) => [`control ${name}`, model] as const);
    placed = placeNodes(folder, new Map([...models, ...originals]));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each([...models.keys()])("takes all nodes of %s", (name) => {
    expect(placed.get(name)).toEqual([]);
  });

  it.each([...controls])("would not take %s as it stands", (name, operators) => {
    expect(placed.get(`control ${name}`)).toEqual(operators);
  });
});

/** Operators that each model has on the CPU; `all` where it has no others. */
function placeNodes(
  folder: string,
  given: ReadonlyMap<string, Model>,
): ReadonlyMap<string, readonly string[]> {
  const names = [...given.keys()];
  const paths = names.map((_, index) => join(folder, `${index}.onnx`));
  for (const [index, model] of [...given.values()].entries())
    writeFileSync(paths[index]!, encodeModel(model));
  const { stderr, isDone } = runPlacement(paths);
  if (!isDone) throw new Error(`the process ended too early: ${stderr.slice(-1000)}`);
  return new Map(names.map((name, index) => [name, operatorsOnCpu(between(stderr, paths[index]!))]));
}

function between(log: string, path: string): string {
  const [start, end] = [log.indexOf(`begin ${path}\n`), log.indexOf(`end ${path}\n`)];
  if (start < 0 || end < 0) throw new Error(`no log of ${path}`);
  return log.slice(start, end);
}

function operatorsOnCpu(log: string): readonly string[] {
  if (!log.includes("placed on [")) throw new Error("no node was placed");
  // Where one provider has them all, their names are not logged.
  if (log.includes("All nodes placed on [CPUExecutionProvider]")) return ["all"];
  const operators: string[] = [];
  let isCpu = false;
  for (const line of log.split("\n")) {
    if (line.includes("placed on [")) isCpu = line.includes("[CPUExecutionProvider]");
    const operator = /VerifyEachNodeIsAssignedToAnEp\]\s+(\w+) \(/.exec(line)?.[1];
    if (isCpu && operator !== undefined) operators.push(operator);
  }
  return operators;
}

/** Why nothing can be placed; undefined where an adapter answers. */
function describeAdapter(): string | undefined {
  return runPlacement([]).isDone
    ? undefined
    : "there is no WebGPU adapter (Debian: apt-get install chromium)";
}

function runPlacement(paths: readonly string[]): { readonly stderr: string; readonly isDone: boolean } {
  const script = join(import.meta.dirname, "place-nodes.ts");
  const options = { encoding: "utf8", maxBuffer: 2 ** 28, env: { ...software(), ...process.env } } as const;
  const { stderr } = spawnSync(process.execPath, [script, ...paths], options);
  // Whatever its end may print.
  return { stderr, isDone: /(^|\n)done\n/.test(stderr) };
}

/** A software adapter for machines without a GPU, unless the environment names one. */
function software(): Readonly<Record<string, string>> {
  const driver = "/usr/lib/chromium/vk_swiftshader_icd.json";
  if (!existsSync(driver)) return {};
  return {
    VK_DRIVER_FILES: driver,
    VK_ICD_FILENAMES: driver,
    LD_LIBRARY_PATH: "/usr/lib/chromium",
    XDG_RUNTIME_DIR: tmpdir(),
  };
}
