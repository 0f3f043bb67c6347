/** A signature as JSON: in the records of the store, and in the answers that the command line reads. */
import * as v from "valibot";
import { type DataType, elementBytes } from "../../kernels/tensor.ts";

const tensor = v.object({
  name: v.string(),
  dataType: v.picklist(Object.keys(elementBytes) as DataType[]),
  /** Free dimensions have names. */
  shape: v.array(v.union([v.pipe(v.number(), v.safeInteger(), v.minValue(0)), v.string()])),
});

export const signatureSchema = v.object({
  inputs: v.array(tensor),
  outputs: v.array(tensor),
  parameters: v.array(
    v.object({
      name: v.string(),
      dataType: v.picklist(["float32", "int32", "uint32"]),
      default: v.exactOptional(v.number()),
      minimum: v.exactOptional(v.number()),
      maximum: v.exactOptional(v.number()),
    }),
  ),
});
