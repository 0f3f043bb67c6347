/** What the gateway answers to the commands, read from unknown JSON. */
import * as v from "valibot";
import { DawnletError } from "../../kernels/errors.ts";
import { type DataType, elementBytes } from "../../kernels/tensor.ts";
import { signatureSchema } from "../functions/signature-schema.ts";
import { logLevelNames } from "../handlers/function-logs.ts";

const dataType = v.picklist(Object.keys(elementBytes) as DataType[]);

const engine = v.variant("type", [
  v.object({ type: v.literal("program"), maxAbsoluteError: v.exactOptional(v.number()) }),
  v.object({ type: v.literal("fallback"), reason: v.string() }),
  v.object({ type: v.literal("handler") }),
]);

const batching = v.variant("type", [
  v.object({ type: v.literal("untried"), maxRows: v.number() }),
  v.object({
    type: v.literal("proven"),
    maxRows: v.number(),
    sizes: v.exactOptional(v.array(v.number())),
  }),
  v.object({ type: v.literal("none"), reason: v.string() }),
]);

const uses = v.record(v.string(), v.object({ name: v.string(), version: v.exactOptional(v.string()) }));
const names = v.array(v.string());

const version = v.object({
  name: v.string(),
  tenant: v.exactOptional(v.string()),
  version: v.number(),
  digest: v.string(),
  kind: v.string(),
  createdAt: v.string(),
  sizeBytes: v.number(),
  signature: signatureSchema,
  engine,
  batching: v.exactOptional(batching),
  handler: v.exactOptional(v.object({ entry: v.string(), uses, hosts: names, secrets: names })),
  quarantine: v.exactOptional(v.object({ since: v.string(), strikes: v.number(), reason: v.string() })),
  damage: v.exactOptional(v.object({ reason: v.string(), digest: v.string(), since: v.string() })),
  misfits: v.exactOptional(v.array(v.object({ device: v.string(), reason: v.string() }))),
});

const status = v.object({ name: v.string(), current: version, versions: v.array(version) });
const list = v.object({ functions: v.array(status) });
const deployResult = v.object({ function: status, changed: v.boolean() });

/** `FunctionVersion` as it comes over HTTP. */
export type VersionReply = v.InferOutput<typeof version>;
export type StatusReply = v.InferOutput<typeof status>;
export type DeployReply = v.InferOutput<typeof deployResult>;

const secretList = v.object({ secrets: v.array(v.object({ name: v.string(), setAt: v.string() })) });

export const parseSecrets = (value: unknown) => parse(secretList, value).secrets;
export const parseStatus = (value: unknown): StatusReply => parse(status, value);
export const parseVersion = (value: unknown): VersionReply => parse(version, value);
export const parseList = (value: unknown): readonly StatusReply[] => parse(list, value).functions;
export const parseDeployResult = (value: unknown): DeployReply => parse(deployResult, value);

const count = v.number();
const described = v.object({
  steps: v.array(
    v.object({ step: count, type: v.string(), what: v.string(), readBytes: count, writtenBytes: count }),
  ),
  shaders: count,
  pipelines: count,
  features: v.array(v.string()),
  memory: v.object({ weightBytes: count, slotBytes: v.array(count), constantBytes: count }),
  boundBytes: count,
  dispatches: count,
  requirements: v.record(v.string(), count),
  inputs: v.array(v.object({ name: v.string(), dataType, shape: v.array(count) })),
  outputs: v.array(v.object({ name: v.string(), dataType, shape: v.array(count) })),
});

const inspection = v.variant("kind", [
  v.object({
    kind: v.literal("wgsl"),
    description: v.optional(v.string()),
    files: v.array(v.string()),
    programs: v.array(described),
  }),
  v.object({
    kind: v.literal("onnx"),
    modelBytes: count,
    dimensions: v.array(v.string()),
    variants: v.array(
      v.variant("type", [
        v.object({
          type: v.literal("program"),
          dimensions: v.record(v.string(), count),
          maxAbsoluteError: count,
          writesBeforeReads: v.boolean(),
          program: described,
        }),
        v.object({
          type: v.literal("fallback"),
          dimensions: v.record(v.string(), count),
          reason: v.string(),
        }),
      ]),
    ),
  }),
  v.object({
    kind: v.literal("handler"),
    entry: v.string(),
    files: names,
    uses,
    hosts: names,
    secrets: names,
    limits: v.record(v.string(), count),
    instances: count,
    running: count,
    waiting: count,
    starts: count,
    startMs: v.exactOptional(v.number()),
  }),
]);

export type ProgramReply = v.InferOutput<typeof described>;
export type InspectionReply = v.InferOutput<typeof inspection>;
export type HandlerReply = Extract<InspectionReply, { kind: "handler" }>;

export const parseInspection = (value: unknown): InspectionReply =>
  parse(v.object({ program: inspection }), value).program;

const logLine = v.object({
  time: v.string(),
  level: v.picklist(logLevelNames),
  version: count,
  instance: count,
  message: v.string(),
  fields: v.exactOptional(v.record(v.string(), v.unknown())),
});
const logEntry = v.union([logLine, v.object({ lost: count })]);

/** A line of a log, or how many were lost. */
export type LogReply = v.InferOutput<typeof logEntry>;
export const parseLogLine = (value: unknown): LogReply => parse(logEntry, value);

function parse<T>(schema: v.GenericSchema<unknown, T>, value: unknown): T {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const where = v.getDotPath(issue) ?? "the answer";
  throw new DawnletError(
    "UNSUPPORTED",
    `Cannot read the gateway's answer at ${where}: ${issue.message}. Is it another version of Dawnlet?`,
  );
}
