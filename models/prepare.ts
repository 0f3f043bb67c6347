/**
 * A model file made ready for ONNX Runtime: old operators brought up to date, free dimensions fixed to those of one
 * variant, and a second form whose nodes stay on the GPU. The first form is the reference for the second.
 */
import { DawnletError } from "../kernels/errors.ts";
import type { TensorSpec } from "../kernels/tensor.ts";
import { type BatchOf, withRows } from "./batch-axis.ts";
import { externalFiles, type FileLookup } from "./onnx/external.ts";
import { decodeModel, encodeModel, type Model } from "./onnx/model.ts";
import type { ValueInfoProto } from "./onnx/proto.ts";
import { type ModelSignature, readSignature } from "./onnx/signature.ts";
import type { ModelFiles } from "./ort.ts";
import { type DetachedModel, detachWeights } from "./rewrite/detach-weights.ts";
import { rewriteForGpu } from "./rewrite/gpu.ts";
import { narrowInt64Inputs } from "./rewrite/narrow-inputs.ts";
import { resizeBatch } from "./rewrite/resize-batch.ts";
import { upgradeModel } from "./rewrite/upgrade.ts";

/** Sizes of a model's free dimensions by name: one variant of it. */
export type Dimensions = Readonly<Record<string, number>>;

export interface ReferenceModel {
  readonly signature: ModelSignature;
  /** What the CPU provider runs; free dimensions are left free. */
  readonly reference: ModelFiles;
}

export interface PreparedVariant extends ReferenceModel {
  /** What is recorded on the WebGPU provider; computes the same for inputs that `narrowTensor` can take. */
  readonly gpu: ModelFiles;
  /** With the variant's sizes. */
  readonly inputs: readonly TensorSpec[];
  /** The same as the Program takes them: some int64 inputs are int32. */
  readonly gpuInputs: readonly TensorSpec[];
}

/**
 * A model as the CPU provider runs it.
 * @throws DawnletError INVALID_MODEL, UNSUPPORTED_MODEL.
 */
export function prepareReference(bytes: Uint8Array, files: FileLookup): ReferenceModel {
  const original = decodeModel(bytes);
  return {
    signature: readSignature(original),
    reference: encode(upgradeModel(original), filesBeside(original, files)),
  };
}

/**
 * One variant of a model, for the CPU provider and for the GPU.
 * @param dimensions one size for each name in the signature's `dimensions`.
 * @throws DawnletError INVALID_MODEL, UNSUPPORTED_MODEL, INVALID_ARGUMENT for a missing dimension.
 */
export function prepareVariant(
  bytes: Uint8Array,
  files: FileLookup,
  dimensions: Dimensions,
): PreparedVariant {
  const original = decodeModel(bytes);
  const signature = readSignature(original);
  const beside = filesBeside(original, files);
  const fixed = fixDimensions(upgradeModel(original), signature, dimensions);
  return {
    signature,
    reference: encode(fixed, beside),
    ...prepareForGpu(fixed, signature, dimensions, beside),
  };
}

/**
 * A variant that takes several examples at once, with a reference that takes one.
 * @param dimensions those of one example.
 * @returns `inputs` and `gpuInputs` of one example; `gpu` takes `batch.rows` of them.
 * @throws DawnletError as `prepareVariant`.
 */
export function prepareBatch(
  bytes: Uint8Array,
  files: FileLookup,
  dimensions: Dimensions,
  batch: BatchOf,
): PreparedVariant {
  const original = decodeModel(bytes);
  const signature = readSignature(original);
  const beside = filesBeside(original, files);
  const upgraded = upgradeModel(original);
  const single = fixDimensions(upgraded, signature, dimensions);
  const several =
    batch.dimension === undefined
      ? resizeBatch(single, batch.rows)
      : fixDimensions(upgraded, signature, withRows(dimensions, batch));
  return {
    signature,
    reference: encode(single, beside),
    ...prepareForGpu(several, signature, dimensions, beside),
  };
}

/** @param dimensions of the inputs that are described. */
function prepareForGpu(
  fixed: Model,
  signature: ModelSignature,
  dimensions: Dimensions,
  beside: DetachedModel["externalData"],
): Pick<PreparedVariant, "gpu" | "inputs" | "gpuInputs"> {
  const inputs = signature.inputs.map((input) => ({
    ...input,
    shape: input.shape.map((d) => sizeOf(d, dimensions)),
  }));
  const { model, narrowed } = narrowInt64Inputs(rewriteForGpu(fixed));
  return {
    gpu: encode(model, beside),
    inputs,
    gpuInputs: inputs.map((input) =>
      narrowed.includes(input.name) ? { ...input, dataType: "int32" } : input,
    ),
  };
}

function filesBeside(model: Model, files: FileLookup): DetachedModel["externalData"] {
  return externalFiles(model).map((path) => ({ path, data: files(path) ?? missing(path) }));
}

function encode(model: Model, beside: DetachedModel["externalData"]): ModelFiles {
  const detached = detachWeights(model);
  const externalData = [...beside, ...detached.externalData];
  return { model: encodeModel(detached.model), ...(externalData.length > 0 ? { externalData } : {}) };
}

function missing(path: string): never {
  throw new DawnletError("INVALID_MODEL", `Cannot read the model as its file '${path}' is not beside it`);
}

function sizeOf(dimension: number | string, dimensions: Dimensions): number {
  if (typeof dimension === "number") return dimension;
  const size = Object.hasOwn(dimensions, dimension) ? dimensions[dimension] : undefined;
  if (size === undefined)
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `The size of the model's dimension '${dimension}' is not given`,
    );
  return size;
}

/** Writes the sizes of one variant into the inputs, so that ORT plans for exactly them. */
function fixDimensions(model: Model, signature: ModelSignature, dimensions: Dimensions): Model {
  if (signature.dimensions.length === 0) return model;
  const shapes = new Map(
    signature.inputs.map(({ name, shape }) => [name, shape.map((d) => sizeOf(d, dimensions))]),
  );
  const fix = (value: ValueInfoProto): ValueInfoProto => {
    const shape = shapes.get(value.name ?? "");
    const tensorType = value.type?.tensorType;
    if (shape === undefined || tensorType === undefined) return value;
    const dim = shape.map((size) => ({ dimValue: BigInt(size) }));
    return { ...value, type: { ...value.type, tensorType: { ...tensorType, shape: { dim } } } };
  };
  // Shapes noted for values inside speak of the free dimensions: ORT infers them anew.
  return { ...model, graph: { ...model.graph, input: model.graph.input.map(fix), valueInfo: [] } };
}
