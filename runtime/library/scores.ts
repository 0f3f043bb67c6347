/** Small arithmetic on what models give: scores to an answer, embeddings to a likeness. */
import { DawnletError } from "../../kernels/errors.ts";

/** Numbers in a row: an array or any typed array but those of bigints. */
export type Numbers = ArrayLike<number>;

/**
 * The index of the largest value, the first of equal ones. NaN is smaller than everything.
 * @throws DawnletError INVALID_ARGUMENT where there are no values.
 */
export function argmax(values: Numbers): number {
  if (values.length === 0) throw failure("argmax", "there are no values");
  let best = 0;
  for (let index = 1; index < values.length; index++) {
    const value = values[index]!;
    if (value > values[best]! || (Number.isNaN(values[best]!) && !Number.isNaN(value))) best = index;
  }
  return best;
}

/** Scores to probabilities, which are from 0 to 1 and add up to 1. No scores give none. */
export function softmax(scores: Numbers): Float32Array<ArrayBuffer> {
  let largest = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < scores.length; index++) largest = Math.max(largest, scores[index]!);
  // Less the largest, so that no exponential overflows.
  const powers = Float64Array.from(scores, (score) => (score === largest ? 1 : Math.exp(score - largest)));
  let total = 0;
  for (const power of powers) total += power;
  return Float32Array.from(powers, (power) => power / total);
}

/**
 * The cosine of the angle between two vectors: 1 in the same direction, 0 at right angles, -1 opposite.
 * 0 where one of them has no length.
 * @throws DawnletError INVALID_ARGUMENT where they differ in size.
 */
export function cosineSimilarity(a: Numbers, b: Numbers): number {
  if (a.length !== b.length)
    throw failure("cosineSimilarity", `its vectors have ${a.length} and ${b.length} elements`);
  let product = 0;
  let squaredA = 0;
  let squaredB = 0;
  for (let index = 0; index < a.length; index++) {
    const x = a[index]!;
    const y = b[index]!;
    product += x * y;
    squaredA += x * x;
    squaredB += y * y;
  }
  const length = Math.sqrt(squaredA * squaredB);
  // Rounding may leave the range by a last bit.
  return length === 0 ? 0 : Math.min(1, Math.max(-1, product / length));
}

function failure(operation: string, what: string): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot compute ${operation} as ${what}`);
}
