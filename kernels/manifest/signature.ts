/**
 * The face of a WGSL bundle: what a call gives and gets.
 * Types only; how it is read is in manifest.ts, how a call is checked against it in scope.ts.
 */
import type { DataType, TensorSignature } from "../tensor.ts";

/** A scalar that a WGSL bundle takes beside its tensors. Without `default` every call gives it. */
export interface ParameterSignature {
  readonly name: string;
  readonly dataType: Extract<DataType, "float32" | "int32" | "uint32">;
  readonly default?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** Dimensions are numbers, names that the call binds, or expressions such as `2 * n`. */
export interface WgslSignature {
  readonly inputs: readonly TensorSignature[];
  readonly outputs: readonly TensorSignature[];
  readonly parameters: readonly ParameterSignature[];
}
