/**
 * Moves large initializers out of the model's bytes into external data, as views. ORT's heap then holds each of
 * them only while it is uploaded, and writing the model copies no weights.
 */
import type { Model } from "../onnx/model.ts";
import type { TensorProto } from "../onnx/proto.ts";

/** Smaller ones stay: shapes and scalars must be where shape inference can read them. */
const smallBytes = 16 * 1024;

export interface DetachedModel {
  readonly model: Model;
  readonly externalData: ReadonlyArray<{ readonly path: string; readonly data: Uint8Array }>;
}

export function detachWeights(model: Model): DetachedModel {
  const externalData: { path: string; data: Uint8Array }[] = [];
  const detach = (tensor: TensorProto, index: number): TensorProto => {
    const { rawData, ...rest } = tensor;
    if (rawData === undefined || rawData.byteLength <= smallBytes) return tensor;
    const path = `dawnlet-initializer-${index}`;
    externalData.push({ path, data: rawData });
    return {
      ...rest,
      dataLocation: 1,
      externalData: [
        { key: "location", value: path },
        { key: "offset", value: "0" },
        { key: "length", value: `${rawData.byteLength}` },
      ],
    };
  };
  const initializer = model.graph.initializer.map(detach);
  return { model: { ...model, graph: { ...model.graph, initializer } }, externalData };
}
