/**
 * Open Inference requests to calls: JSON tensors, the binary extension, raw mode, request parameters.
 * Fields that the protocol does not name are ignored at the top and refused where they would change the
 * answer (shared memory, classification).
 */
import { DawnletError } from "../../kernels/errors.ts";
import { parseShape } from "../../kernels/parse-shape.ts";
import type { Tensor, TensorSignature } from "../../kernels/tensor.ts";
import type { FunctionVersion } from "../functions/functions.ts";
import { BinaryReader, rawTensor } from "../tensors/binary.ts";
import { openInferenceNames, parseOpenInferenceName } from "../tensors/datatypes.ts";
import { decodeJson } from "../tensors/json-decode.ts";
import { isRecord, parseJson } from "../tensors/json-text.ts";
import { checkShape } from "../tensors/shape.ts";
import type { Call } from "./call.ts";
import { checkOutputNames } from "./call.ts";
import { checkParameter, findParameter, listNames } from "./parameters.ts";

export interface InferRequest extends Call {
  readonly id: string | undefined;
  /** Whether outputs travel as bytes, where `binaryByOutput` does not say otherwise. */
  readonly isBinary: boolean;
  readonly binaryByOutput: ReadonlyMap<string, boolean>;
}

const noBinaryChoices: ReadonlyMap<string, boolean> = new Map();
const noParameters: Readonly<Record<string, number>> = {};

/**
 * A body that is JSON alone.
 * @throws DawnletError INVALID_ARGUMENT naming the field.
 */
export function parseInferJson(text: string, version: FunctionVersion): InferRequest {
  return parseRequest(text, undefined, version);
}

/**
 * A body of the binary extension.
 * @param jsonBytes from the header; 0: the whole body is the one input.
 * @throws DawnletError INVALID_ARGUMENT naming the field.
 */
export function parseInferBinary(
  body: Uint8Array,
  jsonBytes: number,
  version: FunctionVersion,
): InferRequest {
  if (jsonBytes === 0) return rawRequest(body, version);
  const binary = new BinaryReader(body.subarray(jsonBytes));
  const request = parseRequest(body.subarray(0, jsonBytes), binary, version);
  binary.finish();
  return request;
}

function parseRequest(
  json: string | Uint8Array,
  binary: BinaryReader | undefined,
  version: FunctionVersion,
): InferRequest {
  const exactIntegers = version.signature.inputs.some(
    ({ dataType }) => dataType === "int64" || dataType === "uint64",
  );
  const request = parseJson(json, { exactIntegers });
  if (!isRecord(request)) throw failure("the body is no JSON object");
  const inputs = parseInputs(request.inputs, version, binary);
  const { parameters, isBinary, timeoutMs } = parseParameters(request.parameters, version);
  const { outputs, binaryByOutput } = parseOutputs(request.outputs, version);
  return {
    id: optionalString(request.id, "id"),
    inputs,
    parameters,
    isBinary,
    timeoutMs,
    outputs,
    binaryByOutput,
  };
}

/** @throws DawnletError INVALID_ARGUMENT for functions that a bare body does not determine. */
function rawRequest(body: Uint8Array, version: FunctionVersion): InferRequest {
  const { inputs } = version.signature;
  const [input] = inputs;
  if (input === undefined || inputs.length !== 1) {
    throw failure(`a raw body needs exactly one input: function '${version.name}' has ${inputs.length}`);
  }
  return {
    id: undefined,
    inputs: { [input.name]: rawTensor(input, body) },
    parameters: noParameters,
    isBinary: true,
    timeoutMs: undefined,
    outputs: undefined,
    binaryByOutput: noBinaryChoices,
  };
}

function parseInputs(value: unknown, version: FunctionVersion, binary: BinaryReader | undefined) {
  const list = optionalList(value, "inputs");
  const inputs: Record<string, Tensor> = {};
  for (const item of list) {
    if (!isRecord(item)) throw failure("an entry of 'inputs' is no object");
    const signature = findInput(item.name, version);
    if (Object.hasOwn(inputs, signature.name)) throw failure(`input '${signature.name}' is given twice`);
    inputs[signature.name] = parseInput(item, signature, binary);
  }
  return inputs;
}

function findInput(name: unknown, version: FunctionVersion): TensorSignature {
  const known = version.signature.inputs;
  const found = known.find((input) => input.name === name);
  if (found !== undefined) return found;
  throw failure(`function '${version.name}' has no input ${show(name)}: it takes ${listNames(known)}`);
}

function parseInput(
  item: Record<string, unknown>,
  signature: TensorSignature,
  binary: BinaryReader | undefined,
): Tensor {
  const { name } = signature;
  const dataType = parseOpenInferenceName(name, item.datatype);
  if (dataType !== signature.dataType) {
    const expected = openInferenceNames[signature.dataType];
    throw failure(`input '${name}' is ${String(item.datatype)}: expected ${expected}`);
  }
  const shape = parseShape(name, item.shape);
  checkShape(signature, shape);
  const parameters = optionalRecord(item.parameters, `parameters of input '${name}'`);
  if (parameters !== undefined) refuseParameter(parameters, "shared_memory_region", `input '${name}'`);
  const sizeBytes = parameters?.binary_data_size;
  if (sizeBytes === undefined) return { dataType, shape, data: decodeJson(name, dataType, shape, item.data) };
  if (item.data !== undefined) throw failure(`input '${name}' has both data and binary_data_size`);
  if (binary !== undefined) return binary.take(name, dataType, shape, sizeBytes);
  throw failure(
    `input '${name}' has a binary_data_size: the header Inference-Header-Content-Length is missing`,
  );
}

function parseOutputs(value: unknown, version: FunctionVersion) {
  const list = optionalList(value, "outputs");
  // As in Triton: an empty list asks for everything.
  if (list.length === 0) return { outputs: undefined, binaryByOutput: noBinaryChoices };
  const binaryByOutput = new Map<string, boolean>();
  const outputs = list.map((item) => {
    if (!isRecord(item) || typeof item.name !== "string") throw failure("an entry of 'outputs' has no name");
    const parameters = optionalRecord(item.parameters, `parameters of output '${item.name}'`);
    if (parameters !== undefined) {
      refuseParameter(parameters, "shared_memory_region", `output '${item.name}'`);
      refuseParameter(parameters, "classification", `output '${item.name}'`);
      const isBinary = optionalBoolean(parameters.binary_data, "binary_data");
      if (isBinary !== undefined) binaryByOutput.set(item.name, isBinary);
    }
    return item.name;
  });
  checkOutputNames(version, outputs);
  return { outputs, binaryByOutput };
}

/**
 * A function's own parameters, and those that the protocol reserves. Of the reserved ones `timeout`
 * (microseconds) and `binary_data_output` have an effect here.
 */
function parseParameters(value: unknown, version: FunctionVersion) {
  const all = optionalRecord(value, "parameters");
  if (all === undefined) return { parameters: noParameters, isBinary: false, timeoutMs: undefined };
  const parameters: Record<string, number> = {};
  let isBinary = false;
  let timeoutMs: number | undefined;
  for (const [name, given] of Object.entries(all)) {
    const declared = findParameter(version.signature, name);
    if (declared !== undefined) parameters[name] = checkParameter(declared, given);
    else if (name === "binary_data_output") isBinary = optionalBoolean(given, name) ?? false;
    else if (name === "timeout") timeoutMs = parseTimeout(given);
    else if (!isReserved(name)) {
      const known = listNames(version.signature.parameters);
      throw failure(`function '${version.name}' has no parameter '${name}': it takes ${known}`);
    }
  }
  return { parameters, isBinary, timeoutMs };
}

function isReserved(name: string): boolean {
  return (
    name === "priority" || name === "headers" || name.startsWith("sequence_") || name.startsWith("triton_")
  );
}

/** Microseconds to milliseconds; 0 means none, as in Triton. */
function parseTimeout(given: unknown): number | undefined {
  if (typeof given !== "number" || !Number.isSafeInteger(given) || given < 0) {
    throw failure(`the timeout is ${show(given)}: expected whole microseconds`);
  }
  return given === 0 ? undefined : given / 1000;
}

function refuseParameter(parameters: Record<string, unknown>, name: string, where: string): void {
  if (parameters[name] !== undefined)
    throw failure(`${where} has the parameter '${name}', which is not supported`);
}

function optionalList(value: unknown, field: string): readonly unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  throw failure(`'${field}' is no list`);
}

function optionalRecord(value: unknown, field: string): Record<string, unknown> | undefined {
  if (value === undefined || isRecord(value)) return value;
  throw failure(`'${field}' is no object`);
}

function optionalString(value: unknown, field: string): string | undefined {
  if (value === undefined || typeof value === "string") return value;
  throw failure(`'${field}' is no string`);
}

function optionalBoolean(value: unknown, field: string): boolean | undefined {
  if (value === undefined || typeof value === "boolean") return value;
  throw failure(`'${field}' is neither true nor false`);
}

function show(value: unknown): string {
  return (JSON.stringify(value) ?? "without name").slice(0, 40);
}

function failure(what: string): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot read the inference request as ${what}`);
}
