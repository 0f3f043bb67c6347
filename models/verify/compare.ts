/**
 * Compares a Program's output with the reference: integers must be equal, floats close. The tolerance is relative
 * to each value and, for values near zero, to the largest of the tensor, since sums cancel.
 */
import type { DataType, Tensor } from "../../kernels/tensor.ts";

export interface Difference {
  readonly maxAbsoluteError: number;
  /** Position of the first element that is out of tolerance; undefined where all agree. */
  readonly firstBad: number | undefined;
}

const relativeTolerance: Partial<Record<DataType, number>> = { float32: 1e-3, float64: 1e-3, float16: 1e-2 };
const scaleTolerance: Partial<Record<DataType, number>> = { float32: 1e-5, float64: 1e-5, float16: 2e-3 };

/** @param actual bytes of the same data type and length as `expected`. */
export function compareTensors(actual: Uint8Array, expected: Tensor): Difference {
  const { dataType } = expected;
  const relative = relativeTolerance[dataType];
  if (relative === undefined) return compareBytes(actual, expected.data);
  const a = floatsOf(dataType, actual);
  const e = floatsOf(dataType, expected.data);
  let scale = 0;
  for (const value of e) if (Number.isFinite(value)) scale = Math.max(scale, Math.abs(value));
  const absolute = Math.max(1e-7, scale * scaleTolerance[dataType]!);
  let maxAbsoluteError = 0;
  let firstBad: number | undefined = a.length === e.length ? undefined : 0;
  for (let i = 0; i < e.length; i++) {
    const left = a[i]!;
    const right = e[i]!;
    if (left === right || (Number.isNaN(left) && Number.isNaN(right))) continue;
    const error = Math.abs(left - right);
    if (!(error <= absolute + relative * Math.abs(right))) firstBad ??= i;
    if (!(error <= maxAbsoluteError)) maxAbsoluteError = error;
  }
  return { maxAbsoluteError, firstBad };
}

function compareBytes(actual: Uint8Array, expected: Uint8Array): Difference {
  const firstBad =
    actual.byteLength === expected.byteLength ? expected.findIndex((byte, i) => byte !== actual[i]) : 0;
  return { maxAbsoluteError: 0, firstBad: firstBad < 0 ? undefined : firstBad };
}

function floatsOf(dataType: DataType, bytes: Uint8Array): ArrayLike<number> & Iterable<number> {
  const aligned = bytes.slice().buffer;
  if (dataType === "float64") return new Float64Array(aligned);
  if (dataType === "float16") return new Float16Array(aligned);
  return new Float32Array(aligned);
}
