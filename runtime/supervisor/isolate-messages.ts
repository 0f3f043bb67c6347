/** The form of what comes from the process of a handler: whatever is not of it ends the process. */
import * as v from "valibot";
import { type DataType, elementBytes } from "../../kernels/tensor.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const name = v.pipe(v.string(), v.maxLength(256));

export const runParams = v.object({
  use: name,
  inputs: v.pipe(
    v.array(
      v.object({
        name,
        dataType: v.picklist(Object.keys(elementBytes) as DataType[]),
        shape: v.pipe(v.array(count), v.maxLength(16)),
        held: v.exactOptional(count),
      }),
    ),
    v.maxLength(256),
  ),
  parameters: v.pipe(
    v.record(name, v.pipe(v.number(), v.finite())),
    v.check((parameters) => Object.keys(parameters).length <= 256, "too many parameters"),
  ),
});

export const heldId = count;
export const heldIds = v.pipe(v.array(count), v.maxLength(1 << 20));
export const fileName = v.pipe(v.string(), v.maxLength(1024));
/** A function's name, or null where the model is an attachment. */
export const modelName = v.nullable(name);
export const deviceNumber = count;

export const note = v.variant("type", [
  v.object({
    type: v.literal("log"),
    level: v.picklist(["debug", "info", "warn", "error"]),
    message: v.string(),
    fields: v.exactOptional(v.record(v.string(), v.unknown())),
  }),
  v.object({ type: v.literal("background"), pending: count }),
]);
export type ParsedNote = v.InferOutput<typeof note>;

/** `data` is for the device's owner to judge. */
export const gpuHeader = v.object({ device: count, data: v.exactOptional(v.unknown()) });
