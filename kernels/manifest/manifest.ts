/**
 * `function.json` of a WGSL bundle: from unknown JSON to typed data with parsed expressions.
 * It checks the form only. Whether names exist and shaders fit is checked in plan.ts.
 */
import * as v from "valibot";
import { DawnletError } from "../errors.ts";
import type { DataType } from "../tensor.ts";
import { type BundleBatchSettings, bundleBatchSchema } from "./batch-settings.ts";
import { constantExpression, type Expression, parseExpression } from "./expression.ts";
import { describeIssue, mapOf, object } from "./manifest-schema.ts";
import { memorySettingsEntries, type StatedMemorySettings } from "./memory-settings.ts";
import { type ScheduleSettings, scheduleSettingsEntries } from "./schedule-settings.ts";
import type { ParameterSignature } from "./signature.ts";
import { timeLimitSchema } from "./time-limit.ts";

export const manifestFileName = "function.json";

/** Data types whose bytes a shader can see: words, and smaller ones packed into words. */
export const shaderDataTypes = [
  "float32",
  "int32",
  "uint32",
  "float16",
  "int16",
  "uint16",
  "int8",
  "uint8",
] as const satisfies readonly DataType[];

export type ShaderDataType = (typeof shaderDataTypes)[number];

export interface TensorDeclaration {
  readonly type: ShaderDataType;
  readonly shape: readonly Expression[];
}

/** Exactly one of `values` and `file` is there. */
export interface ConstantDeclaration extends TensorDeclaration {
  readonly values?: readonly number[];
  readonly file?: string;
}

export interface KernelDeclaration {
  readonly file: string;
  /** May be left out where the shader has one compute entry point. */
  readonly entryPoint?: string;
  /** Values of `override` declarations by name or numeric id. */
  readonly constants: ReadonlyMap<string, Expression>;
}

/** Values of a struct's members; vectors as arrays. A scalar or vector variable has one member, `value`. */
export type LiteralBlock = ReadonlyMap<string, readonly Expression[]>;

export type ManifestStep =
  | {
      readonly type: "dispatch";
      readonly kernel: string;
      /** By the variable's name in WGSL: a buffer's name, or literals. */
      readonly bind: ReadonlyMap<string, string | LiteralBlock>;
      /** One to three. */
      readonly workgroups: readonly Expression[];
    }
  | { readonly type: "copy"; readonly from: string; readonly to: string }
  | { readonly type: "clear"; readonly buffer: string }
  | { readonly type: "repeat"; readonly count: Expression; readonly steps: readonly ManifestStep[] };

export interface Manifest extends StatedMemorySettings, ScheduleSettings {
  readonly description?: string;
  /** How long one run may take on the device. */
  readonly timeLimitMs?: number;
  /** Which dimension counts rows that are independent, so that several calls can run as one. */
  readonly batch?: BundleBatchSettings;
  readonly inputs: ReadonlyMap<string, TensorDeclaration>;
  readonly outputs: ReadonlyMap<string, TensorDeclaration>;
  readonly temporaries: ReadonlyMap<string, TensorDeclaration>;
  readonly constants: ReadonlyMap<string, ConstantDeclaration>;
  readonly parameters: ReadonlyMap<string, ParameterSignature>;
  readonly kernels: ReadonlyMap<string, KernelDeclaration>;
  readonly steps: readonly ManifestStep[];
}

/** @throws DawnletError INVALID_BUNDLE naming the path in the JSON. */
export function parseManifest(json: unknown): Manifest {
  const result = v.safeParse(manifestSchema, json, { abortPipeEarly: true });
  if (result.success) return result.output;
  throw new DawnletError(
    "INVALID_BUNDLE",
    `Cannot read ${manifestFileName} as ${describeIssue(result.issues[0])}`,
  );
}

/** @throws DawnletError INVALID_BUNDLE when the bytes are no JSON or no manifest. */
export function readManifest(bytes: Uint8Array): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DawnletError("INVALID_BUNDLE", `Cannot read ${manifestFileName} as it is no JSON: ${reason}`);
  }
  return parseManifest(json);
}

const number = v.pipe(v.number(), v.finite("expected a finite number"));

const expression = v.pipe(
  v.union([v.number(), v.string()]),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    try {
      if (typeof dataset.value === "string") return parseExpression(dataset.value);
      return constantExpression(dataset.value);
    } catch (error) {
      if (!(error instanceof DawnletError)) throw error;
      addIssue({ message: error.message });
      return NEVER;
    }
  }),
);

const tensorEntries = {
  type: v.picklist(shaderDataTypes),
  shape: v.pipe(v.array(expression), v.maxLength(8, "a shape has at most 8 dimensions")),
};

const tensor = v.strictObject(tensorEntries);

const constant = v.pipe(
  v.strictObject({
    ...tensorEntries,
    values: v.exactOptional(v.array(number)),
    file: v.exactOptional(v.string()),
  }),
  v.check(
    ({ values, file }) => (values === undefined) !== (file === undefined),
    "give either 'values' or 'file'",
  ),
);

const parameter = v.pipe(
  v.strictObject({
    type: v.picklist(["float32", "int32", "uint32"]),
    default: v.exactOptional(number),
    minimum: v.exactOptional(number),
    maximum: v.exactOptional(number),
  }),
  v.check(
    ({ minimum = -Infinity, maximum = Infinity }) => minimum <= maximum,
    "'minimum' is above 'maximum'",
  ),
);

const kernel = v.strictObject({
  file: v.string(),
  entryPoint: v.exactOptional(v.string()),
  constants: v.optional(mapOfOverrides(), {}),
});

/** Overrides go by name or by number. */
function mapOfOverrides() {
  return v.pipe(
    object,
    v.record(v.string(), expression),
    v.transform((record) => new Map(Object.entries(record))),
  );
}

const literals = mapOf(
  v.pipe(
    v.lazy((value) => (Array.isArray(value) ? v.array(expression) : expression)),
    v.transform((value): readonly Expression[] => (Array.isArray(value) ? value : [value as Expression])),
  ),
);

/** By the type of the value, so that an error speaks of the form that was meant. */
const bindTarget = v.lazy((value) => (typeof value === "object" && value !== null ? literals : v.string()));

const dispatch = v.pipe(
  v.strictObject({
    kernel: v.string(),
    bind: mapOf(bindTarget),
    workgroups: v.pipe(
      v.array(expression),
      v.check((counts) => counts.length >= 1 && counts.length <= 3, "expected one to three workgroup counts"),
    ),
  }),
  v.transform((step): ManifestStep => ({ type: "dispatch", ...step })),
);

const copy = v.pipe(
  v.strictObject({ copy: v.strictObject({ from: v.string(), to: v.string() }) }),
  v.transform(({ copy: { from, to } }): ManifestStep => ({ type: "copy", from, to })),
);

const clear = v.pipe(
  v.strictObject({ clear: v.string() }),
  v.transform((step): ManifestStep => ({ type: "clear", buffer: step.clear })),
);

function hasKey(value: unknown, key: string): boolean {
  return typeof value === "object" && value !== null && Object.hasOwn(value, key);
}

const innerStep = v.lazy((value): v.GenericSchema<unknown, ManifestStep> => {
  if (hasKey(value, "copy")) return copy;
  if (hasKey(value, "clear")) return clear;
  return dispatch;
});

const repeat = v.pipe(
  v.strictObject({
    repeat: expression,
    steps: v.pipe(v.array(innerStep), v.minLength(1, "it has no steps")),
  }),
  v.transform((step): ManifestStep => ({ type: "repeat", count: step.repeat, steps: step.steps })),
);

const step = v.lazy((value) => (hasKey(value, "repeat") ? repeat : innerStep));

const manifestSchema = v.pipe(
  v.strictObject({
    kind: v.literal("wgsl"),
    description: v.exactOptional(v.string()),
    timeLimitMs: v.exactOptional(timeLimitSchema),
    batch: v.exactOptional(bundleBatchSchema),
    ...memorySettingsEntries,
    ...scheduleSettingsEntries,
    inputs: v.optional(mapOf(tensor), {}),
    outputs: mapOf(tensor),
    parameters: v.optional(mapOf(parameter), {}),
    temporaries: v.optional(mapOf(tensor), {}),
    constants: v.optional(mapOf(constant), {}),
    kernels: mapOf(kernel),
    steps: v.pipe(v.array(step), v.minLength(1, "a function has at least one step")),
  }),
  v.transform(({ kind: _, parameters, ...rest }): Manifest => {
    const named = [...parameters].map(([key, { type, ...bounds }]): [string, ParameterSignature] => [
      key,
      { name: key, dataType: type, ...bounds },
    ]);
    return { ...rest, parameters: new Map(named) };
  }),
);
