/** Models that add one to `x` as often as they are told: 2^62 times is for ever. */
import { makeNode, makeTensor, makeValue } from "../../models/onnx/build.ts";
import { encodeModel } from "../../models/onnx/model.ts";
import type { GraphProto } from "../../models/onnx/proto.ts";

export const endless = 2n ** 62n;

/** @param rounds `input`: the model's input `n` says how many. @param name makes models differ that are the same else. */
export function countingModel(rounds: bigint | "input", name = "counting"): Uint8Array<ArrayBuffer> {
  const one = makeTensor("one", "float32", [1], bytesOf(Float32Array.of(1)));
  const body = graph("body", {
    node: [makeNode("Identity", ["go"], ["goes"]), makeNode("Add", ["v", "one"], ["w"])],
    initializer: [one],
    input: [makeValue("i", "int64", []), makeValue("go", "bool", []), makeValue("v", "float32", [1])],
    output: [makeValue("goes", "bool", []), makeValue("w", "float32", [1])],
  });
  const loop = makeNode("Loop", ["count", "yes", "x"], ["y"], { body });
  const yes = makeTensor("yes", "bool", [], Uint8Array.of(1));
  const x = makeValue("x", "float32", [1]);
  const isInput = rounds === "input";
  return encodeModel({
    irVersion: 8n,
    producerName: "",
    opsetImport: [{ domain: "", version: 17n }],
    metadataProps: [],
    trainingInfo: [],
    functions: [],
    graph: graph(name, {
      node: isInput ? [makeNode("Squeeze", ["n"], ["count"]), loop] : [loop],
      initializer: isInput
        ? [yes]
        : [yes, makeTensor("count", "int64", [], bytesOf(BigInt64Array.of(rounds)))],
      input: isInput ? [x, makeValue("n", "int64", [1])] : [x],
      output: [makeValue("y", "float32", [1])],
    }),
  });
}

function graph(
  name: string,
  parts: Pick<GraphProto, "node" | "initializer" | "input" | "output">,
): GraphProto {
  return {
    name,
    ...parts,
    ...{ valueInfo: [], quantizationAnnotation: [], sparseInitializer: [], metadataProps: [] },
  };
}

function bytesOf(values: Float32Array | BigInt64Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values.slice().buffer);
}
