/**
 * A command line to paste that calls a function: with values made up to fit its signature, or with
 * arguments written for it. What it prints, a test runs.
 */
import type { DataType, Dimension, TensorSignature } from "../../kernels/tensor.ts";
import { elementCount } from "../../kernels/tensor.ts";
import type { FunctionVersion } from "../functions/functions.ts";
import { imageChannels } from "../tensors/image.ts";

export interface CurlOptions {
  /** Of the gateway, without a slash at its end. */
  readonly url: string;
  /** True where the gateway asks for a token: the line takes it from DAWNLET_TOKEN. */
  readonly hasToken: boolean;
}

type Callable = Pick<FunctionVersion, "name" | "signature"> & { readonly kind?: string };

/** Larger tensors are not written out. */
const mostElements = 64;
/** What a free dimension is set to. */
const freeSize = 2;

/**
 * One line for a shell. Where the inputs are too large for one, it reads a file that the caller has.
 * @param fields JSON fields to send instead of made-up ones.
 */
export function curlLine(
  { url, hasToken }: CurlOptions,
  { name, kind, signature }: Callable,
  fields?: string,
): string {
  const { inputs, outputs, parameters } = signature;
  const target = `${url}/function/${name}`;
  const authorization = hasToken ? ` -H "authorization: Bearer $DAWNLET_TOKEN"` : "";
  // What a handler takes, only its author knows.
  if (kind === "handler") return `curl ${target}/${authorization}`;
  const [output] = outputs;
  const isImage = outputs.length === 1 && output !== undefined && imageChannels(output) !== undefined;
  const answer = isImage ? ` -H 'accept: image/png' -o ${name}.png` : "";
  const required = parameters.filter((parameter) => parameter.default === undefined);
  const values = required.map((parameter) => [parameter.name, Math.max(parameter.minimum ?? 1, 1)] as const);

  const [input] = inputs;
  if (input === undefined && fields === undefined) {
    const query = values.map(([key, value]) => `${encodeURIComponent(key)}=${value}`).join("&");
    return `curl '${target}${query && `?${query}`}'${authorization}${answer}`;
  }
  const elements = inputs.reduce((sum, { shape }) => sum + elementCount(shape.map(sizeOf)), 0);
  if (fields === undefined && input !== undefined && elements > mostElements) {
    const isOne = inputs.length === 1 && required.length === 0;
    const token = hasToken ? ` --token "$DAWNLET_TOKEN"` : "";
    if (!isOne)
      return `dawnlet invoke ${name} --url ${url}${token} ${inputs.map((one) => quoted(`${one.name}=@${fileName(one)}`)).join(" ")}`;
    return `curl '${target}'${authorization} -H 'content-type: application/x-npy' --data-binary @${fileName(input)}${answer}`;
  }
  const made = () => {
    const tensors = inputs.map((tensor) => [tensor.name, sampleValue(tensor)] as const);
    return JSON.stringify(Object.fromEntries([...tensors, ...values]));
  };
  return `curl '${target}'${authorization}${answer} -d ${quoted(fields ?? made())}`;
}

/** As one word of a POSIX shell. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A file that the caller is to have. Models name their tensors as they like. */
function fileName({ name }: TensorSignature): string {
  return `${name.replaceAll(/[^\w.-]+/g, "_")}.npy`;
}

/** Values 1, 2, 3, … in lists as deep as the shape. */
function sampleValue({ dataType, shape }: TensorSignature): unknown {
  let next = 0;
  const build = (level: number): unknown => {
    if (level === shape.length) return sampleElement(dataType, next++);
    return Array.from({ length: sizeOf(shape[level]!) }, () => build(level + 1));
  };
  return build(0);
}

function sampleElement(dataType: DataType, index: number): unknown {
  if (dataType === "bool") return index % 2 === 0;
  if (dataType === "string") return `text ${index + 1}`;
  return (index % 100) + 1;
}

function sizeOf(dimension: Dimension): number {
  return typeof dimension === "number" ? dimension : freeSize;
}
