/** ONNX's own measure of a right answer: floats within 1e-3 of the value or 1e-7, all else equal; NaN equals NaN. */
import type { Tensor } from "../../kernels/tensor.ts";

const relative = 1e-3;
const absolute = 1e-7;

/** @returns what is wrong, in words; undefined where all is right. */
export function disagreement(actual: Tensor | undefined, expected: Tensor): string | undefined {
  if (actual === undefined) return "is missing";
  if (actual.dataType !== expected.dataType) return `is ${actual.dataType}: expected ${expected.dataType}`;
  if (`${actual.shape}` !== `${expected.shape}`)
    return `has shape [${actual.shape}]: expected [${expected.shape}]`;
  if (actual.data.byteLength !== expected.data.byteLength)
    return `has ${actual.data.byteLength} bytes: expected ${expected.data.byteLength}`;
  const [left, right] = [valuesOf(actual), valuesOf(expected)];
  const wrong = right.findIndex((value, i) => !isClose(left[i]!, value));
  return wrong < 0 ? undefined : `is ${left[wrong]} at element ${wrong}: expected ${right[wrong]}`;
}

function isClose(actual: number, expected: number): boolean {
  if (Object.is(actual, expected) || actual === expected) return true;
  return Number.isFinite(expected) && Math.abs(actual - expected) <= absolute + relative * Math.abs(expected);
}

/** Floats as they are; of all else the bytes, which must be equal: a whole number is close to no other below 1000. */
function valuesOf({ dataType, data }: Tensor): number[] {
  const { buffer } = data.slice();
  if (dataType === "float32") return [...new Float32Array(buffer)];
  if (dataType === "float64") return [...new Float64Array(buffer)];
  if (dataType === "float16") return [...new Float16Array(buffer)];
  return [...data];
}
