/** What the probing process is asked and what it answers, read from unknown data. */
import * as v from "valibot";
import { DawnletError } from "../../kernels/errors.ts";
import type { AdapterDescription } from "../device/api.ts";
import type { GpuOptions } from "../platform/platform.ts";

/** The part of `GpuOptions` that decides which adapter is opened. */
export type ProbeParams = Pick<GpuOptions, "implementation" | "backend" | "adapter">;

const paramsSchema = v.object({
  implementation: v.optional(v.picklist(["dawn", "native"])),
  backend: v.optional(v.literal("null")),
  adapter: v.optional(v.string()),
});

const descriptionSchema = v.object({
  adapter: v.object({
    vendor: v.string(),
    architecture: v.string(),
    device: v.string(),
    description: v.string(),
    isSoftware: v.boolean(),
    implementation: v.string(),
    backend: v.string(),
  }),
  features: v.array(v.string()),
  limits: v.record(v.string(), v.number()),
});

export function parseProbeParams(params: unknown): ProbeParams {
  const parsed = v.safeParse(paramsSchema, params);
  if (!parsed.success)
    throw new DawnletError("INVALID_ARGUMENT", "Cannot probe an adapter: the request is malformed");
  return parsed.output;
}

/** @returns undefined where the data is no description. */
export function parseDescription(data: unknown): AdapterDescription | undefined {
  const parsed = v.safeParse(descriptionSchema, data);
  return parsed.success ? parsed.output : undefined;
}
