/** What the store keeps of a deployed version: enough to serve it again after a restart without ONNX Runtime. */
import * as v from "valibot";
import { memorySettingsSchema } from "../../kernels/manifest/memory-settings.ts";
import { scheduleSettingsSchema } from "../../kernels/manifest/schedule-settings.ts";
import { quarantineSchema } from "./quarantine.ts";
import { signatureSchema } from "./signature-schema.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const digest = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

/** What compiling a model has given. */
const compiledEntries = {
  /** Of the Program's JSON, in the store's programs. */
  program: digest,
  weights: v.array(digest),
  maxAbsoluteError: v.number(),
  /** When it was verified, in milliseconds. */
  slowestRunMs: v.exactOptional(v.number()),
  writesBeforeReads: v.boolean(),
};

/** Sizes of the model's free dimensions. */
const dimensions = v.record(v.string(), count);

const variant = v.variant("type", [
  v.object({ type: v.literal("program"), dimensions, ...compiledEntries }),
  v.object({ type: v.literal("fallback"), dimensions, reason: v.string() }),
]);

/** A variant that takes several examples at once; `dimensions` are those of one. */
const batchVariant = v.variant("type", [
  v.object({ type: v.literal("program"), dimensions, rows: count, ...compiledEntries }),
  v.object({
    type: v.literal("refused"),
    dimensions,
    rows: count,
    reason: v.string(),
    /** What an example gives depends on the others: the model runs with no number of rows. */
    isDependent: v.boolean(),
  }),
]);

const handlerSource = v.object({
  type: v.literal("handler"),
  /** Blobs of the bundle's files by path. */
  files: v.record(v.string(), digest),
  /** The file whose default export answers. */
  entry: v.string(),
  /** Blobs of the one module that the bundle became, and of its source map. */
  code: digest,
  map: digest,
  /** As the manifest states it. */
  uses: v.record(v.string(), v.object({ name: v.string(), version: v.exactOptional(v.string()) })),
  hosts: v.array(v.string()),
  variables: v.record(v.string(), v.unknown()),
  secrets: v.array(v.string()),
  limits: v.record(v.string(), v.number()),
});

const source = v.variant("type", [
  v.object({
    type: v.literal("wgsl"),
    /** Blobs of the bundle's files by path. */
    files: v.record(v.string(), digest),
    /** Blobs of the manifest's constants. */
    weights: v.array(digest),
  }),
  v.object({
    type: v.literal("onnx"),
    model: digest,
    /** Blobs of the files beside the model, by their name in it. */
    files: v.record(v.string(), digest),
    modelBytes: count,
    /** Names of the free dimensions. */
    dimensions: v.array(v.string()),
    variants: v.array(variant),
    /** Left out until load has asked for one. */
    batches: v.exactOptional(v.array(batchVariant)),
  }),
  handlerSource,
]);

const versionRecord = v.object({
  format: v.literal(1),
  digest,
  createdAt: v.string(),
  /** Whose it is; left out where it is the operator's. */
  tenant: v.exactOptional(v.string()),
  sizeBytes: count,
  signature: signatureSchema,
  source,
  /** What the manifest states of how it is kept in device memory. */
  memory: v.exactOptional(memorySettingsSchema),
  /** What the manifest states of when it is to run. */
  schedule: v.exactOptional(scheduleSettingsSchema),
  /** What the manifest states of how long a run may take. */
  timeLimitMs: v.exactOptional(v.number()),
  /** What the manifest states of how calls are joined. */
  batch: v.exactOptional(
    v.union([
      v.literal(false),
      v.object({ dimension: v.exactOptional(v.string()), max: v.exactOptional(count) }),
    ]),
  ),
  /** Left out where the version may be called. */
  quarantine: v.exactOptional(quarantineSchema),
});

export type VersionRecord = v.InferOutput<typeof versionRecord>;
export type WgslSource = Extract<VersionRecord["source"], { type: "wgsl" }>;
export type OnnxSource = Extract<VersionRecord["source"], { type: "onnx" }>;
export type HandlerSource = v.InferOutput<typeof handlerSource>;
export type ModelVariant = v.InferOutput<typeof variant>;
export type BatchVariant = v.InferOutput<typeof batchVariant>;
/** The part of a variant that a Program is opened from. */
export type CompiledVariant = Pick<
  Extract<ModelVariant, { type: "program" }>,
  "program" | "weights" | "maxAbsoluteError" | "slowestRunMs" | "writesBeforeReads"
>;

/** @throws TypeError saying what is wrong. */
export function parseVersionRecord(value: unknown): VersionRecord {
  const result = v.safeParse(versionRecord, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new TypeError(`${v.getDotPath(issue) ?? "the record"}: ${issue.message}`);
}

/** Digests of the blobs and Programs that a version needs. */
export function reachableFrom({ source, digest: upload }: VersionRecord): string[] {
  switch (source.type) {
    case "wgsl":
      return [upload, ...Object.values(source.files), ...source.weights];
    case "onnx":
      return [
        upload,
        source.model,
        ...Object.values(source.files),
        ...compiledVariants(source).flatMap(({ program, weights }) => [program, ...weights]),
      ];
    case "handler":
      return [upload, ...Object.values(source.files), source.code, source.map];
    default:
      return source satisfies never;
  }
}

/** Those of single calls and those of several. */
export function compiledVariants({ variants, batches = [] }: OnnxSource): readonly CompiledVariant[] {
  return [...variants, ...batches].filter((one) => one.type === "program");
}
