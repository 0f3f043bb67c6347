/**
 * Turns int64 inputs into int32 where that keeps their consumers on the GPU. Exporters give token ids and masks
 * as int64, and ONNX Runtime's WebGPU provider (1.30) runs Cast, Shape, Unsqueeze and comparisons of int64 on the CPU.
 * The caller converts the values, and must refuse those that do not fit.
 */
import { intAttribute, subgraphs } from "../onnx/attributes.ts";
import { makeNode, makeTensor } from "../onnx/build.ts";
import { onnxTypeCode } from "../onnx/data-types.ts";
import type { Model } from "../onnx/model.ts";
import type { GraphProto, NodeProto, TensorProto, ValueInfoProto } from "../onnx/proto.ts";
import { readTensor } from "../onnx/tensor.ts";
import { mapNodes, type RuleContext } from "./node-rules.ts";

export interface NarrowedModel {
  readonly model: Model;
  /** Inputs that are int32 now and were int64. */
  readonly narrowed: readonly string[];
}

/** For values within int32 the outputs are those of the given model. */
export function narrowInt64Inputs(model: Model): NarrowedModel {
  const initialized = new Set(model.graph.initializer.map((tensor) => tensor.name));
  const candidates = model.graph.input.filter((value) => isInt64(value) && !initialized.has(value.name));
  const narrowed: string[] = [];
  let result = model;
  for (const { name = "" } of candidates) {
    const next = narrowInput(result, name);
    if (next === undefined) continue;
    narrowed.push(name);
    result = next;
  }
  return { model: result, narrowed };
}

/** Undefined where nothing is gained, or where the value leaves the nodes that can be changed. */
function narrowInput(model: Model, input: string): Model | undefined {
  const state = new Narrowing(input);
  const mapped = mapNodes(model, (node, context) => state.change(node, context));
  const { narrow } = state;
  const escapes =
    model.graph.output.some(({ name }) => narrow.has(name ?? "")) || readsInside(model.graph, narrow);
  if (!state.gains || escapes) return undefined;
  const { graph } = mapped;
  return {
    ...mapped,
    graph: {
      ...graph,
      input: graph.input.map((value) => (value.name === input ? asInt32(value) : value)),
      valueInfo: graph.valueInfo.filter((value) => !narrow.has(value.name ?? "")),
    },
  };
}

/** Follows one input through the nodes that only move its elements. */
class Narrowing {
  /** Values that are int32 now. */
  readonly narrow: Set<string>;
  /** True once a node was met that the GPU takes in int32 only. */
  gains = false;
  readonly #widened = new Map<string, string>();

  constructor(input: string) {
    this.narrow = new Set([input]);
  }

  change(node: NodeProto, context: RuleContext): readonly NodeProto[] {
    const at = node.input.map((name) => this.narrow.has(name));
    if (!at.includes(true)) return [node];
    const opType = node.opType ?? "";
    const isFirstOnly = at[0] === true && !at.slice(1).includes(true);
    const isCast = opType === "Cast" && intAttribute(node, "to") !== onnxTypeCode("int64");
    if (isCast || opType === "Shape") {
      this.gains = true;
      return [node];
    }
    if (gathers.has(opType) && !at[0]) return [node];
    if ((movers.has(opType) && isFirstOnly) || (opType === "Concat" && !at.includes(false))) {
      for (const output of node.output) this.narrow.add(output);
      return [node];
    }
    if (comparisons.has(opType)) {
      const compared = this.#compare(node, at, context);
      if (compared !== undefined) return [compared];
    }
    return this.#widen(node, context);
  }

  /** With constants of the other side as int32; undefined where that side is no constant or does not fit. */
  #compare(node: NodeProto, at: readonly boolean[], context: RuleContext): NodeProto | undefined {
    const constants = node.input.map((name, index) =>
      at[index] ? undefined : narrowed(context.constant(name)),
    );
    if (constants.some((constant, index) => !at[index] && constant === undefined)) return undefined;
    this.gains = true;
    const input = node.input.map((name, index) => {
      const constant = constants[index];
      return constant === undefined ? name : context.addConstant(`${name}_int32`, constant);
    });
    return { ...node, input };
  }

  /** All else gets int64 back. */
  #widen(node: NodeProto, context: RuleContext): readonly NodeProto[] {
    const casts: NodeProto[] = [];
    const input = node.input.map((name) => {
      if (!this.narrow.has(name)) return name;
      let wide = this.#widened.get(name);
      if (wide === undefined) {
        wide = context.fresh(`${name}_int64`);
        this.#widened.set(name, wide);
        casts.push(makeNode("Cast", [name], [wide], { to: BigInt(onnxTypeCode("int64")) }));
      }
      return wide;
    });
    return [...casts, { ...node, input }];
  }
}

/** Operators whose first input's elements come out unchanged. */
const movers: ReadonlySet<string> = new Set([
  "Expand",
  "Flatten",
  "Gather",
  "Identity",
  "Reshape",
  "Slice",
  "Squeeze",
  "Tile",
  "Transpose",
  "Unsqueeze",
]);

/** Operators whose second input is indices of either type. */
const gathers: ReadonlySet<string> = new Set(["Gather", "GatherElements"]);

const comparisons: ReadonlySet<string> = new Set([
  "Equal",
  "Greater",
  "GreaterOrEqual",
  "Less",
  "LessOrEqual",
]);

function narrowed(tensor: TensorProto | undefined): TensorProto | undefined {
  if (tensor === undefined || tensor.dataType !== onnxTypeCode("int64") || tensor.dataLocation === 1)
    return undefined;
  const { shape, data } = readTensor(tensor);
  const wide = new BigInt64Array(Uint8Array.from(data).buffer);
  if (wide.some((value) => value !== BigInt.asIntN(32, value))) return undefined;
  return makeTensor("", "int32", shape, new Uint8Array(Int32Array.from(wide, Number).buffer));
}

/** True where a graph inside a node reads one of these values: names there cannot be changed from outside. */
function readsInside(graph: GraphProto, names: ReadonlySet<string>): boolean {
  const reads = (inner: GraphProto): boolean =>
    inner.output.some(({ name }) => names.has(name ?? "")) ||
    inner.node.some((node) => node.input.some((name) => names.has(name)) || subgraphs(node).some(reads));
  return graph.node.some((node) => subgraphs(node).some(reads));
}

function isInt64(value: ValueInfoProto): boolean {
  return value.type?.tensorType?.elemType === onnxTypeCode("int64");
}

function asInt32(value: ValueInfoProto): ValueInfoProto {
  const tensorType = { ...value.type?.tensorType, elemType: onnxTypeCode("int32") };
  return { ...value, type: { ...value.type, tensorType } };
}
