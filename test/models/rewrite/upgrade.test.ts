/** Old operators mean after the upgrade what ONNX's history says they meant. Expected numbers are by hand. */
import { describe, expect, it } from "vitest";
import { makeFloats, makeInt64s, makeNode, makeTensor, makeValue } from "../../../models/onnx/build.ts";
import { encodeModel, type Model, opsetOf } from "../../../models/onnx/model.ts";
import type { NodeProto, TensorProto } from "../../../models/onnx/proto.ts";
import { upgradeModel } from "../../../models/rewrite/upgrade.ts";
import { makeGraph, makeModel, modelOf, untyped } from "../onnx/graphs.ts";
import { floats, numbersOf, runReference } from "./reference.ts";

const w = (shape: readonly number[], ...values: readonly number[]) =>
  makeFloats("w", Float32Array.from(values), shape);
const f32 = (name: string, ...values: readonly number[]) =>
  makeFloats(name, Float32Array.from(values), [values.length]);

/** `x` is 1, 2, 3, … in its shape. */
async function result(
  opset: number,
  shape: readonly number[],
  nodes: readonly NodeProto[],
  weights: TensorProto[] = [],
) {
  const count = shape.reduce((product, size) => product * size, 1);
  const model = upgradeModel(modelOf(opset, shape, nodes, weights));
  expect(opsetOf(model.opsetImport)).toBe(7);
  const x = floats(
    Array.from({ length: count }, (_, index) => index + 1),
    shape,
  );
  const { y } = await runReference(encodeModel(model), { x });
  if (y === undefined) throw new Error("no output");
  return { shape: y.shape, values: numbersOf(y).map((value) => Math.round(value * 1e4) / 1e4) };
}

describe("upgradeModel()", () => {
  it("aligns the second operand from its axis on, as opsets 1 to 6 did", async () => {
    const add = makeNode("Add", ["x", "w"], ["y"], { broadcast: 1n, axis: 1n, consumed_inputs: [0n, 0n] });
    const y = await result(1, [1, 2, 2], [add], [w([2], 10, 20)]);
    expect(y.values).toEqual([11, 12, 23, 24]);
  });

  it("finds the rank of what earlier nodes give", async () => {
    const nodes = [
      makeNode("Relu", ["x"], ["r"]),
      makeNode("Flatten", ["r"], ["f"]),
      makeNode("Mul", ["f", "w"], ["y"], { broadcast: 1n, axis: 0n }),
    ];
    expect((await result(6, [2, 1, 2], nodes, [w([2], 1, -1)])).values).toEqual([1, 2, -3, -4]);
  });

  it("aligns ends where no axis is given", async () => {
    const sub = makeNode("Sub", ["x", "w"], ["y"], { broadcast: 1n });
    expect((await result(6, [2, 2], [sub], [w([2], 1, 2)])).values).toEqual([0, 0, 2, 2]);
  });

  it("leaves single values as they are, whatever the axis", async () => {
    const div = makeNode("Div", ["x", "w"], ["y"], { broadcast: 1n, axis: 0n });
    expect((await result(6, [2, 2], [div], [w([1], 2)])).values).toEqual([0.5, 1, 1.5, 2]);
  });

  it("gives PRelu's slope to the channels", async () => {
    const nodes = [makeNode("Neg", ["x"], ["n"]), makeNode("PRelu", ["n", "w"], ["y"])];
    expect((await result(6, [1, 2, 2], nodes, [w([2], 2, 3)])).values).toEqual([-2, -4, -9, -12]);
    const shared = await result(6, [1, 2, 2], nodes, [w([1], 2)]);
    expect(shared.values).toEqual([-2, -4, -6, -8]);
  });

  it("takes Reshape's shape from its attribute", async () => {
    const reshape = makeNode("Reshape", ["x"], ["y"], { shape: [0n, -1n], consumed_inputs: [0n] });
    expect((await result(4, [2, 1, 2], [reshape])).shape).toEqual([2, 2]);
  });

  it("takes Cast's type by name", async () => {
    const nodes = [
      makeNode("Cast", ["x"], ["i"], { to: "INT32" }),
      makeNode("Cast", ["i"], ["y"], { to: "FLOAT" }),
    ];
    expect((await result(5, [2], nodes)).values).toEqual([1, 2]);
  });

  it("concatenates along axis 1 where none is given", async () => {
    expect((await result(3, [1, 2], [makeNode("Concat", ["x", "x"], ["y"])])).shape).toEqual([1, 4]);
  });

  it("pads by `paddings`", async () => {
    const pad = makeNode("Pad", ["x"], ["y"], { paddings: [1n, 0n], mode: "constant", value: 9 });
    expect((await result(1, [2], [pad])).values).toEqual([9, 1, 2]);
  });

  it("splits by a constant second input", async () => {
    const split = makeNode("Split", ["x", "sizes"], ["y", "rest"], { axis: 0n });
    expect((await result(1, [3], [split], [f32("sizes", 1, 2)])).values).toEqual([1]);
  });

  it("tiles one axis", async () => {
    const tile = makeNode("Tile", ["x", "tiles", "axis"], ["y"]);
    const y = await result(1, [2, 1], [tile], [f32("tiles", 2), f32("axis", 1)]);
    expect(y).toEqual({ shape: [2, 2], values: [1, 1, 2, 2] });
  });

  it("scales height and width apart", async () => {
    const upsample = makeNode("Upsample", ["x"], ["y"], { height_scale: 1, width_scale: 2, mode: "nearest" });
    expect(await result(1, [1, 1, 1, 2], [upsample])).toEqual({ shape: [1, 1, 1, 4], values: [1, 1, 2, 2] });
  });

  it("normalizes a batch as in inference, and lets nothing drop out", async () => {
    const statistics = ["s", "b", "m", "v"].map((name, index) => f32(name, [2, 1, 1, 4][index]!));
    const norm = makeNode("BatchNormalization", ["x", "s", "b", "m", "v"], ["n"], {
      is_test: 1n,
      epsilon: 0,
    });
    const dropout = makeNode("Dropout", ["n"], ["y"], { is_test: 0n, ratio: 0.5 });
    expect((await result(6, [1, 1, 2], [norm, dropout], statistics)).values).toEqual([1, 2]);
  });

  it("gives Selu the digits that it had", async () => {
    const nodes = [makeNode("Neg", ["x"], ["n"]), makeNode("Selu", ["n"], ["y"])];
    expect((await result(5, [1], nodes)).values).toEqual([
      Math.round(1.0507 * 1.6732 * Math.expm1(-1) * 1e4) / 1e4,
    ]);
  });

  it("upgrades the graphs inside nodes, which see the values around them", async () => {
    const add = makeNode("Add", ["x", "w"], ["t"], { broadcast: 1n, axis: 0n });
    const branch = (node: NodeProto) =>
      makeGraph([node], { output: [makeValue(node.output[0]!, "float32", [2, 2])] });
    const chosen = { then_branch: branch(add), else_branch: branch(makeNode("Identity", ["x"], ["e"])) };
    const yes = makeTensor("yes", "bool", [], Uint8Array.of(1));
    const y = await result(6, [2, 2], [makeNode("If", ["yes"], ["y"], chosen)], [w([2], 10, 20), yes]);
    expect(y.values).toEqual([11, 12, 23, 24]);
  });

  it("returns models of opset 7 and later as they are", () => {
    const model = modelOf(7, [2], [makeNode("Relu", ["x"], ["y"])]);
    expect(upgradeModel(model)).toBe(model);
  });

  it("never takes a name that the model has", () => {
    const nodes = [
      makeNode("Reshape", ["x"], ["y"], { shape: [2n] }),
      makeNode("Reshape", ["y"], ["y_shape"], { shape: [2n] }),
    ];
    const { graph } = upgradeModel(modelOf(1, [2], nodes));
    const names = [
      ...graph.initializer.map(({ name }) => name),
      ...graph.node.flatMap(({ output }) => output),
    ];
    expect(new Set(names).size).toBe(4);
  });

  describe("refuses what has no clear meaning in opset 7", () => {
    const unknown: Model = makeModel(
      6,
      makeGraph([makeNode("Add", ["x", "w"], ["y"], { broadcast: 1n, axis: 1n }, { name: "sum" })], {
        input: [untyped("x"), makeValue("w", "float32", [2])],
        output: [untyped("y")],
      }),
    );
    const statistics = ["s", "b", "m", "v"].map((name) => f32(name, 1));
    const training = makeNode("BatchNormalization", ["x", "s", "b", "m", "v"], ["n", "mean"]);
    it.each<[string, Model, string]>([
      ["an operand of unknown rank", unknown, "'Add' of opset 6 (node 'sum') as the rank of 'x' is unknown"],
      [
        "an axis out of range",
        modelOf(
          6,
          [2, 2],
          [makeNode("Add", ["x", "w"], ["y"], { broadcast: 1n, axis: 1n })],
          [w([2, 2], 1, 1, 1, 1)],
        ),
        "do not fit",
      ],
      ["ATen", modelOf(6, [2], [makeNode("ATen", ["x"], ["y"])]), "'ATen' of opset 6"],
      [
        "a cast to nothing known",
        modelOf(5, [2], [makeNode("Cast", ["x"], ["y"], { to: "COMPLEX" })]),
        "casts to 'COMPLEX'",
      ],
      [
        "sizes that are computed",
        modelOf(1, [2], [makeNode("Split", ["x", "x"], ["y"], { axis: 0n })]),
        "'x' is no constant",
      ],
      [
        "training",
        modelOf(6, [1, 1, 2], [training, makeNode("Add", ["n", "mean"], ["y"])], statistics),
        "training mode",
      ],
    ])("%s", (_, model, message) => {
      expect(() => upgradeModel(model)).toThrow(expect.objectContaining({ code: "UNSUPPORTED_MODEL" }));
      expect(() => upgradeModel(model)).toThrow(message);
    });
  });

  it("keeps int64 values exact", () => {
    const reshape = makeNode("Slice", ["x"], ["y"], { axes: [0n], starts: [0n], ends: [2n ** 63n - 1n] });
    const { graph } = upgradeModel(modelOf(6, [2], [reshape], [makeInt64s("unused", [1n])]));
    expect(graph.node[0]?.attribute.at(-1)?.ints).toEqual([2n ** 63n - 1n]);
  });
});
