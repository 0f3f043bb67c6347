/** int64 inputs become int32 where that helps, and the outputs stay the same. */
import { describe, expect, it } from "vitest";
import type { Tensor } from "../../../kernels/tensor.ts";
import { makeFloats, makeInt64s, makeNode, makeValue } from "../../../models/onnx/build.ts";
import { decodeModel, encodeModel, type Model } from "../../../models/onnx/model.ts";
import type { NodeProto, TensorProto } from "../../../models/onnx/proto.ts";
import { readSignature } from "../../../models/onnx/signature.ts";
import { narrowInt64Inputs } from "../../../models/rewrite/narrow-inputs.ts";
import { buildBert } from "../../../models/zoo/bert.ts";
import { makeGraph, makeModel, untyped } from "../onnx/graphs.ts";
import { runReference } from "./reference.ts";

const values = [3n, 0n, 1n, 1n];
const wide = (shape: readonly number[]): Tensor => ({
  dataType: "int64",
  shape,
  data: new Uint8Array(BigInt64Array.from(values).buffer),
});
const thin = (shape: readonly number[]): Tensor => ({
  dataType: "int32",
  shape,
  data: new Uint8Array(Int32Array.from(values, Number).buffer),
});

function model(nodes: readonly NodeProto[], initializer: readonly TensorProto[] = []): Model {
  const input = [makeValue("x", "int64", [2, 2])];
  return makeModel(17, makeGraph(nodes, { input, output: [untyped("y")], initializer }));
}

const table = makeFloats("table", Float32Array.of(10, 11, 12, 13), [4]);
const one = makeInt64s("one", [1n]);

describe("narrowInt64Inputs()", () => {
  it.each<[string, Model]>([
    ["a cast", model([makeNode("Cast", ["x"], ["y"], { to: 1n })])],
    [
      "a moved cast",
      model([makeNode("Unsqueeze", ["x", "one"], ["u"]), makeNode("Cast", ["u"], ["y"], { to: 1n })], [one]),
    ],
    [
      "a comparison",
      model([makeNode("Equal", ["x", "one"], ["e"]), makeNode("Cast", ["e"], ["y"], { to: 1n })], [one]),
    ],
    ["a shape", model([makeNode("Shape", ["x"], ["y"])])],
    [
      "indices and a cast",
      model(
        [
          makeNode("Gather", ["table", "x"], ["g"]),
          makeNode("Cast", ["x"], ["c"], { to: 1n }),
          makeNode("Add", ["g", "c"], ["y"]),
        ],
        [table],
      ),
    ],
    [
      "arithmetic, which gets int64 back, beside a cast",
      model([
        makeNode("Add", ["x", "x"], ["a"]),
        makeNode("Cast", ["a"], ["b"], { to: 1n }),
        makeNode("Cast", ["x"], ["c"], { to: 1n }),
        makeNode("Add", ["b", "c"], ["y"]),
      ]),
    ],
  ])("narrows the input of %s", async (_, given) => {
    const { model: result, narrowed } = narrowInt64Inputs(given);
    expect(narrowed).toEqual(["x"]);
    const expected = await runReference(encodeModel(given), { x: wide([2, 2]) });
    expect(await runReference(encodeModel(result), { x: thin([2, 2]) })).toEqual(expected);
  });

  const branch = (name: string) =>
    makeGraph([makeNode("Identity", ["x"], [name])], { output: [untyped(name)] });
  it.each<[string, Model]>([
    ["indices", model([makeNode("Gather", ["table", "x"], ["y"])], [table])],
    ["an output", model([makeNode("Shape", ["x"], ["s"]), makeNode("Identity", ["x"], ["y"])])],
    [
      "a graph inside a node",
      model([
        makeNode("Cast", ["x"], ["c"], { to: 1n }),
        makeNode("If", ["c"], ["y"], { then_branch: branch("t"), else_branch: branch("e") }),
      ]),
    ],
    [
      "a comparison with what does not fit",
      model([makeNode("Less", ["x", "big"], ["y"])], [makeInt64s("big", [2n ** 40n])]),
    ],
  ])("leaves the input of %s", (_, given) => {
    expect(narrowInt64Inputs(given)).toEqual({ model: given, narrowed: [] });
  });

  it("narrows what a BERT exported with int64 computes with", async () => {
    const given = decodeModel(buildBert({ layers: 1, hidden: 8, heads: 2, vocabulary: 10, positions: 4 }));
    const { model: result, narrowed } = narrowInt64Inputs(given);
    expect(narrowed).toEqual(["input_ids", "attention_mask"]);
    expect(readSignature(result).inputs.map(({ dataType }) => dataType)).toEqual(["int32", "int32", "int64"]);
    const types: Tensor = { dataType: "int64", shape: [1, 4], data: new Uint8Array(32) };
    const feeds = (ids: Tensor) => ({ input_ids: ids, attention_mask: ids, token_type_ids: types });
    const expected = await runReference(encodeModel(given), feeds(wide([1, 4])));
    expect(await runReference(encodeModel(result), feeds(thin([1, 4])))).toEqual(expected);
  });
});
