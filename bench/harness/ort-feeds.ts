/** Inputs for an ONNX Runtime session of a benchmark: zeros in the shapes that the model states. */
import type * as Ort from "onnxruntime-web/webgpu";

/** @throws Error where an input is no tensor. The model must have no free dimensions. */
export function zeroFeeds(ort: typeof Ort, session: Ort.InferenceSession): Record<string, Ort.Tensor> {
  const feeds: Record<string, Ort.Tensor> = {};
  for (const input of session.inputMetadata) {
    if (!input.isTensor) throw new Error(`${input.name} is no tensor`);
    const shape = input.shape.map(Number);
    const count = shape.reduce((product, size) => product * size, 1);
    const data = input.type === "int32" ? new Int32Array(count) : new Float32Array(count);
    feeds[input.name] = new ort.Tensor(input.type as "float32", data as Float32Array, shape);
  }
  return feeds;
}
