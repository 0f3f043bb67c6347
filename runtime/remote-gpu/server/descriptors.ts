/**
 * Descriptors of a client, which may be anything, as plain data of known shape. Which values are allowed in them, the
 * device says.
 */
import * as v from "valibot";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const id = count;
const label = v.optional(v.string(), "");

export const bufferSchema = v.object({
  label,
  size: count,
  usage: count,
  mappedAtCreation: v.optional(v.boolean(), false),
});

const bufferLayout = v.object({
  type: v.optional(v.picklist(["uniform", "storage", "read-only-storage"])),
  hasDynamicOffset: v.optional(v.boolean()),
  minBindingSize: v.optional(count),
});

export const bindGroupLayoutSchema = v.object({
  label,
  entries: v.array(v.object({ binding: count, visibility: count, buffer: v.optional(bufferLayout) })),
});

export const pipelineLayoutSchema = v.object({ label, bindGroupLayouts: v.array(v.nullable(id)) });

export const bindGroupSchema = v.object({
  label,
  layout: id,
  entries: v.array(
    v.object({ binding: count, buffer: id, offset: v.optional(count), size: v.optional(count) }),
  ),
});

export const shaderModuleSchema = v.object({ label, code: v.string() });

export const computePipelineSchema = v.object({
  label,
  layout: v.union([v.literal("auto"), id]),
  module: id,
  entryPoint: v.optional(v.string()),
  constants: v.optional(v.record(v.string(), v.number())),
});

export const querySetSchema = v.object({ label, type: v.literal("timestamp"), count });

export const encoderSchema = v.object({
  label,
  encoder: label,
  texts: v.array(v.string()),
  passes: v.array(
    v.object({
      label: v.optional(v.string()),
      timestampWrites: v.optional(
        v.object({
          querySet: id,
          beginningOfPassWriteIndex: v.optional(count),
          endOfPassWriteIndex: v.optional(count),
        }),
      ),
    }),
  ),
});
