/**
 * Shapes of tensors against shapes that functions take. A named dimension of a signature is free:
 * any size fits. Whether two dimensions of one name agree is for the function to say.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { type Dimension, elementBytes, type TensorSignature } from "../../kernels/tensor.ts";

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
