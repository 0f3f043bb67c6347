/** What a model tells about its inputs and outputs. */
import { describe, expect, it } from "vitest";
import { makeFloats, makeNode, makeTensor, makeValue } from "../../../models/onnx/build.ts";
import { decodeModel } from "../../../models/onnx/model.ts";
import type { TypeProto } from "../../../models/onnx/proto.ts";
import { readSignature } from "../../../models/onnx/signature.ts";
import { makeGraph, makeModel } from "./graphs.ts";
import { missingFiles, readShared, sharedModels } from "./shared-files.ts";

const value = (name: string, type?: TypeProto) => ({ name, metadataProps: [], ...(type && { type }) });
const tensorType = { elemType: 1, shape: { dim: [] } };

describe("readSignature()", () => {
  it("leaves initializers out and names free dimensions", () => {
    const graph = makeGraph([makeNode("Relu", ["x"], ["y"])], {
      input: [makeValue("x", "float32", ["batch", 3, "size", "size"]), makeValue("w", "float32", [2])],
      output: [makeValue("y", "float32", ["batch", 3, "size", "size"])],
      initializer: [makeFloats("w", Float32Array.of(1, 2), [2])],
    });
    expect(readSignature(makeModel(17, graph))).toEqual({
      inputs: [{ name: "x", dataType: "float32", shape: ["batch", 3, "size", "size"] }],
      outputs: [{ name: "y", dataType: "float32", shape: ["batch", 3, "size", "size"] }],
      unsupported: [],
      dimensions: ["batch", "size"],
      opset: 17,
      weightBytes: 8,
    });
  });

  it("names dimensions that the model leaves open", () => {
    const dim = [{}, { dimValue: -1n }, { dimParam: "" }, { dimValue: 0n }];
    const graph = makeGraph([], {
      input: [value("x", { tensorType: { elemType: 7, shape: { dim } } })],
      output: [],
    });
    const { inputs, dimensions } = readSignature(makeModel(17, graph));
    expect(inputs).toEqual([{ name: "x", dataType: "int64", shape: ["x[0]", "x[1]", "x[2]", 0] }]);
    expect(dimensions).toEqual(["x[0]", "x[1]", "x[2]"]);
  });

  it("lists what no tensor can carry, with the reason", () => {
    const graph = makeGraph([], {
      input: [
        value("ranked", { tensorType }),
        value("unranked", { tensorType: { elemType: 1 } }),
        value("half", { tensorType: { ...tensorType, elemType: 16 } }),
        value("list", { sequenceType: { elemType: { tensorType } } }),
        value("table", { mapType: { keyType: 7, valueType: { tensorType } } }),
        value("maybe", { optionalType: { elemType: { tensorType } } }),
        value("sparse", { sparseTensorType: tensorType }),
      ],
      output: [value("bare")],
    });
    const { inputs, unsupported } = readSignature(makeModel(17, graph));
    expect(inputs.map(({ name }) => name)).toEqual(["ranked"]);
    expect(unsupported.map(({ name, role, reason }) => [name, role, reason])).toEqual([
      ["unranked", "input", "unknown-rank"],
      ["half", "input", "element-type"],
      ["list", "input", "sequence"],
      ["table", "input", "map"],
      ["maybe", "input", "optional"],
      ["sparse", "input", "sparse-tensor"],
      ["bare", "output", "untyped"],
    ]);
    expect(unsupported[1]?.description).toBe("a tensor of bfloat16");
  });

  it("counts the bytes of weights, constants and the graphs inside nodes", () => {
    const weights = makeTensor("w", "float16", [10], new Uint8Array(20));
    const int4 = { ...makeTensor("q", "uint8", [3], new Uint8Array(2)), dataType: 22 };
    const inner = makeGraph([makeNode("Constant", [], ["c"], { value: weights })], { output: [] });
    const nodes = [makeNode("If", ["x"], ["y"], { then_branch: inner })];
    const graph = makeGraph(nodes, { output: [], initializer: [weights, int4] });
    expect(readSignature(makeModel(21, graph)).weightBytes).toBe(20 + 2 + 20);
  });

  it.skipIf(missingFiles !== undefined)("reads a real model", () => {
    const path = sharedModels().find((name) => name.endsWith("mnist.onnx")) ?? "";
    const signature = readSignature(decodeModel(readShared(path)));
    expect(signature.inputs).toEqual([{ name: "Input3", dataType: "float32", shape: [1, 1, 28, 28] }]);
    expect(signature.outputs.map(({ shape }) => shape)).toEqual([[1, 10]]);
    expect(signature.opset).toBe(8);
  });
});
