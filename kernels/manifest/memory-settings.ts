/**
 * How a function is kept in device memory: the keys of `function.json` for it, and what a client may set later.
 * What they do is decided by gateway/devices.
 */
import * as v from "valibot";

/** How long a day is, in milliseconds, times 30: longer than that is `pin`. */
const maxKeepAliveMs = 30 * 24 * 3_600_000;
const maxPriority = 1_000;

const keepAlive = v.pipe(
  v.number(),
  v.minValue(0, "expected 0 or more milliseconds"),
  v.maxValue(maxKeepAliveMs, `expected at most ${maxKeepAliveMs} milliseconds`),
);
const priority = v.pipe(
  v.number(),
  v.safeInteger("expected a whole number"),
  v.minValue(-maxPriority, `expected at least ${-maxPriority}`),
  v.maxValue(maxPriority, `expected at most ${maxPriority}`),
);

/** Entries of a manifest's schema. */
export const memorySettingsEntries = {
  pin: v.exactOptional(v.boolean()),
  keepAliveMs: v.exactOptional(keepAlive),
  priority: v.exactOptional(priority),
};

export const memorySettingsSchema = v.object(memorySettingsEntries);

/** What is left out is as `defaultMemorySettings` says. */
export type StatedMemorySettings = v.InferOutput<typeof memorySettingsSchema>;

/** Entries of a change: `null` takes a setting back to what the bundle says. */
export const memorySettingsPatchEntries = {
  pin: v.exactOptional(v.nullable(v.boolean())),
  keepAliveMs: v.exactOptional(v.nullable(keepAlive)),
  priority: v.exactOptional(v.nullable(priority)),
};

export interface MemorySettings {
  /** Loaded at deploy and at start, and never evicted. */
  readonly pin: boolean;
  /** After this long without a call it is evicted, and before it only where nothing else makes room. Null: no limit. */
  readonly keepAliveMs: number | null;
  /** Functions of lower priority are evicted first, of those of one tenant. */
  readonly priority: number;
}

export const defaultMemorySettings: MemorySettings = { pin: false, keepAliveMs: null, priority: 0 };

/** @param stated later ones go before earlier ones. */
export function memorySettings(...stated: readonly (StatedMemorySettings | undefined)[]): MemorySettings {
  return Object.assign({}, defaultMemorySettings, ...stated);
}

/** Only the keys that are settings of memory: a manifest, and what clients have set, have others. */
export function statedMemorySettings(manifest: StatedMemorySettings): StatedMemorySettings {
  const { pin, keepAliveMs, priority } = manifest;
  return {
    ...(pin !== undefined && { pin }),
    ...(keepAliveMs !== undefined && { keepAliveMs }),
    ...(priority !== undefined && { priority }),
  };
}
