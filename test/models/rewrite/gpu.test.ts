/**
 * Rewrites for the GPU keep the meaning: on any input, original and rewritten model agree on ONNX Runtime's CPU
 * provider. That the results do run on the GPU is placement.test.ts's matter.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeFloats, makeNode, makeTensor, makeValue } from "../../../models/onnx/build.ts";
import { encodeModel, type Model, opsetOf } from "../../../models/onnx/model.ts";
import { rewriteForGpu } from "../../../models/rewrite/gpu.ts";
import { makeGraph, makeModel, modelOf, untyped } from "../onnx/graphs.ts";
import { gpuCases, shape } from "./gpu-cases.ts";
import { excess, floats, runReference } from "./reference.ts";

const size = shape.reduce((product, length) => product * length, 1);
/** Halves and whole numbers too, where rounding and comparing operators turn. */
const element = fc.oneof(
  fc.float({ min: -20, max: 20, noNaN: true }),
  fc.integer({ min: -8, max: 8 }).map((value) => value / 2),
);
const input = fc.array(element, { minLength: size, maxLength: size });

describe("rewriteForGpu()", () => {
  it.each(gpuCases.map((entry) => [`${entry.name} of opset ${entry.opset}`, entry] as const))(
    "replaces %s by its equal",
    async (_, { model, replaces }) => {
      const rewritten = rewriteForGpu(model);
      const operators = rewritten.graph.node.map((node) => node.opType);
      if (replaces !== undefined) expect(operators).not.toContain(replaces);
      await fc.assert(
        fc.asyncProperty(input, async (values) => {
          const x = floats(values, shape);
          const expected = await runReference(encodeModel(model), { x });
          const actual = await runReference(encodeModel(rewritten), { x });
          expect(Object.keys(actual)).toEqual(Object.keys(expected));
          for (const [name, tensor] of Object.entries(expected)) {
            expect(actual[name]?.shape).toEqual(tensor.shape);
            expect(excess(actual[name]!, tensor, 1e-4, 2e-6)).toBeLessThanOrEqual(0);
          }
        }),
        { numRuns: 8 },
      );
    },
  );

  it("leaves a model that needs nothing as it is", () => {
    const model = modelOf(17, [2], [makeNode("Relu", ["x"], ["y"])]);
    expect(rewriteForGpu(model)).toBe(model);
  });

  it("does not change the model that it is given", () => {
    const { model } = gpuCases.find(({ name }) => name === "Sum of three")!;
    const before = encodeModel(model);
    expect(rewriteForGpu(model)).not.toBe(model);
    expect(encodeModel(model)).toEqual(before);
  });

  it("takes weights out of the inputs, where old formats list them", async () => {
    const w = makeFloats("w", Float32Array.of(5, 6), [2]);
    const graph = makeGraph([makeNode("Add", ["x", "w"], ["y"])], {
      input: [makeValue("x", "float32", [2]), makeValue("w", "float32", [2])],
      output: [untyped("y")],
      initializer: [w],
    });
    const rewritten = rewriteForGpu(makeModel(8, graph, 3n));
    expect(rewritten.graph.input.map(({ name }) => name)).toEqual(["x"]);
    expect(rewritten.irVersion).toBe(4n);
    await runReference(encodeModel(rewritten), { x: floats([1, 2], [2]) });
  });

  it("imports opset 21 in place of later ones where nothing needs those", () => {
    const sine = (opset: number) => modelOf(opset, [2], [makeNode("Sin", ["x"], ["y"])]);
    expect([20, 21, 22, 23, 25, 26].map((opset) => opsetOf(rewriteForGpu(sine(opset)).opsetImport))).toEqual([
      20, 21, 21, 21, 21, 26,
    ]);
  });

  it.each<[string, Model]>([
    ["an operator that came later", modelOf(23, [2, 2], [makeNode("RMSNormalization", ["x", "x"], ["y"])])],
    [
      "an attribute that came later",
      modelOf(24, [2], [makeNode("Cast", ["x"], ["y"], { to: 1n, round_mode: "up" })]),
    ],
    [
      "bfloat16",
      modelOf(
        22,
        [2],
        [makeNode("Cast", ["x"], ["b"], { to: 16n }), makeNode("Cast", ["b"], ["y"], { to: 1n })],
      ),
    ],
  ])("keeps the opset of a model with %s", (_, model) => {
    expect(rewriteForGpu(model)).toBe(model);
  });

  it("keeps an old opset where one node could not be raised", () => {
    const statistics = ["s", "b", "m", "v"].map((name) => makeFloats(name, Float32Array.of(1), [1]));
    const norm = (spatial: bigint) =>
      modelOf(
        7,
        [1, 1],
        [
          makeNode("BatchNormalization", ["x", "s", "b", "m", "v"], ["n"], { spatial }),
          makeNode("Clip", ["n"], ["y"], { min: 0 }),
        ],
        statistics,
      );
    expect(opsetOf(rewriteForGpu(norm(0n)).opsetImport)).toBe(7);
    expect(opsetOf(rewriteForGpu(norm(1n)).opsetImport)).toBe(11);
  });

  it("adds no float32 constants to a model of other floats", () => {
    const graph = makeGraph([makeNode("Softsign", ["x"], ["y"])], {
      input: [makeValue("x", "float16", [2])],
      output: [untyped("y")],
    });
    const model = makeModel(17, graph);
    expect(rewriteForGpu(model)).toBe(model);
  });

  it("keeps a Dropout whose mask is read, or that trains", () => {
    const read = modelOf(
      11,
      [2],
      [makeNode("Dropout", ["x"], ["d", "mask"]), makeNode("Cast", ["mask"], ["y"], { to: 1n })],
    );
    expect(rewriteForGpu(read)).toBe(read);
    const ratio = makeFloats("r", Float32Array.of(0.5), []);
    const dropout = (training: number) =>
      modelOf(
        13,
        [2],
        [makeNode("Dropout", ["x", "r", "t"], ["y"])],
        [ratio, makeTensor("t", "bool", [], Uint8Array.of(training))],
      );
    expect(rewriteForGpu(dropout(1)).graph.node[0]?.opType).toBe("Dropout");
    expect(rewriteForGpu(dropout(0)).graph.node[0]?.opType).toBe("Identity");
  });
});
