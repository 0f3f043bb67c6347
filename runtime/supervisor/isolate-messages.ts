/** The form of what comes from the process of a handler: whatever is not of it ends the process. */
import * as v from "valibot";
import { type DataType, elementBytes } from "../../kernels/tensor.ts";
import { maxLogCharacters } from "../isolate/protocol.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const name = v.pipe(v.string(), v.maxLength(256));

/** Its length is looked at before its items are. */
function shortArray<Item extends v.GenericSchema>(item: Item, most: number) {
  const isShort = (value: unknown): boolean => Array.isArray(value) && value.length <= most;
  return v.pipe(v.custom<unknown[]>(isShort, `expected an array of at most ${most}`), v.array(item));
}

export const runParams = v.object({
  use: name,
  inputs: shortArray(
    v.object({
      name,
      dataType: v.picklist(Object.keys(elementBytes) as DataType[]),
      shape: shortArray(count, 16),
      held: v.exactOptional(count),
    }),
    256,
  ),
  parameters: v.pipe(
    v.custom<object>(
      (value) => typeof value === "object" && value !== null && Object.keys(value).length <= 256,
      "expected at most 256 parameters",
    ),
    v.record(name, v.pipe(v.number(), v.finite())),
  ),
});

export const heldId = count;
export const heldIds = shortArray(count, 1 << 16);
export const fileName = v.pipe(v.string(), v.maxLength(1024));
/** A function's name, or null where the model is an attachment. */
export const modelName = v.nullable(name);
export const deviceNumber = count;

export const note = v.variant("type", [
  v.object({
    type: v.literal("log"),
    level: v.picklist(["debug", "info", "warn", "error"]),
    // Those of an isolate that keeps to the protocol are cut.
    message: v.pipe(v.string(), v.maxLength(maxLogCharacters + 1)),
    fields: v.exactOptional(v.custom<Readonly<Record<string, unknown>>>(areSmallFields)),
  }),
  v.object({ type: v.literal("background"), pending: count }),
]);
export type ParsedNote = v.InferOutput<typeof note>;

/** `data` is for the device's owner to judge. */
export const gpuHeader = v.object({ device: count, data: v.exactOptional(v.unknown()) });

/** Whoever writes the log makes text of them again: no more than a line has, and no deeper than a stack takes. */
function areSmallFields(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  let characters = 0;
  const isSmall = (part: unknown, depth: number): boolean => {
    characters += typeof part === "string" ? part.length + 2 : 5;
    if (characters > 2 * maxLogCharacters || depth > 32) return false;
    if (typeof part !== "object" || part === null) return true;
    if (Array.isArray(part)) return part.every((item) => isSmall(item, depth + 1));
    return Object.entries(part).every(([key, item]) => {
      characters += key.length;
      return isSmall(item, depth + 1);
    });
  };
  return isSmall(value, 0);
}
