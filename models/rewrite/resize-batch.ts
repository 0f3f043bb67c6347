/**
 * A model whose inputs and outputs are fixed at one example, made one of several: axis 0 is written into its signature
 * and into the constants that state shapes of values inside. It computes the same for each row where axis 0 is the batch
 * all the way through; that is not known here, and must be verified.
 */
import { makeInt64s } from "../onnx/build.ts";
import { onnxTypeCode } from "../onnx/data-types.ts";
import type { Model } from "../onnx/model.ts";
import type { NodeProto, TensorProto, ValueInfoProto } from "../onnx/proto.ts";
import { readTensor } from "../onnx/tensor.ts";
import { mapNodes, type RuleContext } from "./node-rules.ts";

/** Pure: the given model stays as it is. */
export function resizeBatch(model: Model, rows: number): Model {
  const { graph } = model;
  const initialized = new Set(graph.initializer.map((tensor) => tensor.name));
  const isFed = ({ name }: ValueInfoProto) => !initialized.has(name);
  // Weights are reshaped too, and keep their shapes.
  const carried = new Set(graph.input.filter(isFed).map(({ name }) => name ?? ""));
  const mapped = mapNodes(model, (node, context) => {
    if (!node.input.some((name) => carried.has(name))) return [node];
    for (const output of node.output) carried.add(output);
    return [resizeNode(node, rows, carried, context)];
  });
  return {
    ...mapped,
    graph: {
      ...mapped.graph,
      input: mapped.graph.input.map((value) => (isFed(value) ? resizeValue(value, rows) : value)),
      output: mapped.graph.output.map((value) => resizeValue(value, rows)),
      // Shapes noted for values inside speak of one example.
      valueInfo: [],
    },
  };
}

/** Where an operator takes the whole shape of its output, by its name. */
const shapeInputs: Readonly<Record<string, number>> = { Reshape: 1, Resize: 3 };

function resizeNode(
  node: NodeProto,
  rows: number,
  carried: ReadonlySet<string>,
  context: RuleContext,
): NodeProto {
  const at = shapeInputs[node.opType ?? ""];
  const name = at === undefined ? undefined : node.input[at];
  if (at === undefined || name === undefined || !carried.has(node.input[0] ?? "")) return node;
  const sizes = int64sOf(context.constant(name));
  if (sizes?.[0] !== 1n) return node;
  const shape = context.addConstant(`${name}_rows`, makeInt64s("", [BigInt(rows), ...sizes.slice(1)]));
  return { ...node, input: node.input.with(at, shape) };
}

function int64sOf(tensor: TensorProto | undefined): readonly bigint[] | undefined {
  if (tensor === undefined || tensor.dataType !== onnxTypeCode("int64") || tensor.dataLocation === 1)
    return undefined;
  return [...new BigInt64Array(Uint8Array.from(readTensor(tensor).data).buffer)];
}

function resizeValue(value: ValueInfoProto, rows: number): ValueInfoProto {
  const tensorType = value.type?.tensorType;
  const dim = tensorType?.shape?.dim;
  if (dim === undefined || dim.length === 0) return value;
  const shape = { dim: [{ dimValue: BigInt(rows) }, ...dim.slice(1)] };
  return { ...value, type: { ...value.type, tensorType: { ...tensorType, shape } } };
}
