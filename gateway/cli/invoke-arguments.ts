/**
 * `x=[1,2,3] y=@y.npy a=2` to the inputs and parameters of a call: JSON text, or a file after `@`.
 * What a file holds follows from its name.
 */
import { readFile } from "node:fs/promises";
import { DawnletError } from "../../kernels/errors.ts";
import { readNpy } from "../../kernels/npy.ts";
import { parseShape } from "../../kernels/parse-shape.ts";
import type { Tensor, TensorSignature } from "../../kernels/tensor.ts";
import { checkParameterText, findParameter, listNames } from "../api/parameters.ts";
import { parseField } from "../api/short-form-request.ts";
import type { FunctionSignature } from "../functions/functions.ts";
import { readPng } from "../tensors/image.ts";
import { parseJson } from "../tensors/json-text.ts";
import { checkShape, solveShapeOfBytes } from "../tensors/shape.ts";

export interface CallArguments {
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly parameters: Readonly<Record<string, number>>;
}

/** Pixels of an image once unpacked, 4 bytes each. */
const mostImageBytes = 2 ** 30;

/**
 * @param shapes `x=1,3,224,224`: of raw files.
 * @throws DawnletError INVALID_ARGUMENT, NOT_FOUND for a file that is not there.
 */
export async function parseCallArguments(
  name: string,
  signature: FunctionSignature,
  words: readonly string[],
  shapes: readonly string[] = [],
): Promise<CallArguments> {
  const given = await parseSomeArguments(name, signature, words, shapes);
  const missing = signature.inputs.find((input) => !Object.hasOwn(given.inputs, input.name));
  if (missing === undefined) return given;
  throw new DawnletError(
    "INVALID_ARGUMENT",
    `Cannot call function '${name}' as input '${missing.name}' is missing: give ${missing.name}=… or ${missing.name}=@file`,
  );
}

/** As `parseCallArguments`, where inputs may be left out. */
export async function parseSomeArguments(
  name: string,
  signature: FunctionSignature,
  words: readonly string[],
  shapes: readonly string[] = [],
): Promise<CallArguments> {
  const fail = (what: string): never => {
    throw new DawnletError("INVALID_ARGUMENT", `Cannot call function '${name}' as ${what}`);
  };
  const stated = new Map(shapes.map((text) => parseStatedShape(text)));
  const inputs: Record<string, Tensor> = {};
  const parameters: Record<string, number> = {};
  for (const word of words) {
    const [key, value] = splitPair(word) ?? fail(`'${word}' is no pair: expected name=value`);
    if (Object.hasOwn(inputs, key) || Object.hasOwn(parameters, key)) fail(`'${key}' is given twice`);
    const input = signature.inputs.find((candidate) => candidate.name === key);
    const parameter = findParameter(signature, key);
    if (input !== undefined) {
      inputs[key] = await readInput(input, value, stated.get(key));
      stated.delete(key);
    } else if (parameter !== undefined) parameters[key] = checkParameterText(parameter, value);
    else {
      const known = listNames([...signature.inputs, ...signature.parameters]);
      fail(`there is no input or parameter '${key}': it takes ${known}`);
    }
  }
  for (const unused of stated.keys()) fail(`--shape names '${unused}', which is no input that is given`);
  return { inputs, parameters };
}

function splitPair(word: string): readonly [string, string] | undefined {
  const at = word.indexOf("=");
  return at > 0 ? [word.slice(0, at), word.slice(at + 1)] : undefined;
}

function parseStatedShape(text: string): readonly [string, number[]] {
  const [name, list] = splitPair(text) ?? [];
  if (name === undefined || list === undefined || !/^\d+(,\d+)*$/.test(list))
    throw new DawnletError("INVALID_ARGUMENT", `Cannot use --shape '${text}': expected name=1,3,224,224`);
  return [name, parseShape(name, list.split(",").map(Number))];
}

async function readInput(
  input: TensorSignature,
  value: string,
  shape: readonly number[] | undefined,
): Promise<Tensor> {
  if (!value.startsWith("@")) {
    refuseShape(input, shape, "JSON");
    return parseField(input, parseJsonValue(input, value));
  }
  const path = value.slice(1);
  const bytes = await readFile(path).catch((cause: Error) => {
    throw new DawnletError("NOT_FOUND", `Cannot read the file of input '${input.name}': ${cause.message}`, {
      cause,
    });
  });
  const ending = /\.(npy|json|png)$/i.exec(path)?.[1]?.toLowerCase();
  if (ending === undefined) return rawInput(input, bytes, shape);
  refuseShape(input, shape, `a .${ending} file`);
  if (ending === "json") return parseField(input, parseJsonValue(input, bytes));
  const tensor = ending === "npy" ? readNpy(bytes) : await readPng(input, bytes, mostImageBytes);
  if (tensor.dataType !== input.dataType)
    throw failure(input, `${path} has ${tensor.dataType}: expected ${input.dataType}`);
  checkShape(input, tensor.shape);
  return tensor;
}

/** A word that is no JSON is taken as text where the input takes text. */
function parseJsonValue(input: TensorSignature, source: string | Uint8Array): unknown {
  const isText = input.dataType === "string" && typeof source === "string" && !/^\s*["[]/.test(source);
  if (isText) return source;
  return parseJson(source, {
    exactIntegers: input.dataType === "int64" || input.dataType === "uint64",
    what: `input '${input.name}'`,
  });
}

function rawInput(input: TensorSignature, data: Uint8Array, shape: readonly number[] | undefined): Tensor {
  const { dataType } = input;
  if (shape === undefined) return { dataType, shape: solveShapeOfBytes(input, data.byteLength), data };
  checkShape(input, shape);
  // Of a signature without free dimensions: says whether the bytes are as many.
  solveShapeOfBytes({ ...input, shape }, data.byteLength);
  return { dataType, shape, data };
}

function refuseShape(input: TensorSignature, shape: readonly number[] | undefined, what: string): void {
  if (shape !== undefined) throw failure(input, `--shape is for raw files: ${what} has a shape`);
}

function failure({ name }: TensorSignature, what: string): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot use input '${name}' as ${what}`);
}
