/**
 * Compares a Program's output with the reference: integers must be equal, floats as close as rounding lets them be.
 * Stricter than ONNX's own tolerance (1e-3 relative, 1e-7 absolute) in what is relative; near zero sums cancel, and
 * there the yardstick is the largest value of the tensor, with more room the more dispatches have rounded.
 */
import type { DataType, Tensor } from "../../kernels/tensor.ts";

export interface Difference {
  readonly maxAbsoluteError: number;
  /** Position of the first element that is out of tolerance; undefined where all agree. */
  readonly firstBad: number | undefined;
}

interface Tolerance {
  /** To each value. */
  readonly relative: number;
  /** To the largest value: what one dispatch may lose, eight roundings of float32. */
  readonly noise: number;
}

const absoluteTolerance = 1e-7;
const tolerances: Partial<Record<DataType, Tolerance>> = {
  float32: { relative: 1e-4, noise: 2 ** -20 },
  float64: { relative: 1e-4, noise: 2 ** -20 },
  float16: { relative: 1e-3, noise: 2 ** -11 },
};
/** Roundings of many dispatches add up like a random walk; beyond a hundred no more is granted. */
const maxGrowth = 10;

/**
 * @param actual bytes of the same data type and length as `expected`.
 * @param dispatches that the value went through.
 */
export function compareTensors(actual: Uint8Array, expected: Tensor, dispatches = 1): Difference {
  const { dataType } = expected;
  const tolerance = tolerances[dataType];
  if (tolerance === undefined) return compareBytes(actual, expected.data);
  const a = floatsOf(dataType, actual);
  const e = floatsOf(dataType, expected.data);
  let scale = 0;
  for (const value of e) if (Number.isFinite(value)) scale = Math.max(scale, Math.abs(value));
  const growth = Math.min(maxGrowth, Math.sqrt(Math.max(1, dispatches)));
  const absolute = Math.max(absoluteTolerance, scale * tolerance.noise * growth);
  let maxAbsoluteError = 0;
  let firstBad: number | undefined = a.length === e.length ? undefined : 0;
  for (let i = 0; i < e.length; i++) {
    const left = a[i]!;
    const right = e[i]!;
    if (left === right || (Number.isNaN(left) && Number.isNaN(right))) continue;
    // NaN and infinities are close to nothing but themselves.
    const error = Number.isFinite(left) && Number.isFinite(right) ? Math.abs(left - right) : Infinity;
    const isClose = error < Infinity && error <= absolute + tolerance.relative * Math.abs(right);
    if (!isClose) firstBad ??= i;
    maxAbsoluteError = Math.max(maxAbsoluteError, error);
  }
  return { maxAbsoluteError, firstBad };
}

/** True for integers, strings and floats without NaN and infinities. */
export function isOrdinary({ dataType, data }: Tensor): boolean {
  if (tolerances[dataType] === undefined) return true;
  for (const value of floatsOf(dataType, data)) if (!Number.isFinite(value)) return false;
  return true;
}

function compareBytes(actual: Uint8Array, expected: Uint8Array): Difference {
  const firstBad =
    actual.byteLength === expected.byteLength ? expected.findIndex((byte, i) => byte !== actual[i]) : 0;
  return { maxAbsoluteError: 0, firstBad: firstBad < 0 ? undefined : firstBad };
}

function floatsOf(dataType: DataType, bytes: Uint8Array): ArrayLike<number> & Iterable<number> {
  // A copy by construction: `slice` of a Node Buffer is none.
  const aligned = new Uint8Array(bytes).buffer;
  if (dataType === "float64") return new Float64Array(aligned);
  if (dataType === "float16") return new Float16Array(aligned);
  return new Float32Array(aligned);
}
