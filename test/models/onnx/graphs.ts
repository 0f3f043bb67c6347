/** Small models for tests: one graph of given nodes, with or without types. */
import { makeValue } from "../../../models/onnx/build.ts";
import type { Model } from "../../../models/onnx/model.ts";
import type { GraphProto, NodeProto, TensorProto, ValueInfoProto } from "../../../models/onnx/proto.ts";

export interface GraphParts {
  readonly input?: readonly ValueInfoProto[];
  readonly output: readonly ValueInfoProto[];
  readonly initializer?: readonly TensorProto[];
  readonly valueInfo?: readonly ValueInfoProto[];
}

export function makeGraph(node: readonly NodeProto[], parts: GraphParts): GraphProto {
  const empty = { quantizationAnnotation: [], sparseInitializer: [], metadataProps: [] };
  return { name: "test", node, input: [], initializer: [], valueInfo: [], ...empty, ...parts };
}

export function makeModel(opset: number, graph: GraphProto, irVersion = 8n): Model {
  const opsetImport = [{ domain: "", version: BigInt(opset) }];
  return { irVersion, opsetImport, metadataProps: [], trainingInfo: [], functions: [], graph };
}

/** A value whose type ONNX Runtime infers. */
export function untyped(name: string): ValueInfoProto {
  return { name, metadataProps: [] };
}

/** `x` float32 of this shape into the nodes, `y` out of them. */
export function modelOf(
  opset: number,
  shape: readonly number[],
  nodes: readonly NodeProto[],
  initializer: readonly TensorProto[] = [],
): Model {
  const input = [makeValue("x", "float32", shape)];
  return makeModel(opset, makeGraph(nodes, { input, output: [untyped("y")], initializer }));
}
