/**
 * A profile with what its figures rest on: which version, which adapter, how many runs, how busy the device was with
 * others. Types and the store's record; who measures is gateway/functions/profile.
 *
 * Share in space. WebGPU has no way to give a function a part of a GPU's units. What can be given is the number of its
 * runs that go side by side, each in a lane of its own; how much of the GPU one run fills is the affair of its dispatches.
 * So a share is a number of lanes, divided by the most that paid off on this device: at share 1 more lanes answered no
 * more calls. It bounds how much a function takes, and promises nothing about what others beside it leave.
 */
import * as v from "valibot";
import { type Profile, type ProfilePoint, parseProfile, profileSchema } from "./profile.ts";

export interface MeasuredPoint extends ProfilePoint {
  /** Most runs in flight at a time: the share in space as it was kept. */
  readonly lanes: number;
  /** That the figures rest on; 0 where they were inferred from those with all of the time. */
  readonly runs: number;
  /** Part of the measured time for which the device worked for others, about: 0 to 1. */
  readonly othersBusy: number;
}

export interface MeasuredProfile extends Profile {
  readonly version: number;
  /** Of the version's upload, SHA-256. */
  readonly digest: string;
  /** The device's, see `DeviceSpec`: devices of one class have one profile. */
  readonly class: string;
  /** ISO 8601. */
  readonly measuredAt: string;
  /** Rows of each call; 1 where the function has no batches. */
  readonly rows: number;
  /** A quota holds over any time much longer than this. */
  readonly windowMs: number;
  readonly points: readonly MeasuredPoint[];
  /** What was left out and why, in sentences. */
  readonly notes: readonly string[];
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const recordSchema = v.object({
  ...profileSchema.entries,
  version: count,
  digest: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  class: v.string(),
  measuredAt: v.string(),
  rows: v.pipe(count, v.minValue(1)),
  windowMs: v.pipe(v.number(), v.gtValue(0)),
  points: v.array(
    v.object({
      ...{ quota: v.number(), share: v.number(), batch: v.number() },
      ...{ throughput: v.number(), p50Ms: v.number(), p98Ms: v.number() },
      lanes: v.pipe(count, v.minValue(1)),
      runs: count,
      othersBusy: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
    }),
  ),
  notes: v.array(v.string()),
});

export type MeasuredProfileRecord = v.InferOutput<typeof recordSchema>;

export function toMeasuredRecord(profile: MeasuredProfile): MeasuredProfileRecord {
  const points = profile.points.map((point) => ({ ...point }));
  return { format: 1, ...profile, points, notes: [...profile.notes] };
}

/** @throws TypeError saying what is wrong. */
export function parseMeasuredProfile(value: unknown): MeasuredProfile {
  // What holds for all profiles first: that they are a grid, that figures are figures.
  parseProfile(value);
  const result = v.safeParse(recordSchema, value);
  if (!result.success) {
    const [issue] = result.issues;
    throw new TypeError(`${v.getDotPath(issue) ?? "the profile"}: ${issue.message}`);
  }
  const { format: _, ...profile } = result.output;
  return profile;
}
