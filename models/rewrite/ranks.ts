/**
 * How many dimensions each value of a graph has, where that can be told without running it.
 * Ranks only: old broadcasting and flattening operators need no more. Unknown operators give unknown ranks.
 */
import { intAttribute, intsAttribute, tensorAttribute } from "../onnx/attributes.ts";
import type { GraphProto, NodeProto, TensorProto } from "../onnx/proto.ts";

export class Ranks {
  readonly #known = new Map<string, number>();
  readonly #constant: (name: string) => TensorProto | undefined;
  readonly #outer: Ranks | undefined;

  /** @param outer the graph around this one, whose values this one sees. */
  constructor(graph: GraphProto, constant: (name: string) => TensorProto | undefined, outer?: Ranks) {
    this.#constant = constant;
    this.#outer = outer;
    for (const value of [...graph.input, ...graph.valueInfo, ...graph.output]) {
      const shape = value.type?.tensorType?.shape;
      if (shape !== undefined) this.#known.set(value.name ?? "", shape.dim.length);
    }
    for (const tensor of graph.initializer) this.#known.set(tensor.name ?? "", tensor.dims.length);
  }

  get(name: string): number | undefined {
    return this.#known.get(name) ?? this.#outer?.get(name);
  }

  /** Takes note of a node's outputs. Nodes come in topological order. */
  learn(node: NodeProto): void {
    const rank = rankRules.get(node.opType ?? "")?.(node, this);
    if (rank === undefined) return;
    const outputs = allOutputs.has(node.opType ?? "") ? node.output : node.output.slice(0, 1);
    for (const name of outputs) if (!this.#known.has(name)) this.#known.set(name, rank);
  }

  /** Elements of a one-dimensional value (a shape, axes), where it is a constant. */
  constantLength(name: string | undefined): number | undefined {
    const tensor = name === undefined ? undefined : this.#constant(name);
    if (tensor === undefined) return undefined;
    return tensor.dims.length === 0 ? 1 : Number(tensor.dims[0]);
  }
}

type RankRule = (node: NodeProto, ranks: Ranks) => number | undefined;

const first: RankRule = (node, ranks) => input(node, ranks, 0);

const largest: RankRule = (node, ranks) => {
  const all = node.input.map((name) => ranks.get(name));
  return all.every((rank) => rank !== undefined) ? Math.max(...all) : undefined;
};

const fixed =
  (rank: number): RankRule =>
  () =>
    rank;

const reduced: RankRule = (node, ranks) => {
  const rank = input(node, ranks, 0);
  if (intAttribute(node, "keepdims") !== 0 || rank === undefined) return rank;
  const axes = axisCount(node, ranks);
  return axes === undefined ? (node.input.length > 1 ? undefined : 0) : rank - axes;
};

const rankRules = new Map<string, RankRule>();

const operators: readonly (readonly [RankRule, string])[] = [
  [
    first,
    "Abs Acos Acosh Asin Asinh Atan Atanh AveragePool BatchNormalization Cast Ceil Celu Clip Concat Conv " +
      "ConvTranspose Cos Cosh CumSum DepthToSpace Dropout Elu Erf Exp Floor GatherElements Gelu GlobalAveragePool " +
      "GlobalLpPool GlobalMaxPool HardSigmoid HardSwish Hardmax Identity InstanceNormalization LRN " +
      "LayerNormalization LeakyRelu Log LogSoftmax LpNormalization LpPool MaxPool MeanVarianceNormalization Mish " +
      "Neg Not PRelu Pad Reciprocal Relu Resize Round Selu Shrink Sigmoid Sign Sin Sinh Slice Softmax Softplus " +
      "Softsign SpaceToDepth Split Sqrt Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu Upsample",
  ],
  [
    largest,
    "Add And Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mod Mul Or Pow Sub Sum Where Xor",
  ],
  [
    reduced,
    "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum " +
      "ReduceSumSquare",
  ],
  [fixed(2), "Flatten Gemm"],
  [fixed(1), "Shape"],
  [fixed(0), "Size"],
  [(node) => tensorAttribute(node, "value")?.dims.length, "Constant"],
  [(node, ranks) => ranks.constantLength(node.input[0]), "ConstantOfShape"],
  [(node, ranks) => intsAttribute(node, "shape")?.length ?? ranks.constantLength(node.input[1]), "Reshape"],
  [(node, ranks) => offset(input(node, ranks, 0), axisCount(node, ranks), -1), "Squeeze"],
  [(node, ranks) => offset(input(node, ranks, 0), axisCount(node, ranks), 1), "Unsqueeze"],
  [argReduced, "ArgMax ArgMin"],
  [(node, ranks) => offset(input(node, ranks, 0), minusOne(input(node, ranks, 1)), 1), "Gather"],
  [matrixProduct, "MatMul"],
  [
    (node, ranks) => {
      const [rank, target] = [input(node, ranks, 0), ranks.constantLength(node.input[1])];
      return rank === undefined || target === undefined ? undefined : Math.max(rank, target);
    },
    "Expand",
  ],
];

for (const [rule, names] of operators) for (const name of names.split(" ")) rankRules.set(name, rule);

/** Operators all of whose outputs have the rank of the first. */
const allOutputs = new Set(["Split", "TopK", "Dropout"]);

function input(node: NodeProto, ranks: Ranks, index: number): number | undefined {
  const name = node.input[index];
  return name === undefined ? undefined : ranks.get(name);
}

/** Axes as an attribute, or since opset 13 and 18 as a second input. */
function axisCount(node: NodeProto, ranks: Ranks): number | undefined {
  return intsAttribute(node, "axes")?.length ?? ranks.constantLength(node.input[1]);
}

function argReduced(node: NodeProto, ranks: Ranks): number | undefined {
  return offset(input(node, ranks, 0), intAttribute(node, "keepdims") === 0 ? 1 : 0, -1);
}

function matrixProduct(node: NodeProto, ranks: Ranks): number | undefined {
  const [left, right] = [input(node, ranks, 0), input(node, ranks, 1)];
  if (left === undefined || right === undefined) return undefined;
  // A vector on either side takes its axis out of the result.
  return Math.max(left, right) - (left === 1 || right === 1 ? 1 : 0);
}

function offset(rank: number | undefined, by: number | undefined, sign: 1 | -1): number | undefined {
  return rank === undefined || by === undefined ? undefined : rank + sign * by;
}

function minusOne(rank: number | undefined): number | undefined {
  return rank === undefined ? undefined : rank - 1;
}
