/**
 * Tensor bytes to JSON text, flat or nested as the shape says.
 *
 * What JSON cannot say is written as strings, "NaN", "Infinity" and "-Infinity" (as in protobuf's JSON):
 * the text stays valid, nothing is lost, and `Number("NaN")` as well as `numpy.array` read them back.
 * 64-bit integers are written with all their digits. FP16 is refused, see json-decode.ts.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { decodeStrings } from "../../kernels/strings.ts";
import { elementCount, type Tensor } from "../../kernels/tensor.ts";

export type JsonLayout = "flat" | "nested";

/**
 * A flat list, or lists as deep as the shape (a bare value for rank 0).
 * @throws DawnletError INVALID_ARGUMENT for FP16 and for strings that are no UTF-8.
 */
export function encodeJson(output: string, tensor: Tensor, layout: JsonLayout): string {
  const rows = rowWriter(output, tensor);
  const count = elementCount(tensor.shape);
  if (layout === "flat" || tensor.shape.length === 1) return rows(0, count);
  if (tensor.shape.length === 0) return rows(0, 1).slice(1, -1);
  return nested(tensor.shape, 0, 0, rows);
}

/** Writes the elements from `start` to `end` as a flat list. */
type RowWriter = (start: number, end: number) => string;

function nested(shape: readonly number[], level: number, start: number, rows: RowWriter): string {
  const length = shape[level]!;
  if (level === shape.length - 1) return rows(start, start + length);
  const stride = elementCount(shape.slice(level + 1));
  const parts = new Array<string>(length);
  for (let i = 0; i < length; i++) parts[i] = nested(shape, level + 1, start + i * stride, rows);
  return `[${parts.join(",")}]`;
}

function rowWriter(output: string, tensor: Tensor): RowWriter {
  const { dataType } = tensor;
  const bytes = aligned(tensor.data);
  const { buffer, byteOffset, byteLength } = bytes;
  switch (dataType) {
    case "float32": {
      const view = new Float32Array(buffer, byteOffset, byteLength / 4);
      return (start, end) => floats(view, start, end);
    }
    case "float64": {
      const view = new Float64Array(buffer, byteOffset, byteLength / 8);
      return (start, end) => floats(view, start, end);
    }
    case "int8":
      return integers(new Int8Array(buffer, byteOffset, byteLength));
    case "int16":
      return integers(new Int16Array(buffer, byteOffset, byteLength / 2));
    case "int32":
      return integers(new Int32Array(buffer, byteOffset, byteLength / 4));
    case "uint8":
      return integers(bytes);
    case "uint16":
      return integers(new Uint16Array(buffer, byteOffset, byteLength / 2));
    case "uint32":
      return integers(new Uint32Array(buffer, byteOffset, byteLength / 4));
    case "int64":
      return integers(new BigInt64Array(buffer, byteOffset, byteLength / 8));
    case "uint64":
      return integers(new BigUint64Array(buffer, byteOffset, byteLength / 8));
    case "bool":
      return (start, end) => JSON.stringify(Array.from(bytes.subarray(start, end), (byte) => byte !== 0));
    case "string": {
      const texts = decodeStrings(output, bytes, elementCount(tensor.shape), "ask for it in binary");
      return (start, end) => JSON.stringify(texts.slice(start, end));
    }
    case "float16":
      throw new DawnletError(
        "INVALID_ARGUMENT",
        `Cannot write output '${output}' as JSON as it is FP16, which has no JSON form: ask for it in binary`,
      );
    default:
      return dataType satisfies never;
  }
}

/** Bytes at an offset that every typed array accepts; copied only where they lie askew. */
function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes);
}

function floats(view: Float32Array | Float64Array, start: number, end: number): string {
  // A plain loop into a plain array: a third faster than Array.from, and JSON.stringify than join.
  const numbers = new Array<number>(end - start);
  for (let i = start; i < end; i++) numbers[i - start] = view[i]!;
  const text = JSON.stringify(numbers);
  // JSON.stringify writes null for what is not finite, and for nothing else in a list of numbers.
  if (!text.includes("null")) return text;
  return JSON.stringify(numbers.map((number) => (Number.isFinite(number) ? number : String(number))));
}

/** The text of an integer is its JSON, also for bigint. */
function integers(view: {
  subarray(start: number, end: number): { join(separator: string): string };
}): RowWriter {
  return (start, end) => `[${view.subarray(start, end).join(",")}]`;
}
