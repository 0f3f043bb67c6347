/** `function.json` of an ONNX bundle: which variants to compile at deploy, how long a run may take, how calls are joined. */
import * as v from "valibot";
import { DawnletError } from "../../kernels/errors.ts";
import { type ModelBatchSettings, modelBatchSchema } from "../../kernels/manifest/batch-settings.ts";
import {
  memorySettingsEntries,
  type StatedMemorySettings,
  statedMemorySettings,
} from "../../kernels/manifest/memory-settings.ts";
import {
  modelScheduleSettingsEntries,
  type ScheduleSettings,
  statedScheduleSettings,
} from "../../kernels/manifest/schedule-settings.ts";
import { timeLimitSchema } from "../../kernels/manifest/time-limit.ts";

const schema = v.strictObject({
  kind: v.literal("onnx"),
  description: v.exactOptional(v.string()),
  /** Path of the model in the bundle; read where the bundle is opened. */
  model: v.exactOptional(v.string()),
  timeLimitMs: v.exactOptional(timeLimitSchema),
  batch: v.exactOptional(modelBatchSchema),
  ...memorySettingsEntries,
  ...modelScheduleSettingsEntries,
  /** Sizes of the free dimensions, one object a variant. Others are compiled when a call first needs them. */
  variants: v.exactOptional(
    v.array(v.record(v.string(), v.pipe(v.number(), v.safeInteger(), v.minValue(1)))),
  ),
});

export interface ModelManifest {
  readonly variants: ReadonlyArray<Readonly<Record<string, number>>>;
  readonly timeLimitMs?: number;
  readonly batch?: ModelBatchSettings;
  readonly memory: StatedMemorySettings;
  readonly schedule?: ScheduleSettings;
}

/** @throws DawnletError INVALID_BUNDLE naming the path. */
export function readModelManifest(json: unknown): ModelManifest {
  if (json === undefined) return { variants: [], memory: {} };
  const result = v.safeParse(schema, json);
  if (result.success) {
    const { variants = [], timeLimitMs, batch } = result.output;
    const memory = statedMemorySettings(result.output);
    const schedule = statedScheduleSettings(result.output);
    return {
      variants,
      memory,
      ...(schedule && { schedule }),
      ...(timeLimitMs !== undefined && { timeLimitMs }),
      ...(batch !== undefined && { batch }),
    };
  }
  const [issue] = result.issues;
  throw new DawnletError(
    "INVALID_BUNDLE",
    `Cannot read function.json: ${v.getDotPath(issue) ?? "(root)"}: ${issue.message}`,
  );
}
