/**
 * Shapes that clients send, against shapes that functions take. A named dimension of a signature is free:
 * any size fits. Whether two dimensions of one name agree is for the function to say.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { type Dimension, elementBytes, type TensorSignature } from "../../kernels/tensor.ts";

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

/** @throws DawnletError INVALID_ARGUMENT where the function takes another shape. */
export function checkShape(signature: TensorSignature, shape: readonly number[]): void {
  const expected = signature.shape;
  if (expected.length === shape.length && expected.every((d, i) => typeof d === "string" || d === shape[i]))
    return;
  throw failure(signature.name, `its shape is [${shape}]: expected ${describeShape(expected)}`);
}

/**
 * The shape of `count` elements, where the signature leaves at most one dimension open.
 * @throws DawnletError INVALID_ARGUMENT where the count does not fit or more dimensions are free.
 */
export function solveShape(signature: TensorSignature, count: number): number[] {
  const { name, shape } = signature;
  const free = shape.filter((dimension) => typeof dimension === "string").length;
  if (free > 1) {
    throw failure(name, `its shape ${describeShape(shape)} has ${free} free dimensions: state the shape`);
  }
  let fixed = 1;
  for (const dimension of shape) if (typeof dimension === "number") fixed *= dimension;
  const fits = free === 0 ? count === fixed : fixed > 0 && count % fixed === 0;
  if (!fits) throw failure(name, `it has ${count} elements: its shape is ${describeShape(shape)}`);
  return shape.map((dimension) => (typeof dimension === "number" ? dimension : count / fixed));
}

/**
 * As `solveShape`, from a number of bytes.
 * @throws DawnletError INVALID_ARGUMENT also where the bytes are no whole number of elements.
 */
export function solveShapeOfBytes(signature: TensorSignature, sizeBytes: number): number[] {
  const width = elementBytes[signature.dataType];
  if (width === 0) throw failure(signature.name, "strings vary in size: state the shape");
  if (sizeBytes % width !== 0) {
    throw failure(
      signature.name,
      `it has ${sizeBytes} bytes: elements of ${signature.dataType} have ${width} each`,
    );
  }
  return solveShape(signature, sizeBytes / width);
}

/** `[batch, 3, 224]` */
export function describeShape(shape: readonly Dimension[]): string {
  return `[${shape.join(", ")}]`;
}

function failure(input: string, what: string): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot use input '${input}' as ${what}`);
}
