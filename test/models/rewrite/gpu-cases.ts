/** One small model for each rewrite for the GPU: `x` float32 [1, 4, 2, 3] in, `y` out. */
import { type AttributeValue, makeFloats, makeInt64s, makeNode } from "../../../models/onnx/build.ts";
import type { Model } from "../../../models/onnx/model.ts";
import type { NodeProto, TensorProto } from "../../../models/onnx/proto.ts";
import { modelOf } from "../onnx/graphs.ts";

export interface GpuCase {
  readonly name: string;
  readonly opset: number;
  readonly model: Model;
  /** The operator that must be gone. Undefined where only its form or the opset changes. */
  readonly replaces: string | undefined;
}

export const shape = [1, 4, 2, 3];

const one = (opType: string, attributes: Readonly<Record<string, AttributeValue>> = {}) => [
  makeNode(opType, ["x"], ["y"], attributes),
];
const many = (opType: string, input: readonly string[]) => [
  makeNode("Neg", ["x"], ["n"]),
  makeNode(opType, input, ["y"]),
];
const logic = (opType: string) => [
  makeNode("Greater", ["x", "w"], ["a"]),
  makeNode("Less", ["x", "v"], ["b"]),
  makeNode(opType, ["a", "b"], ["c"]),
  makeNode("Cast", ["c"], ["y"], { to: 1n }),
];

const w = makeFloats(
  "w",
  Float32Array.from({ length: 24 }, (_, index) => index - 12),
  shape,
);
const v = makeFloats("v", Float32Array.of(2.5), []);
const scales = makeFloats("scales", Float32Array.of(1, 1, 2, 2), [4]);

const cases: readonly [string, readonly number[], readonly NodeProto[], readonly TensorProto[], string?][] = [
  ["Sum of one", [7, 13], one("Sum"), [], "Sum"],
  ["Sum of two", [8, 17], many("Sum", ["x", "w"]), [w], "Sum"],
  ["Sum of three", [8, 17], many("Sum", ["x", "w", "n"]), [w], "Sum"],
  ["Mean of one", [8], one("Mean"), [], "Mean"],
  ["Mean of three", [7, 13], many("Mean", ["x", "w", "n"]), [w], "Mean"],
  ["Max of one", [8], one("Max"), [], "Max"],
  ["Max of three", [7], many("Max", ["x", "w", "n"]), [w]],
  ["Min of three", [7], many("Min", ["x", "w", "n"]), [w]],
  ["Or", [9, 17], logic("Or"), [w, v], "Or"],
  ["Xor", [9, 17], logic("Xor"), [w, v], "Xor"],
  ["Dropout", [7, 10, 13], one("Dropout"), [], "Dropout"],
  ["Selu", [7, 17], one("Selu"), [], "Selu"],
  ["Selu with its own slopes", [17], one("Selu", { alpha: 2, gamma: 3 }), [], "Selu"],
  ["Celu", [12], one("Celu", { alpha: 2 }), [], "Celu"],
  ["Softsign", [7, 17], one("Softsign"), [], "Softsign"],
  ["Sign", [9, 17], one("Sign"), [], "Sign"],
  ["Shrink", [9, 17], one("Shrink", { lambd: 1.5, bias: 0.5 }), [], "Shrink"],
  ["Round", [11, 17], one("Round"), [], "Round"],
  ["LogSoftmax", [7, 11, 13, 18], one("LogSoftmax"), [], "LogSoftmax"],
  ["LogSoftmax from axis 2", [11, 13], one("LogSoftmax", { axis: 2n }), [], "LogSoftmax"],
  ["LogSoftmax from axis -2", [11, 13], one("LogSoftmax", { axis: -2n }), [], "LogSoftmax"],
  ["LRN", [7, 13], one("LRN", { size: 3n, alpha: 0.5, beta: 0.75, bias: 2 }), [], "LRN"],
  ["LRN wider than the channels", [13], one("LRN", { size: 5n }), [], "LRN"],
  ["Clip", [7, 10], one("Clip", { min: -1, max: 6 }), []],
  ["Clip from above", [10], one("Clip", { max: 1 }), []],
  ["Clip from below", [10], one("Clip", { min: 1 }), []],
  ["Upsample", [7, 8], one("Upsample", { scales: [1, 1, 2, 2] }), [], "Upsample"],
  ["Upsample by an input", [9], [makeNode("Upsample", ["x", "scales"], ["y"])], [scales], "Upsample"],
  ["Upsample, linear", [7], one("Upsample", { scales: [1, 1, 2, 2], mode: "linear" }), [], "Upsample"],
  [
    "Resize beside Clip",
    [10],
    [makeNode("Clip", ["x"], ["c"], { min: 0 }), makeNode("Resize", ["c", "scales"], ["y"])],
    [scales],
  ],
  [
    "Slice and Pad beside Clip",
    [7, 9],
    [
      makeNode("Clip", ["x"], ["c"], { min: 0 }),
      makeNode("Slice", ["c"], ["s"], { starts: [1n, 0n], ends: [2n ** 63n - 1n, -1n], axes: [1n, 3n] }),
      makeNode("Pad", ["s"], ["y"], { pads: [0n, 0n, 1n, 0n, 0n, 2n, 0n, 0n], value: 7 }),
    ],
    [],
  ],
  [
    "TopK beside Clip",
    [9],
    [
      makeNode("Clip", ["x"], ["c"], { min: -3 }),
      makeNode("TopK", ["c"], ["y", "places"], { k: 2n, axis: 1n }),
      makeNode("Identity", ["places"], ["unused"]),
    ],
    [],
  ],
  ["DepthToSpace", [8], one("DepthToSpace", { blocksize: 2n }), []],
  ["Sin", [22], one("Sin"), []],
  [
    "Reshape and Elu",
    [23],
    [makeNode("Reshape", ["x", "s"], ["r"]), makeNode("Elu", ["r"], ["y"])],
    [makeInt64s("s", [-1n])],
  ],
];

export const gpuCases: readonly GpuCase[] = cases.flatMap(([name, opsets, nodes, weights, replaces]) =>
  opsets.map((opset) => ({ name, opset, model: modelOf(opset, shape, nodes, weights), replaces })),
);
