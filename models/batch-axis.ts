/**
 * Which axis of a model's inputs and outputs counts independent examples, as far as its signature tells: axis 0 of all,
 * free or fixed at 1. Whether its rows are independent indeed, verification finds out.
 */
import type { TensorSignature } from "../kernels/tensor.ts";
import type { Dimensions } from "./prepare.ts";

export type BatchAxis =
  /** A free dimension that all inputs have at axis 0 and nowhere else. */
  | { readonly type: "free"; readonly dimension: string }
  /** All inputs have 1 at axis 0: the model is made anew for other sizes. */
  | { readonly type: "fixed" }
  | NoBatchAxis;

export interface NoBatchAxis {
  readonly type: "none";
  /** In words, after "as …". */
  readonly reason: string;
}

/** One variant of a model that takes several examples at once. */
export interface BatchOf {
  readonly rows: number;
  /** The name of axis 0; left out where the model fixes it at 1. */
  readonly dimension?: string;
}

export interface TensorSignatures {
  readonly inputs: readonly TensorSignature[];
  readonly outputs: readonly TensorSignature[];
}

export function batchAxisOf({ inputs, outputs }: TensorSignatures): BatchAxis {
  const [first] = inputs;
  if (first === undefined) return none("it takes no inputs");
  for (const [role, tensors] of [["input", inputs] as const, ["output", outputs] as const]) {
    const scalar = tensors.find(({ shape }) => shape.length === 0);
    if (scalar !== undefined) return none(`its ${role} '${scalar.name}' has no axes`);
    const text = tensors.find(({ dataType }) => dataType === "string");
    if (text !== undefined) return none(`its ${role} '${text.name}' is of strings`);
  }
  const axis = first.shape[0]!;
  for (const { name, shape } of inputs) {
    if (shape[0] !== axis)
      return none(`axis 0 is ${axis} in its input '${first.name}' and ${shape[0]} in '${name}'`);
    if (typeof axis === "string" && shape.indexOf(axis, 1) >= 0)
      return none(`axis 0 of its input '${name}', ${axis}, is another axis as well`);
  }
  if (typeof axis === "number" && axis !== 1)
    return none(`axis 0 of its input '${first.name}' is fixed at ${axis}`);
  // The name of an output's axis says little: exporters leave it out, or call it otherwise.
  for (const { name, shape } of outputs) {
    const [size] = shape;
    if (typeof size === "number" && (size !== 1 || typeof axis === "string"))
      return none(`axis 0 of its output '${name}' is fixed at ${size}`);
  }
  return typeof axis === "string" ? { type: "free", dimension: axis } : { type: "fixed" };
}

/** The sizes of a variant for so many rows, from those for any other number. */
export function withRows(dimensions: Dimensions, { dimension, rows }: BatchOf): Dimensions {
  return dimension === undefined ? dimensions : { ...dimensions, [dimension]: rows };
}

function none(reason: string): NoBatchAxis {
  return { type: "none", reason };
}
