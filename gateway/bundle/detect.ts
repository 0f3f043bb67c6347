/**
 * What an upload is, by its content alone: a zip, an ONNX model, a handler in JavaScript or WGSL text. What a client says it is
 * counts for nothing. Plausible is enough here: the zip reader, the model codec and the shader compiler
 * check the rest and have the better messages.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { diskFiles, type FileReader } from "../store/files.ts";

export type UploadType = "zip" | "onnx" | "wgsl" | "handler";

/** Text longer than this is taken for something else. */
export const largestTextBytes = 4 * 1024 * 1024;

/** @throws DawnletError INVALID_BUNDLE saying what is taken; NOT_FOUND where there is no such file. */
export async function detectBundle(path: string): Promise<UploadType> {
  const file = await diskFiles.open(path);
  if (file === undefined) throw new DawnletError("NOT_FOUND", "Cannot read the upload: it is not stored");
  try {
    return await detect(file);
  } finally {
    await file.close();
  }
}

async function detect(file: FileReader): Promise<UploadType> {
  if (file.sizeBytes === 0) throw unknownUpload("it is empty");
  const start = new Uint8Array(Math.min(file.sizeBytes, 64));
  await file.read(0, start);
  if (isZipStart(start)) return "zip";
  if (isModelStart(start)) return "onnx";
  if (file.sizeBytes <= largestTextBytes) {
    const bytes = new Uint8Array(file.sizeBytes);
    await file.read(0, bytes);
    const text = readText(bytes);
    // First: a handler may have shaders in its strings, but no shader has an export.
    if (text !== undefined && hasDefaultExport(text)) return "handler";
    if (text !== undefined && isWgsl(text)) return "wgsl";
  }
  throw unknownUpload("its content is none of them");
}

function unknownUpload(reason: string): DawnletError {
  return new DawnletError(
    "INVALID_BUNDLE",
    `Cannot deploy the upload as ${reason}: expected a zip with a function.json or a handler.ts, an ONNX model, WGSL text with an '@compute' function, or JavaScript or TypeScript with an 'export default'`,
  );
}

/** A local file header, or the end record of an empty archive. */
function isZipStart(bytes: Uint8Array): boolean {
  if (bytes[0] !== 0x50 || bytes[1] !== 0x4b) return false;
  return (bytes[2] === 3 && bytes[3] === 4) || (bytes[2] === 5 && bytes[3] === 6);
}

/** Top-level fields of ModelProto (onnx.proto) with their wire types: 0 varint, 2 length-delimited. */
const modelFields: ReadonlyMap<number, number> = new Map([
  [1, 0], // ir_version
  [2, 2], // producer_name
  [3, 2], // producer_version
  [4, 2], // domain
  [5, 0], // model_version
  [6, 2], // doc_string
  [7, 2], // graph
  [8, 2], // opset_import
  [14, 2], // metadata_props
  [20, 2], // training_info
  [25, 2], // functions
  [26, 2], // configuration
]);

/** True where the bytes begin with ir_version and go on with fields that a model has, as far as they reach. */
function isModelStart(bytes: Uint8Array): boolean {
  if (bytes[0] !== 0x08) return false;
  const irVersion = readVarint(bytes, 1);
  // Released so far: 1 to 13.
  if (irVersion === undefined || irVersion.value < 1 || irVersion.value > 255) return false;
  let offset = irVersion.end;
  while (offset < bytes.length) {
    const tag = readVarint(bytes, offset);
    if (tag === undefined) return true;
    if (modelFields.get(Math.floor(tag.value / 8)) !== tag.value % 8) return false;
    const content = readVarint(bytes, tag.end);
    if (content === undefined) return true;
    offset = content.end + (tag.value % 8 === 2 ? content.value : 0);
  }
  return true;
}

/** Undefined where the bytes end inside it. */
function readVarint(bytes: Uint8Array, offset: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[offset + i];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, end: offset + i + 1 };
  }
  return { value: Number.POSITIVE_INFINITY, end: offset + 10 };
}

/** Undefined for bytes that are no UTF-8 text. */
function readText(bytes: Uint8Array): string | undefined {
  if (bytes.includes(0)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function isWgsl(text: string): boolean {
  return /\bfn\s|@compute\b/.test(text);
}

/** At the beginning of a statement. Each alternative looks at every character a bounded number of times. */
function hasDefaultExport(text: string): boolean {
  return /(?:^|[;}])[ \t]*export(?:\s+default\b|\s*\{[^{}]{0,10000}\bas\s{1,100}default\b)/m.test(text);
}
