/**
 * Requests of the short form to calls: JSON fields by name, or one input as raw bytes, PNG or .npy with the
 * parameters in the query.
 */
import type { Context } from "hono";
import { DawnletError } from "../../kernels/errors.ts";
import { readNpy } from "../../kernels/npy.ts";
import { parseShape } from "../../kernels/parse-shape.ts";
import type { Tensor, TensorSignature } from "../../kernels/tensor.ts";
import type { FunctionVersion } from "../functions/functions.ts";
import { readPng } from "../tensors/image.ts";
import { decodeJson } from "../tensors/json-decode.ts";
import { isRecord, parseJson } from "../tensors/json-text.ts";
import { checkShape, solveShape, solveShapeOfBytes } from "../tensors/shape.ts";
import { type Call, checkOutputNames } from "./call.ts";
import type { Form } from "./media-types.ts";
import { checkParameter, checkParameterText, findParameter, listNames } from "./parameters.ts";

/** What the query of a request says beside parameters. */
export interface ShortFormQuery {
  readonly parameters: Readonly<Record<string, number>>;
  /** `?shape=2,3`: of a raw body. */
  readonly shape: readonly number[] | undefined;
  /** `?output=y` or `?output=y,z`. */
  readonly outputs: readonly string[] | undefined;
}

/** Names with a meaning of their own in the query. A parameter of such a name is given as a JSON field. */
const reserved = ["output", "shape", "version"] as const;

/** @throws DawnletError INVALID_ARGUMENT for unknown names and for names that come twice. */
export function parseQuery(c: Context, version: FunctionVersion): ShortFormQuery {
  const parameters: Record<string, number> = {};
  if (!c.req.url.includes("?")) return { parameters, shape: undefined, outputs: undefined };
  const queries = c.req.queries();
  for (const [name, values] of Object.entries(queries)) {
    if (values.length > 1) throw failure(version, `the query has '${name}' ${values.length} times`);
    if (reserved.some((known) => known === name)) continue;
    const parameter = findParameter(version.signature, name);
    if (parameter === undefined) {
      const known = listNames([...version.signature.parameters, ...reserved.map((word) => ({ name: word }))]);
      throw failure(version, `the query has no meaning for '${name}': it takes ${known}`);
    }
    parameters[name] = checkParameterText(parameter, values[0]!);
  }
  const outputs = queries.output?.[0]?.split(",");
  if (outputs !== undefined) checkOutputNames(version, outputs);
  const shape = queries.shape?.[0]?.split(",").map(toDimension);
  return { parameters, outputs, shape: shape && parseShape("shape", shape) };
}

function toDimension(text: string): unknown {
  return /^\d+$/.test(text) ? Number(text) : text;
}

/** A body that was read as its form asks. */
export type ShortFormBody =
  | { readonly form: "json"; readonly text: string }
  | { readonly form: Exclude<Form, "json">; readonly bytes: Uint8Array };

/**
 * @param limitBytes of what a compressed image may unpack to.
 * @throws DawnletError INVALID_ARGUMENT naming the field.
 */
export async function parseShortForm(
  body: ShortFormBody,
  query: ShortFormQuery,
  version: FunctionVersion,
  limitBytes: number,
): Promise<Call> {
  const { parameters, outputs, shape } = query;
  if (shape !== undefined && body.form !== "bytes") throw failure(version, "only a raw body takes '?shape'");
  if (body.form === "json") return parseFields(body.text, query, version);
  const input = singleInput(version);
  const tensor = await parseTensor(body.bytes, body.form, input, shape, limitBytes);
  return { inputs: { [input.name]: tensor }, parameters, outputs, timeoutMs: undefined };
}

function singleInput(version: FunctionVersion): TensorSignature {
  const { inputs } = version.signature;
  if (inputs.length === 1) return inputs[0]!;
  throw failure(version, `this body is one tensor: it takes ${listNames(inputs)}. Send JSON`);
}

async function parseTensor(
  body: Uint8Array,
  form: Exclude<Form, "json">,
  input: TensorSignature,
  shape: readonly number[] | undefined,
  limitBytes: number,
): Promise<Tensor> {
  if (form === "bytes") return rawInput(body, input, shape);
  const tensor = form === "png" ? await readPng(input, body, limitBytes) : readNpy(body);
  if (tensor.dataType !== input.dataType) {
    throw inputFailure(input, `the file has ${tensor.dataType}: expected ${input.dataType}`);
  }
  checkShape(input, tensor.shape);
  return tensor;
}

function rawInput(body: Uint8Array, input: TensorSignature, stated: readonly number[] | undefined): Tensor {
  const { dataType } = input;
  if (dataType === "string") throw inputFailure(input, "strings have no raw form: send JSON");
  if (stated === undefined) return { dataType, shape: solveShapeOfBytes(input, body.byteLength), data: body };
  checkShape(input, stated);
  // Of a signature without free dimensions: says whether the bytes are as many.
  solveShapeOfBytes({ ...input, shape: stated }, body.byteLength);
  return { dataType, shape: stated, data: body };
}

function parseFields(text: string, query: ShortFormQuery, version: FunctionVersion): Call {
  const { inputs: known } = version.signature;
  const exactIntegers = known.some(({ dataType }) => dataType === "int64" || dataType === "uint64");
  const fields = text === "" ? {} : parseJson(text, { exactIntegers });
  if (!isRecord(fields)) throw failure(version, "the body is no JSON object");
  const inputs: Record<string, Tensor> = {};
  const parameters: Record<string, number> = { ...query.parameters };
  for (const [name, value] of Object.entries(fields)) {
    const input = known.find((candidate) => candidate.name === name);
    if (input !== undefined) {
      inputs[name] = parseField(input, value);
      continue;
    }
    const parameter = findParameter(version.signature, name);
    if (parameter === undefined) {
      const names = listNames([...known, ...version.signature.parameters]);
      throw failure(version, `there is no input or parameter '${name}': it takes ${names}`);
    }
    if (Object.hasOwn(parameters, name))
      throw failure(version, `parameter '${name}' is in the query and in the body`);
    parameters[name] = checkParameter(parameter, value);
  }
  return { inputs, parameters, outputs: query.outputs, timeoutMs: undefined };
}

/** Nested lists state their shape; a flat one takes the shape that its length leaves no choice about. */
export function parseField(input: TensorSignature, value: unknown): Tensor {
  const { name, dataType } = input;
  const data = Array.isArray(value) ? value : [value];
  const shape = Array.isArray(value) ? nestedShape(value) : [];
  const isFlat = shape.length <= 1 && input.shape.length !== shape.length;
  const fitting = isFlat ? solveShape(input, data.length) : shape;
  checkShape(input, fitting);
  return { dataType, shape: fitting, data: decodeJson(name, dataType, fitting, data) };
}

/** Of the first list on each level. Whether the others agree, decoding checks. */
function nestedShape(list: readonly unknown[]): number[] {
  const shape: number[] = [];
  for (let level: unknown = list; Array.isArray(level); level = level[0]) shape.push(level.length);
  return shape;
}

function failure(version: FunctionVersion, what: string): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot call function '${version.name}' as ${what}`);
}

function inputFailure(input: TensorSignature, what: string): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot use input '${input.name}' as ${what}`);
}
