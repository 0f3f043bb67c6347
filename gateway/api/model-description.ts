/**
 * Functions as Open Inference clients see models: metadata, configuration, entries of the repository index.
 */

import type { TensorSignature } from "../../kernels/tensor.ts";
import type { FunctionKind, FunctionStatus, Functions, FunctionVersion } from "../functions/functions.ts";
import { configurationName, openInferenceNames } from "../tensors/datatypes.ts";

const platforms = {
  onnx: "onnx_onnxv1",
  wgsl: "dawnlet_wgsl",
  handler: "dawnlet_handler",
} as const satisfies Record<FunctionKind, string>;

/** A dimension that is free: -1. */
function dimensions(tensor: TensorSignature): number[] {
  return tensor.shape.map((dimension) => (typeof dimension === "number" ? dimension : -1));
}

function tensorMetadata(tensor: TensorSignature) {
  return { name: tensor.name, datatype: openInferenceNames[tensor.dataType], shape: dimensions(tensor) };
}

export function modelMetadata(status: FunctionStatus, version: FunctionVersion) {
  return {
    name: version.name,
    versions: status.versions.map((known) => String(known.version)),
    platform: platforms[version.kind],
    inputs: version.signature.inputs.map(tensorMetadata),
    outputs: version.signature.outputs.map(tensorMetadata),
    // Not of the protocol, which tolerates it: what `parameters` of a request may hold.
    ...(version.signature.parameters.length > 0 && { parameters: version.signature.parameters }),
  };
}

/** In the form of Triton's ModelConfig. */
export function modelConfiguration(version: FunctionVersion) {
  const tensor = (signature: TensorSignature) => ({
    name: signature.name,
    data_type: configurationName(signature.dataType),
    dims: dimensions(signature),
  });
  return {
    name: version.name,
    platform: platforms[version.kind],
    backend: "dawnlet",
    // No batch dimension is implied: shapes are stated whole.
    max_batch_size: 0,
    input: version.signature.inputs.map(tensor),
    output: version.signature.outputs.map(tensor),
  };
}

/** @param onlyReady as in the request: leaves out what cannot be called yet. */
export function repositoryIndex(functions: Functions, onlyReady: boolean) {
  if (onlyReady && !functions.ready) return [];
  const state = functions.ready ? "READY" : "LOADING";
  const versions = functions.list().flatMap((status) => status.versions);
  return versions.flatMap(({ name, version, quarantine }) => {
    const entry = { name, version: String(version) };
    if (quarantine === undefined) return [{ ...entry, state, reason: "" }];
    return onlyReady
      ? []
      : [{ ...entry, state: "UNAVAILABLE", reason: `in quarantine: ${quarantine.reason}` }];
  });
}
