/**
 * Weights that a model keeps in other files beside it: where they are, and whether those files are right.
 * A location is untrusted: it must stay inside the model's folder.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { subgraphs } from "./attributes.ts";
import type { GraphProto, ModelProto, TensorProto } from "./proto.ts";

/** Gives the bytes of a file by its path relative to the model, with `/` between folders. */
export type FileLookup = (location: string) => Uint8Array | undefined;

export interface ExternalLocation {
  readonly location: string;
  readonly offset: number;
  /** Left out: up to the end of the file. */
  readonly length?: number;
  /** SHA-1 of the whole file, lower-case hex. */
  readonly checksum?: string;
}

export function isExternal(tensor: TensorProto): boolean {
  return tensor.dataLocation === 1;
}

/** @throws DawnletError INVALID_MODEL where the location is missing, leaves the folder or is no range. */
export function externalLocation(tensor: TensorProto): ExternalLocation {
  const entry = (key: string) => tensor.externalData.find((pair) => pair.key === key)?.value;
  const location = entry("location");
  if (location === undefined) throw invalid(tensor, "it is external but names no location");
  const length = entry("length");
  const checksum = entry("checksum");
  return {
    location: insideFolder(tensor, location),
    offset: wholeNumber(tensor, "offset", entry("offset") ?? "0"),
    ...(length === undefined ? {} : { length: wholeNumber(tensor, "length", length) }),
    ...(checksum === undefined ? {} : { checksum: checksum.toLowerCase() }),
  };
}

/**
 * A tensor's bytes in its external file, as a view.
 * @throws DawnletError INVALID_MODEL where the file is missing or too short.
 */
export function readExternal(tensor: TensorProto, files: FileLookup): Uint8Array {
  const { location, offset, length } = externalLocation(tensor);
  const file = files(location);
  if (file === undefined) throw invalid(tensor, `its file '${location}' is not beside the model`);
  const end = length === undefined ? file.length : offset + length;
  if (offset > file.length || end > file.length) {
    throw invalid(
      tensor,
      `bytes ${offset} to ${end} are past the end of '${location}' (${file.length} bytes)`,
    );
  }
  return file.subarray(offset, end);
}

/** Files that a model's weights are in, each once, in the order of first use. */
export function externalFiles(model: ModelProto): readonly string[] {
  return [...new Set(externalTensors(model).map((tensor) => externalLocation(tensor).location))];
}

/**
 * Compares each external file with the checksum that the model states, where it states one.
 * @throws DawnletError INVALID_MODEL naming the file.
 */
export async function verifyChecksums(model: ModelProto, files: FileLookup): Promise<void> {
  const verified = new Set<string>();
  for (const tensor of externalTensors(model)) {
    const { location, checksum } = externalLocation(tensor);
    const key = `${checksum} ${location}`;
    if (checksum === undefined || verified.has(key)) continue;
    verified.add(key);
    const file = files(location);
    if (file === undefined) throw invalid(tensor, `its file '${location}' is not beside the model`);
    // Files may have gigabytes: copied only where WebCrypto would refuse them, in memory that threads share.
    const bytes = isUnshared(file) ? file : Uint8Array.from(file);
    const actual = new Uint8Array(await crypto.subtle.digest("SHA-1", bytes)).toHex();
    if (actual !== checksum)
      throw invalid(tensor, `the SHA-1 of '${location}' is ${actual}: expected ${checksum}`);
  }
}

/** Tensors of a model whose bytes are elsewhere, those inside nodes and their graphs included. */
function externalTensors(model: ModelProto): readonly TensorProto[] {
  const graphs = model.graph === undefined ? [] : [model.graph];
  return graphs.flatMap(tensorsOf).filter(isExternal);
}

function tensorsOf(graph: GraphProto): readonly TensorProto[] {
  const sparse = graph.sparseInitializer.flatMap((entry) => [entry.values, entry.indices]);
  const inNodes = graph.node.flatMap((node) => [
    ...node.attribute.flatMap((attribute) => [attribute.t, ...attribute.tensors]),
    ...subgraphs(node).flatMap(tensorsOf),
  ]);
  return [...graph.initializer, ...sparse, ...inNodes].filter((tensor) => tensor !== undefined);
}

function isUnshared(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer;
}

function insideFolder(tensor: TensorProto, location: string): string {
  const parts = location.split("/").filter((part) => part !== "." && part !== "");
  const leaves = location.startsWith("/") || /[\\:\0]/.test(location) || parts.includes("..");
  if (leaves || parts.length === 0) {
    throw invalid(tensor, `its location '${location}' is no path inside the model's folder`);
  }
  return parts.join("/");
}

function wholeNumber(tensor: TensorProto, key: string, text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw invalid(tensor, `its ${key} '${text}' is no number of bytes`);
  }
  return value;
}

function invalid(tensor: TensorProto, why: string): DawnletError {
  return new DawnletError("INVALID_MODEL", `Cannot read the tensor '${tensor.name ?? ""}' as ${why}`);
}
