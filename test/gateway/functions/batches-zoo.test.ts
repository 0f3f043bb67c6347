/**
 * Architectures of the zoo, and trained models where they lie beside the project: three calls as one run of four against
 * the same calls alone. A batch may sum in another order than a single call, so equality is that of verification.
 */
import { describe, expect, test } from "vitest";
import { compiledVariants } from "../../../gateway/functions/record.ts";
import type { Tensor, TensorSignature, Tensors } from "../../../kernels/tensor.ts";
import { compareTensors } from "../../../models/verify/compare.ts";
import { sampleDomains, sampleTensor } from "../../../models/verify/samples.ts";
import { buildBert } from "../../../models/zoo/bert.ts";
import { buildGpt2Step } from "../../../models/zoo/gpt2-step.ts";
import { modelFile } from "../../e2e/media.ts";
import { gatewayFor } from "../../e2e/running-gateway.ts";
import { onlyIfAsked } from "../../left-out.ts";
import { missingFiles } from "../../models/onnx/shared-files.ts";
import { bytesOf, DeployedServable, groupOf } from "./deployed-servable.ts";

const server = gatewayFor("all tests");
const limitMs = 300_000;

const text = { layers: 2, hidden: 32, heads: 4, vocabulary: 50, positions: 16 };

const isLeftOut = onlyIfAsked(
  "the comparison of batches of zoo models",
  "batches of small models are compared in batches.test.ts",
);

describe.skipIf(isLeftOut).each([
  ["bert", () => buildBert(text)],
  ["gpt2", () => buildGpt2Step(text)],
])("a small %s", (name, build) => {
  test("gives each of several calls what it gives alone", { timeout: limitMs }, () => compare(name, build()));
});

describe.skipIf(missingFiles !== undefined || isLeftOut)("MNIST, whose batch is fixed at one", () => {
  test("gives each of several calls what it gives alone", { timeout: limitMs }, () =>
    compare("mnist", modelFile("mnist.onnx")),
  );
});

async function compare(name: string, model: Uint8Array): Promise<void> {
  await server.client.mustDeploy(name, model);
  const f = await DeployedServable.open(server, name);
  const { inputs: signature } = f.record().signature;
  const calls = [];
  for (const seed of [1, 2, 3]) calls.push(await f.prepare(sampleInputs(signature, seed)));
  await groupOf(calls[0]!).want(calls.length);
  expect(f.servable.batching).toMatchObject({ type: "proven", sizes: [4] });
  const { source } = f.record();
  if (source.type !== "onnx") throw new Error("The version is no model");
  const [single, batch] = compiledVariants(source);
  expect(new Set(batch!.weights)).toEqual(new Set(single!.weights));
  const together = await f.runMerged(calls);
  for (const [i, call] of calls.entries()) {
    const alone = await f.runAlone(call);
    const parts = bytesOf(together[i]!);
    expect(together[i]!.map(({ tensor }) => tensor.shape)).toEqual(alone.map(({ tensor }) => tensor.shape));
    for (const [output, { tensor }] of alone.entries()) {
      const { firstBad } = compareTensors(parts[output]!, tensor as Tensor, 100);
      expect(firstBad).toBeUndefined();
    }
  }
}

/** One example; free dimensions other than the batch are 4. */
function sampleInputs(signature: readonly TensorSignature[], seed: number): Tensors {
  return Object.fromEntries(
    signature.map((input, i) => {
      const shape = input.shape.map((d, axis) => (typeof d === "number" ? d : axis === 0 ? 1 : 4));
      return [input.name, sampleTensor({ ...input, shape }, sampleDomains[1]!, 100 * seed + i)];
    }),
  );
}
