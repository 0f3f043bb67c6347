/**
 * Names of data types in the Open Inference Protocol, both ways, and in model configurations.
 * BF16 has no counterpart here.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { DataType } from "../../kernels/tensor.ts";

export const openInferenceNames = {
  float32: "FP32",
  float16: "FP16",
  float64: "FP64",
  int8: "INT8",
  int16: "INT16",
  int32: "INT32",
  int64: "INT64",
  uint8: "UINT8",
  uint16: "UINT16",
  uint32: "UINT32",
  uint64: "UINT64",
  bool: "BOOL",
  string: "BYTES",
} as const satisfies Record<DataType, string>;

const dataTypes: ReadonlyMap<string, DataType> = new Map(
  Object.entries(openInferenceNames).map(([dataType, name]) => [name, dataType as DataType]),
);

/** @throws DawnletError INVALID_ARGUMENT listing the names that are known. */
export function parseOpenInferenceName(input: string, name: unknown): DataType {
  const dataType = typeof name === "string" ? dataTypes.get(name) : undefined;
  if (dataType !== undefined) return dataType;
  throw new DawnletError(
    "INVALID_ARGUMENT",
    `Cannot use input '${input}' as its datatype is ${JSON.stringify(name)}: expected one of ${[...dataTypes.keys()].join(", ")}`,
  );
}

/** As in a Triton model configuration: `TYPE_FP32`, `TYPE_STRING`. */
export function configurationName(dataType: DataType): string {
  return dataType === "string" ? "TYPE_STRING" : `TYPE_${openInferenceNames[dataType]}`;
}
