/** Shapes as they come from outside, in JSON or in the header of a file: unknown values to lists of sizes. */
import { DawnletError } from "./errors.ts";

/** Dimensions a tensor may have; more is a mistake or an attack. */
const maxRank = 32;

/**
 * Reads a shape as JSON has it.
 * @throws DawnletError INVALID_ARGUMENT for what is no list of whole numbers from 0 on, and for a shape
 * whose elements or bytes cannot be counted exactly.
 */
export function parseShape(input: string, value: unknown): number[] {
  if (!Array.isArray(value) || value.length > maxRank) {
    throw failure(input, `its shape is no list of at most ${maxRank} numbers`);
  }
  for (const dimension of value) {
    if (Number.isSafeInteger(dimension) && dimension >= 0) continue;
    throw failure(
      input,
      `its shape has the dimension ${String(JSON.stringify(dimension))}: expected a whole number from 0 on`,
    );
  }
  const shape: number[] = value;
  checkCountable(input, shape);
  return shape;
}

/** Zeros do not excuse a product that overflows before or after them. */
function checkCountable(input: string, shape: readonly number[]): void {
  // 8 bytes an element at most: what passes here is exact in elements and in bytes.
  let bytes = 8;
  for (const dimension of shape) bytes *= Math.max(dimension, 1);
  if (bytes <= Number.MAX_SAFE_INTEGER) return;
  throw failure(input, `its shape [${shape}] has more elements than can be counted`);
}

function failure(input: string, what: string): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot use input '${input}' as ${what}`);
}
