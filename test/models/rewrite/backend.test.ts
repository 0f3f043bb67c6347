/**
 * ONNX's own test cases, upgraded and rewritten for the GPU, against their expected outputs on ONNX Runtime's
 * CPU provider.
 */
import { describe, expect, it } from "vitest";
import type { Tensor } from "../../../kernels/tensor.ts";
import { decodeModel, encodeModel, type Model } from "../../../models/onnx/model.ts";
import { readSignature } from "../../../models/onnx/signature.ts";
import { rewriteForGpu } from "../../../models/rewrite/gpu.ts";
import { upgradeModel } from "../../../models/rewrite/upgrade.ts";
import { type BackendCase, backendCases, missingFiles } from "../onnx/shared-files.ts";
import { excess, floats, runReference } from "./reference.ts";

/** Cases that ONNX Runtime itself refuses, as they stand and rewritten, with its words. */
const refusedByRuntime = new Map([
  ["test_gradient_of_add", /Gradient/],
  ["test_gradient_of_add_and_mul", /Gradient/],
]);

describe.skipIf(missingFiles !== undefined)("ONNX's backend test cases", () => {
  const cases = missingFiles === undefined ? backendCases() : [];

  it.each(cases.map((entry) => [entry.name, entry] as const))("%s gives its outputs", async (name, entry) => {
    const model = decodeModel(entry.model);
    const upgraded = upgradeModel(model);
    const refusal = refusedByRuntime.get(name);
    if (refusal !== undefined) {
      await expect(run(model, entry)).rejects.toThrow(refusal);
      await expect(run(upgraded, entry)).rejects.toThrow(refusal);
      return;
    }
    await expectOutputs(upgraded, entry);
    await expectOutputs(rewriteForGpu(upgraded), entry);
  });
});

async function expectOutputs(model: Model, entry: BackendCase): Promise<void> {
  const outputs = await run(model, entry);
  for (const [index, expected] of entry.outputs.entries()) {
    const output = outputs[index];
    if (output === undefined) throw new Error(`no output ${index}`);
    const tensor = expected();
    expect(output.dataType).toBe(tensor.dataType);
    expect(output.shape).toEqual(tensor.shape);
    expect(excess(output, tensor)).toBeLessThanOrEqual(0);
  }
}

async function run(model: Model, entry: BackendCase): Promise<readonly (Tensor | undefined)[]> {
  const { inputs } = readSignature(model);
  const feeds = Object.fromEntries(
    inputs.map(({ name, shape }, index) => [name, entry.inputs?.[index]?.() ?? ramp(shape.map(Number))]),
  );
  const outputs = await runReference(encodeModel(model), feeds);
  return model.graph.output.map(({ name }) => outputs[name ?? ""]);
}

/** `arange(n) / n`. */
function ramp(shape: readonly number[]): Tensor {
  const count = shape.reduce((product, size) => product * size, 1);
  return floats(
    Array.from({ length: count }, (_, index) => index / count),
    shape,
  );
}
