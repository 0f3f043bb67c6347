/**
 * Reads and writes whole ONNX files: a model, or a tensor as ONNX's test data keeps it.
 * Checks what every later step relies on (a graph, an opset), not that ONNX Runtime will take the model.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { decodeMessage } from "./decode.ts";
import { encodeMessage, maximumMessageBytes } from "./encode.ts";
import { modelFields, type Table, tensorFields } from "./fields.ts";
import type { GraphProto, ModelProto, OperatorSetIdProto, TensorProto } from "./proto.ts";

/** A model whose graph and opset are there. */
export interface Model extends ModelProto {
  readonly graph: GraphProto;
}

/**
 * Reads an ONNX file. Weights stay views into `bytes`, which must not change afterwards.
 * @throws DawnletError INVALID_MODEL for bytes that are no ONNX model, UNSUPPORTED_MODEL for more than 2 GiB.
 */
export function decodeModel(bytes: Uint8Array): Model {
  if (bytes.length > maximumMessageBytes) {
    throw new DawnletError(
      "UNSUPPORTED_MODEL",
      `Cannot read the model as it has ${bytes.length} bytes: ONNX files end at 2 GiB, larger models keep their weights as external data`,
    );
  }
  if (bytes.length === 0) throw invalid("model", "it is empty");
  return requireGraph(decode("model", modelFields, bytes) as ModelProto);
}

/** @throws DawnletError UNSUPPORTED_MODEL when the result would exceed 2 GiB. */
export function encodeModel(model: ModelProto): Uint8Array<ArrayBuffer> {
  return encodeMessage(modelFields, model);
}

/** Reads a TensorProto in a file of its own. @throws DawnletError INVALID_MODEL */
export function decodeTensorProto(bytes: Uint8Array): TensorProto {
  return decode("tensor", tensorFields, bytes) as TensorProto;
}

export function encodeTensorProto(tensor: TensorProto): Uint8Array<ArrayBuffer> {
  return encodeMessage(tensorFields, tensor);
}

/** The names of ONNX's own operator set; all others are extensions. */
export function isDefaultDomain(domain: string | undefined): boolean {
  return domain === undefined || domain === "" || domain === "ai.onnx";
}

/** Version of ONNX's own operator set that a model imports; 0 where it imports only others. */
export function opsetOf(imports: readonly OperatorSetIdProto[]): number {
  return Number(imports.find((entry) => isDefaultDomain(entry.domain))?.version ?? 0n);
}

function requireGraph(model: ModelProto): Model {
  const { graph } = model;
  if (graph === undefined) throw invalid("model", "it has no graph: is it an ONNX file?");
  if (model.opsetImport.length === 0) throw invalid("model", "it imports no operator set (opset_import)");
  if (graph.output.length === 0) throw invalid("model", "its graph has no outputs");
  return { ...model, graph };
}

function decode(what: string, table: Table, bytes: Uint8Array): unknown {
  try {
    return decodeMessage(table, bytes);
  } catch (error) {
    throw invalid(what, error instanceof Error ? error.message : String(error), error);
  }
}

function invalid(what: string, why: string, cause?: unknown): DawnletError {
  return new DawnletError("INVALID_MODEL", `Cannot read the ${what} as ${why}`, { cause });
}
