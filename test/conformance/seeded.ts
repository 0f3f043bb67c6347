/** Tensors' worth of random numbers that are the same in every run. */
import { seededRandom } from "../../models/seeded.ts";

/** Float32 values between -1 and 1. */
export function seededFloats(count: number, seed: number): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: count }, () => random() * 2 - 1);
}
