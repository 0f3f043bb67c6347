/** Tensors for people: all values of a small one, a summary of a large one. */
import type { Tensor } from "../../kernels/tensor.ts";
import { elementCount } from "../../kernels/tensor.ts";
import { encodeJson } from "../tensors/json-encode.ts";
import { formatBytes, tableLines } from "../text.ts";

/** More values than these do not help anybody on a terminal. */
const mostShown = 256;

/** As JSON of nested lists. FP16 has no JSON form of its own: its values are those of FP32. */
export function jsonOf(name: string, tensor: Tensor): string {
  return encodeJson(name, widened(tensor), "nested");
}

/** A line that says what it is, and its values below, a row each. */
export function tensorLines(name: string, tensor: Tensor): string[] {
  const { dataType, shape } = tensor;
  const head = `${name}  ${dataType} [${shape.join(", ")}]`;
  if (elementCount(shape) > mostShown)
    return [`${head}  ${formatBytes(tensor.data.byteLength)}`, summary(name, tensor)];
  const values: unknown = JSON.parse(jsonOf(name, tensor));
  return [head, ...valueLines(values).map((line) => `  ${line}`)];
}

function valueLines(values: unknown): string[] {
  if (!Array.isArray(values)) return [cellOf(values)];
  if (!values.some(Array.isArray)) return [values.map(cellOf).join("  ")];
  const isMatrix = values.every((row) => Array.isArray(row) && !row.some(Array.isArray));
  if (isMatrix) return tableLines(values.map((row: unknown[]) => row.map(cellOf)));
  return values.flatMap((part, index) => [`[${index}]`, ...valueLines(part)]);
}

/** Seven digits are what FP32 holds. */
function cellOf(value: unknown): string {
  if (typeof value === "number") return String(Number(value.toPrecision(7)));
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

function summary(name: string, { dataType, shape, data }: Tensor): string {
  const hint = "-o file.npy writes all of it";
  if (dataType === "string" || dataType === "bool") return `  ${hint}`;
  const count = elementCount(shape);
  const flat = { dataType, shape: [count], data };
  const numbers: number[] = JSON.parse(jsonOf(name, flat)).map(Number);
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  let sum = 0;
  for (const number of numbers) {
    least = Math.min(least, number);
    most = Math.max(most, number);
    sum += number;
  }
  const first = numbers.slice(0, 6).map(cellOf).join(", ");
  const [low, high, mean] = [least, most, sum / count].map(cellOf);
  return `  ${first}, …  from ${low} to ${high}, mean ${mean}; ${hint}`;
}

function widened(tensor: Tensor): Tensor {
  if (tensor.dataType !== "float16") return tensor;
  const halves = new Float16Array(new Uint8Array(tensor.data).buffer);
  return { ...tensor, dataType: "float32", data: new Uint8Array(Float32Array.from(halves).buffer) };
}
