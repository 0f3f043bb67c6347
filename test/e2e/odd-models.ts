/**
 * Small models of kinds that ordinary exports lack: odd types, odd shapes, odd graphs. Each with the answer that it
 * must give, worked out by hand, or with the words of the refusal.
 */
import type { DataType, Dimension, Tensor, Tensors } from "../../kernels/tensor.ts";
import {
  type AttributeValue,
  makeFloats,
  makeInt64s,
  makeNode,
  makeTensor,
  makeValue,
} from "../../models/onnx/build.ts";
import { onnxTypeCode } from "../../models/onnx/data-types.ts";
import { encodeModel } from "../../models/onnx/model.ts";
import type { NodeProto, TensorProto, TypeProto, ValueInfoProto } from "../../models/onnx/proto.ts";
import { writeTensor } from "../../models/onnx/tensor.ts";
import { makeGraph, makeModel, untyped } from "../models/onnx/graphs.ts";
import { floats, stringsOf, tensorOf } from "./tensors.ts";

export interface OddModel {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly call?: { readonly inputs: Tensors; readonly outputs: Tensors };
  /** Words of the refusal, where there is no call. */
  readonly refused?: RegExp;
  /** Of the refusal; left out: UNSUPPORTED_MODEL. */
  readonly code?: "INVALID_MODEL";
}

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
type Numeric = Exclude<DataType, "string">;

interface Parts {
  readonly opset?: number;
  readonly initializer?: readonly TensorProto[];
  readonly domain?: string;
}

function model(
  nodes: readonly NodeProto[],
  input: readonly ValueInfoProto[],
  output: readonly ValueInfoProto[],
  { opset = 17, initializer = [], domain }: Parts = {},
): Uint8Array {
  const made = makeModel(opset, makeGraph(nodes, { input, output, initializer }));
  const imports = domain === undefined ? [] : [{ domain, version: 1n }];
  return encodeModel({ ...made, opsetImport: [...made.opsetImport, ...imports] });
}

/** One node over tensors whose types and shapes are those of the call. */
function oneNode(
  name: string,
  opType: string,
  inputs: Tensors,
  outputs: Tensors,
  attributes: Readonly<Record<string, AttributeValue>> = {},
  parts: Parts = {},
): OddModel {
  const value = ([key, { dataType, shape }]: [string, Tensor]) => makeValue(key, dataType, shape);
  const initialized = (parts.initializer ?? []).map((tensor) => tensor.name ?? "");
  const node = makeNode(
    opType,
    [...Object.keys(inputs), ...initialized],
    Object.keys(outputs),
    attributes,
    parts.domain === undefined ? {} : { domain: parts.domain },
  );
  const bytes = model([node], Object.entries(inputs).map(value), Object.entries(outputs).map(value), parts);
  return { name, bytes, call: { inputs, outputs } };
}

const identities: readonly OddModel[] = (
  [
    ["float64", [1.5, -1e300]],
    ["float16", [1.5, -65504]],
    ["int8", [-128, 127]],
    ["int16", [-32768, 32767]],
    ["int32", [-(2 ** 31), 2 ** 31 - 1]],
    ["int64", [-(2n ** 63n), 2n ** 53n + 1n]],
    ["uint8", [0, 255]],
    ["uint16", [0, 65535]],
    ["uint32", [0, 2 ** 32 - 1]],
    ["uint64", [0n, 2n ** 64n - 1n]],
    ["bool", [0, 1]],
    ["float32", [-0, 3.4e38]],
  ] as const satisfies readonly (readonly [Numeric, readonly (number | bigint)[]])[]
).map(([dataType, values]) => {
  const tensor = tensorOf(dataType, [2], values);
  return oneNode(`identity-${dataType}`, "Identity", { x: tensor }, { y: tensor });
});

const i32 = (values: readonly number[]) => tensorOf("int32", [values.length], values);
const i64 = (values: readonly (number | bigint)[]) => tensorOf("int64", [values.length], values);
const u32 = (values: readonly number[]) => tensorOf("uint32", [values.length], values);
const bools = (values: readonly number[]) => tensorOf("bool", [values.length], values);
const f32 = (values: readonly number[]) => floats([values.length], values);

const arithmetic: readonly OddModel[] = [
  oneNode(
    "int32-add-wraps",
    "Add",
    { a: i32([2 ** 31 - 1, -5]), b: i32([1, -6]) },
    { c: i32([-(2 ** 31), -11]) },
  ),
  oneNode("int32-div-truncates", "Div", { a: i32([7, -7, -8]), b: i32([2, 2, 3]) }, { c: i32([3, -3, -2]) }),
  oneNode("int32-mod-of-the-divisor", "Mod", { a: i32([-7, 7]), b: i32([3, -3]) }, { c: i32([2, -2]) }),
  oneNode(
    "int32-mod-of-the-dividend",
    "Mod",
    { a: i32([-7, 7]), b: i32([3, -3]) },
    { c: i32([-1, 1]) },
    {
      fmod: 1n,
    },
  ),
  oneNode("uint32-div", "Div", { a: u32([2 ** 32 - 1, 7]), b: u32([2, 2]) }, { c: u32([2 ** 31 - 1, 3]) }),
  oneNode(
    "int64-add-wide",
    "Add",
    { a: i64([2n ** 40n, -(2n ** 40n)]), b: i64([1, -1]) },
    { c: i64([2n ** 40n + 1n, -(2n ** 40n) - 1n]) },
  ),
  oneNode(
    "int64-mul-beyond-32-bits",
    "Mul",
    { a: i64([2 ** 31, -70000]), b: i64([4, 70000]) },
    { c: i64([2n ** 33n, -4900000000n]) },
  ),
  oneNode(
    "int64-compare-wide",
    "Less",
    { a: i64([2n ** 32n, 1]), b: i64([1, 2n ** 32n]) },
    { c: bools([0, 1]) },
  ),
  oneNode(
    "int64-to-float",
    "Cast",
    { a: i64([2n ** 40n, -3]) },
    { c: f32([2 ** 40, -3]) },
    { to: BigInt(onnxTypeCode("float32")) },
  ),
  oneNode(
    "float-to-int32",
    "Cast",
    { a: f32([1.9, -1.9, 1e6]) },
    { c: i32([1, -1, 1000000]) },
    { to: BigInt(onnxTypeCode("int32")) },
  ),
  oneNode(
    "float-to-bool",
    "Cast",
    { a: f32([0, -0, 0.25, nan]) },
    { c: bools([0, 0, 1, 1]) },
    { to: BigInt(onnxTypeCode("bool")) },
  ),
  oneNode("round-half-to-even", "Round", { a: f32([0.5, 1.5, 2.5, -1.5]) }, { c: f32([0, 2, 2, -2]) }),
  oneNode("is-nan", "IsNaN", { a: f32([nan, 1, inf]) }, { c: bools([1, 0, 0]) }),
  oneNode("is-inf", "IsInf", { a: f32([nan, -inf, inf, 2]) }, { c: bools([0, 1, 1, 0]) }),
  oneNode(
    "equal-with-nan",
    "Equal",
    { a: f32([nan, 1, inf]), b: f32([nan, 1, inf]) },
    { c: bools([0, 1, 1]) },
  ),
  oneNode("tanh-of-large", "Tanh", { a: f32([-1e4, 0, 1e4]) }, { c: f32([-1, 0, 1]) }),
  oneNode("sigmoid-of-large", "Sigmoid", { a: f32([-1e4, 0, 1e4]) }, { c: f32([0, 0.5, 1]) }),
  oneNode(
    "softmax-of-large",
    "Softmax",
    { a: floats([1, 3], [1e4, 1e4, -1e4]) },
    { c: floats([1, 3], [0.5, 0.5, 0]) },
  ),
  oneNode("pow-of-negative", "Pow", { a: f32([-2, 2, -2]), b: f32([3, -1, 2]) }, { c: f32([-8, 0.5, 4]) }),
  oneNode(
    "arg-max-of-ties",
    "ArgMax",
    { a: floats([1, 4], [1, 3, 3, 2]) },
    { c: tensorOf("int64", [1, 1], [1]) },
    {
      axis: 1n,
    },
  ),
];

const odd: readonly OddModel[] = [
  oneNode("scalars", "Add", { a: floats([], [1.5]), b: floats([], [2]) }, { c: floats([], [3.5]) }),
  oneNode("zero-size", "Relu", { a: floats([0, 3], []) }, { c: floats([0, 3], []) }),
  oneNode(
    "zero-size-concat",
    "Concat",
    { a: floats([0, 2], []), b: floats([1, 2], [3, 4]) },
    { c: floats([1, 2], [3, 4]) },
    { axis: 0n },
  ),
  oneNode(
    "sum-of-nothing",
    "ReduceSum",
    { a: floats([0, 2], []) },
    { c: floats([1, 2], [0, 0]) },
    {},
    { initializer: [makeInt64s("axes", [0n])] },
  ),
  oneNode("strings", "Identity", { a: stringsOf([2], ["grün", ""]) }, { c: stringsOf([2], ["grün", ""]) }),
  oneNode(
    "string-equal",
    "Equal",
    { a: stringsOf([2], ["a", "b"]), b: stringsOf([2], ["a", "c"]) },
    { c: bools([1, 0]) },
    {},
    { opset: 19 },
  ),
  {
    name: "no-inputs",
    bytes: model(
      [makeNode("Constant", [], ["y"], { value: makeFloats("", Float32Array.of(4, 5), [2]) })],
      [],
      [makeValue("y", "float32", [2])],
    ),
    call: { inputs: {}, outputs: { y: f32([4, 5]) } },
  },
  {
    name: "weight-as-output",
    bytes: model([makeNode("Neg", ["x"], ["y"])], [f32Value("x")], [f32Value("y"), f32Value("w")], {
      initializer: [makeFloats("w", Float32Array.of(7, 8), [2])],
    }),
    call: { inputs: { x: f32([1, 2]) }, outputs: { y: f32([-1, -2]), w: f32([7, 8]) } },
  },
  {
    name: "weight-listed-as-input",
    bytes: model([makeNode("Add", ["x", "w"], ["y"])], [f32Value("x"), f32Value("w")], [f32Value("y")], {
      initializer: [makeFloats("w", Float32Array.of(10, 20), [2])],
    }),
    call: { inputs: { x: f32([1, 2]) }, outputs: { y: f32([11, 22]) } },
  },
  {
    name: "input-as-output",
    bytes: model([makeNode("Neg", ["x"], ["y"])], [f32Value("x")], [f32Value("x"), f32Value("y")]),
    call: { inputs: { x: f32([1, 2]) }, outputs: { x: f32([1, 2]), y: f32([-1, -2]) } },
  },
  {
    name: "unused-input",
    bytes: model([makeNode("Neg", ["x"], ["y"])], [f32Value("x"), f32Value("z")], [f32Value("y")]),
    call: { inputs: { x: f32([1, 2]), z: f32([0, 0]) }, outputs: { y: f32([-1, -2]) } },
  },
  {
    name: "one-value-many-uses",
    bytes: model(
      [
        makeNode("Add", ["x", "x"], ["d"]),
        makeNode("Mul", ["d", "d"], ["y"]),
        makeNode("Identity", ["d"], ["z"]),
        makeNode("Identity", ["d"], ["w"]),
      ],
      [f32Value("x")],
      [f32Value("y"), f32Value("z"), f32Value("w")],
    ),
    call: { inputs: { x: f32([1, -2]) }, outputs: { y: f32([4, 16]), z: f32([2, -4]), w: f32([2, -4]) } },
  },
  {
    name: "equal-weights-twice",
    bytes: model(
      [makeNode("Mul", ["x", "v"], ["m"]), makeNode("Add", ["m", "w"], ["y"])],
      [f32Value("x")],
      [f32Value("y")],
      {
        initializer: [
          makeFloats("v", Float32Array.of(2, 3), [2]),
          makeFloats("w", Float32Array.of(2, 3), [2]),
        ],
      },
    ),
    call: { inputs: { x: f32([1, 1]) }, outputs: { y: f32([4, 6]) } },
  },
  {
    name: "odd-names",
    bytes: model([makeNode("Neg", ["/in:0 ü"], ["a.b/c"])], [f32Value("/in:0 ü")], [f32Value("a.b/c")]),
    call: { inputs: { "/in:0 ü": f32([1, 2]) }, outputs: { "a.b/c": f32([-1, -2]) } },
  },
  {
    name: "free-dimensions",
    bytes: model(
      [makeNode("Transpose", ["x"], ["y"])],
      [makeValue("x", "float32", ["rows", "columns"])],
      [makeValue("y", "float32", ["columns", "rows"])],
    ),
    call: { inputs: { x: floats([2, 1], [1, 2]) }, outputs: { y: floats([1, 2], [1, 2]) } },
  },
  {
    name: "free-dimension-of-zero",
    bytes: model([makeNode("Neg", ["x"], ["y"])], [f32Value("x", ["n"])], [f32Value("y", ["n"])]),
    call: { inputs: { x: f32([]) }, outputs: { y: f32([]) } },
  },
  {
    name: "shape-from-the-data",
    bytes: model(
      [makeNode("NonZero", ["x"], ["y"])],
      [makeValue("x", "float32", [4])],
      [makeValue("y", "int64", [1, "found"])],
    ),
    call: { inputs: { x: f32([0, 3, 0, 4]) }, outputs: { y: tensorOf("int64", [1, 2], [1, 3]) } },
  },
  {
    name: "shape-of-the-input",
    bytes: model(
      [makeNode("Shape", ["x"], ["y"])],
      [makeValue("x", "float32", ["n", 3])],
      [makeValue("y", "int64", [2])],
    ),
    call: { inputs: { x: floats([1, 3], [1, 2, 3]) }, outputs: { y: i64([1, 3]) } },
  },
  branch("if-taken", 1, [1, 2], [2, 3]),
  branch("if-not-taken", 0, [1, 2], [0, 1]),
  {
    name: "old-opset-with-broadcast",
    bytes: model(
      [makeNode("Add", ["x", "b"], ["y"], { broadcast: 1n, axis: 0n })],
      [makeValue("x", "float32", [2, 3]), makeValue("b", "float32", [2])],
      [makeValue("y", "float32", [2, 3])],
      { opset: 6 },
    ),
    call: {
      inputs: { x: floats([2, 3], [0, 1, 2, 3, 4, 5]), b: f32([10, 20]) },
      outputs: { y: floats([2, 3], [10, 11, 12, 23, 24, 25]) },
    },
  },
  {
    name: "opset-1",
    bytes: model([makeNode("Relu", ["x"], ["y"])], [f32Value("x")], [f32Value("y")], { opset: 1 }),
    call: { inputs: { x: f32([-1, 2]) }, outputs: { y: f32([0, 2]) } },
  },
  ...[7, 13, 18, 21, 23].map(
    (opset): OddModel => ({
      name: `opset-${opset}`,
      bytes: model([makeNode("Abs", ["x"], ["y"])], [f32Value("x")], [f32Value("y")], { opset }),
      call: { inputs: { x: f32([-1, 2]) }, outputs: { y: f32([1, 2]) } },
    }),
  ),
  {
    name: "opset-of-the-future",
    bytes: model([makeNode("Abs", ["x"], ["y"])], [f32Value("x")], [f32Value("y")], { opset: 99 }),
    refused: /opset/i,
  },
];

const refusals: readonly OddModel[] = [
  {
    name: "unknown-operator",
    bytes: model([makeNode("Frobnicate", ["x"], ["y"])], [f32Value("x")], [f32Value("y")]),
    refused: /Frobnicate/,
  },
  {
    name: "operator-of-another-domain",
    bytes: model(
      [makeNode("Sparkle", ["x"], ["y"], {}, { domain: "com.example" })],
      [f32Value("x")],
      [f32Value("y")],
      { domain: "com.example" },
    ),
    refused: /Sparkle/,
  },
  refusedOutput("sequence-output", "SplitToSequence", sequenceOf("float32"), /sequence/),
  refusedOutput("optional-output", "Optional", { optionalType: { elemType: tensorType(1) } }, /optional/),
  refusedOutput("output-of-unknown-rank", "Neg", { tensorType: { elemType: 1 } }, /unknown rank/),
  {
    name: "output-without-type",
    bytes: model([makeNode("Neg", ["x"], ["y"])], [f32Value("x")], [untyped("y")]),
    refused: /'y'.*without a type/,
  },
  {
    name: "sequence-input",
    bytes: model(
      [makeNode("SequenceLength", ["s"], ["y"])],
      [{ name: "s", metadataProps: [], type: sequenceOf("float32") }],
      [makeValue("y", "int64", [])],
    ),
    refused: /'s'.*sequence/,
  },
  {
    name: "bfloat16",
    bytes: model(
      [makeNode("Identity", ["x"], ["y"])],
      [{ name: "x", metadataProps: [], type: tensorType(16) }],
      [{ name: "y", metadataProps: [], type: tensorType(16) }],
    ),
    refused: /bfloat16/,
  },
  {
    name: "two-values-of-one-name",
    bytes: model(
      [makeNode("Neg", ["x"], ["y"]), makeNode("Abs", ["x"], ["y"])],
      [f32Value("x")],
      [f32Value("y")],
    ),
    refused: /name \(y\)/,
    code: "INVALID_MODEL",
  },
  {
    name: "value-from-nowhere",
    bytes: model([makeNode("Neg", ["nowhere"], ["y"])], [f32Value("x")], [f32Value("y")]),
    refused: /nowhere/,
    code: "INVALID_MODEL",
  },
  {
    name: "output-from-nowhere",
    bytes: model([makeNode("Neg", ["x"], ["y"])], [f32Value("x")], [f32Value("y"), f32Value("gone")]),
    refused: /gone/,
    code: "INVALID_MODEL",
  },
  {
    name: "weight-shorter-than-its-shape",
    bytes: model([makeNode("Add", ["x", "w"], ["y"])], [f32Value("x")], [f32Value("y")], {
      initializer: [makeTensor("w", "float32", [2], new Uint8Array(4))],
    }),
    refused: /Initializer 'w'/,
    code: "INVALID_MODEL",
  },
];

export const oddModels: readonly OddModel[] = [...identities, ...arithmetic, ...odd, ...refusals];

function f32Value(name: string, shape: readonly Dimension[] = [2]): ValueInfoProto {
  return makeValue(name, "float32", shape);
}

function tensorType(elemType: number): TypeProto {
  return { tensorType: { elemType, shape: { dim: [{ dimValue: 2n }] } } };
}

function sequenceOf(dataType: DataType): TypeProto {
  return { sequenceType: { elemType: tensorType(onnxTypeCode(dataType)) } };
}

function refusedOutput(name: string, opType: string, type: TypeProto, refused: RegExp): OddModel {
  const output = { name: "y", metadataProps: [], type };
  return { name, bytes: model([makeNode(opType, ["x"], ["y"])], [f32Value("x")], [output]), refused };
}

/** `y = condition ? x + one : x - one`, with the constant from outside of the branches. */
function branch(name: string, condition: 0 | 1, x: readonly number[], y: readonly number[]): OddModel {
  const inner = (opType: string) =>
    makeGraph([makeNode(opType, ["x", "one"], ["r"])], { output: [f32Value("r")] });
  const node = makeNode("If", ["condition"], ["y"], { then_branch: inner("Add"), else_branch: inner("Sub") });
  return {
    name,
    bytes: model([node], [makeValue("condition", "bool", []), f32Value("x")], [f32Value("y")], {
      initializer: [writeTensor("one", f32([1, 1]))],
    }),
    call: {
      inputs: { condition: tensorOf("bool", [], [condition]), x: f32(x) },
      outputs: { y: f32(y) },
    },
  };
}
