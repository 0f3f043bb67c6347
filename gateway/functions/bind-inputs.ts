/**
 * The inputs of a call against a signature: names, data types, ranks, sizes. Finds the sizes of free dimensions and
 * requires that one name means one size everywhere.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { type Tensor, type TensorSignature, tensorBytes } from "../../kernels/tensor.ts";
import { type CallTensor, sizeBytesOf } from "../devices/call-tensor.ts";

export interface BoundInputs<T extends CallTensor = Tensor> {
  /** By position in the signature. */
  readonly tensors: readonly T[];
  /** Sizes of the free dimensions that the inputs show. */
  readonly dimensions: Readonly<Record<string, number>>;
}

/** @throws DawnletError INVALID_ARGUMENT naming the input. */
export function bindInputs<T extends CallTensor>(
  signature: readonly TensorSignature[],
  inputs: Readonly<Record<string, T>>,
): BoundInputs<T> {
  for (const name of Object.keys(inputs)) {
    if (!signature.some((input) => input.name === name))
      throw invalid(`there is no input '${name}': it takes ${namesOf(signature)}`);
  }
  const dimensions: Record<string, number> = {};
  const givenBy = new Map<string, string>();
  const tensors = signature.map(({ name, dataType, shape }) => {
    const tensor = Object.hasOwn(inputs, name) ? inputs[name] : undefined;
    if (tensor === undefined) throw invalid(`input '${name}' is missing: it takes ${namesOf(signature)}`);
    if (tensor.dataType !== dataType)
      throw invalid(`input '${name}' is ${tensor.dataType}: expected ${dataType}`);
    if (tensor.shape.length !== shape.length)
      throw invalid(
        `input '${name}' has shape [${tensor.shape}]: expected ${shape.length} dimensions, [${shape}]`,
      );
    for (const [axis, expected] of shape.entries()) {
      const actual = tensor.shape[axis]!;
      if (typeof expected === "number") {
        if (actual !== expected)
          throw invalid(`input '${name}' has shape [${tensor.shape}]: expected [${shape}]`);
        continue;
      }
      const known = Object.hasOwn(dimensions, expected) ? dimensions[expected] : undefined;
      if (known !== undefined && known !== actual)
        throw invalid(
          `dimension '${expected}' is ${known} in input '${givenBy.get(expected)}' and ${actual} in input '${name}'`,
        );
      if (known !== undefined) continue;
      dimensions[expected] = actual;
      givenBy.set(expected, name);
    }
    if (dataType !== "string" && sizeBytesOf(tensor) !== tensorBytes(dataType, tensor.shape))
      throw invalid(
        `input '${name}' has ${sizeBytesOf(tensor)} bytes: expected ${tensorBytes(dataType, tensor.shape)} for ${dataType}[${tensor.shape}]`,
      );
    return tensor;
  });
  return { tensors, dimensions };
}

function namesOf(signature: readonly TensorSignature[]): string {
  return signature.length === 0 ? "no inputs" : signature.map(({ name }) => `'${name}'`).join(", ");
}

function invalid(why: string): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot call the function as ${why}`);
}
