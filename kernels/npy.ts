/**
 * NumPy's .npy files to tensors and back: versions 1 to 3, every type of fixed size that tensors have.
 * Big-endian data is swapped and Fortran order rearranged on reading; strings, objects, complex numbers and
 * records are refused. Written files are version 1, little-endian, C order.
 */
import { DawnletError } from "./errors.ts";
import { parseNpyHeader } from "./npy-header.ts";
import { parseShape } from "./parse-shape.ts";
import { type DataType, elementBytes, type Tensor, tensorBytes } from "./tensor.ts";

/** `\x93NUMPY` */
const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
/** NumPy aligns the data to this and refuses headers above the other. */
const alignment = 64;
const maxHeaderBytes = 65_535;

const typeCodes = {
  float32: "f4",
  float16: "f2",
  float64: "f8",
  int8: "i1",
  int16: "i2",
  int32: "i4",
  int64: "i8",
  uint8: "u1",
  uint16: "u2",
  uint32: "u4",
  uint64: "u8",
  bool: "b1",
} as const satisfies Record<Exclude<DataType, "string">, string>;

const dataTypes: ReadonlyMap<string, DataType> = new Map(
  Object.entries(typeCodes).map(([dataType, code]) => [code, dataType as DataType]),
);

/** @throws DawnletError INVALID_ARGUMENT for what is no .npy file, is cut off, or has a type without counterpart. */
export function readNpy(file: Uint8Array): Tensor {
  const { text, dataStart } = splitFile(file);
  const header = parseNpyHeader(text);
  const { dataType, isBigEndian } = parseDescr(header.descr);
  const shape = parseShape(".npy", header.shape);
  const data = file.subarray(dataStart);
  const expected = tensorBytes(dataType, shape);
  if (data.byteLength !== expected) {
    throw failure(`it has ${data.byteLength} bytes of data: ${dataType} of shape [${shape}] has ${expected}`);
  }
  const width = elementBytes[dataType];
  const ordered = header.isFortranOrder && shape.length > 1 ? toRowMajor(data, shape, width) : data;
  return { dataType, shape, data: isBigEndian && width > 1 ? swapped(ordered, width) : ordered };
}

/** @throws DawnletError INVALID_ARGUMENT for strings, whose elements vary in size. */
export function writeNpy(tensor: Tensor): Uint8Array<ArrayBuffer> {
  if (tensor.dataType === "string") throw failure("its elements are strings: ask for JSON");
  const order = elementBytes[tensor.dataType] === 1 ? "|" : "<";
  const shape = tensor.shape.length === 1 ? `(${tensor.shape[0]},)` : `(${tensor.shape.join(", ")})`;
  const dictionary = `{'descr': '${order}${typeCodes[tensor.dataType]}', 'fortran_order': False, 'shape': ${shape}, }`;
  const preamble = magic.length + 4;
  const dataStart = Math.ceil((preamble + dictionary.length + 1) / alignment) * alignment;
  const text = `${dictionary.padEnd(dataStart - preamble - 1)}\n`;
  const file = new Uint8Array(dataStart + tensor.data.byteLength);
  file.set([...magic, 1, 0, text.length & 0xff, text.length >> 8]);
  file.set(new TextEncoder().encode(text), preamble);
  file.set(tensor.data, dataStart);
  return file;
}

function splitFile(file: Uint8Array): { text: string; dataStart: number } {
  if (file.byteLength < 10 || magic.some((byte, i) => file[i] !== byte))
    throw failure("it does not begin like one");
  const version = file[6]!;
  if (version < 1 || version > 3) throw failure(`its version is ${version}: expected 1, 2 or 3`);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const lengthBytes = version === 1 ? 2 : 4;
  const textStart = 8 + lengthBytes;
  if (file.byteLength < textStart) throw failure("it ends within its header");
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > maxHeaderBytes)
    throw failure(`its header has ${length} bytes: at most ${maxHeaderBytes} are read`);
  const dataStart = textStart + length;
  if (dataStart > file.byteLength) throw failure("it ends within its header");
  const encoding = version === 3 ? "utf-8" : "latin1";
  return { text: new TextDecoder(encoding).decode(file.subarray(textStart, dataStart)), dataStart };
}

function parseDescr(descr: string): { dataType: DataType; isBigEndian: boolean } {
  const order = descr[0] ?? "";
  // Booleans are `|b1`, in old files `|?`.
  const code = descr.slice(1) === "?" ? "b1" : descr.slice(1);
  const dataType = dataTypes.get(code);
  const isOrdered = order === "<" || order === ">" || order === "=";
  if (dataType !== undefined && (isOrdered || (order === "|" && elementBytes[dataType] === 1))) {
    return { dataType, isBigEndian: order === ">" };
  }
  throw failure(`its type is '${descr.slice(0, 40)}': expected one of ${[...dataTypes.keys()].join(", ")}`);
}

/** From Fortran order, where the first index runs fastest. */
function toRowMajor(data: Uint8Array, shape: readonly number[], width: number): Uint8Array {
  const result = new Uint8Array(data.byteLength);
  const strides = fortranStrides(shape, width);
  const index = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let to = 0; to < result.byteLength; to += width) {
    for (let byte = 0; byte < width; byte++) result[to + byte] = data[from + byte]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= index[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
  return result;
}

function fortranStrides(shape: readonly number[], width: number): number[] {
  let stride = width;
  return shape.map((dimension) => {
    const own = stride;
    stride *= dimension;
    return own;
  });
}

function swapped(data: Uint8Array, width: number): Uint8Array {
  const result = new Uint8Array(data.byteLength);
  for (let i = 0; i < data.byteLength; i++) result[i - (i % width) + width - 1 - (i % width)] = data[i]!;
  return result;
}

function failure(what: string): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot use this as a .npy file as ${what}`);
}
