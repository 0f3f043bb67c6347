/**
 * What a function can do with a part of a device: throughput and latency, measured at each combination of quota (share
 * of GPU time), share in space (of the lanes) and batch size, as FaST-GShare's profiler does (ICPP'23) without batches.
 * Types and the store's record; grid.ts looks things up in it, configurations.ts chooses.
 */
import * as v from "valibot";

export interface ProfilePoint {
  /** Of GPU time, in (0, 1]. */
  readonly quota: number;
  /** Of the lanes, in space, in (0, 1]. */
  readonly share: number;
  /** Calls in a run. */
  readonly batch: number;
  /** Calls a second that were answered under full load. */
  readonly throughput: number;
  readonly p50Ms: number;
  readonly p98Ms: number;
  /** That the figures rest on; 0 where they were inferred from others. Left out: not known. */
  readonly runs?: number;
}

export interface Profile {
  readonly function: string;
  /** The kind of device, as a person knows it. The figures hold for no other. */
  readonly device: string;
  /** Each combination of the quotas, shares and batch sizes that occur, once. */
  readonly points: readonly ProfilePoint[];
}

/** Of the record; one with another is refused. */
const format = 1;

const part = v.pipe(v.number(), v.gtValue(0), v.maxValue(1));
const milliseconds = v.pipe(v.number(), v.finite(), v.minValue(0));

export const profileSchema = v.object({
  format: v.literal(format),
  function: v.pipe(v.string(), v.minLength(1)),
  device: v.string(),
  points: v.pipe(
    v.array(
      v.pipe(
        v.object({
          quota: part,
          share: part,
          batch: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
          throughput: v.pipe(v.number(), v.finite(), v.minValue(0)),
          p50Ms: milliseconds,
          p98Ms: milliseconds,
          runs: v.exactOptional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
        }),
        v.check(({ p50Ms, p98Ms }) => p50Ms <= p98Ms, "the median is above the 98th percentile"),
      ),
    ),
    v.minLength(1),
    v.check(
      (points) => isGrid(points),
      "the points are not every combination of their quotas, shares and batch sizes, once each",
    ),
  ),
});

export type ProfileRecord = v.InferOutput<typeof profileSchema>;

export function toProfileRecord({ function: name, device, points }: Profile): ProfileRecord {
  return { format, function: name, device, points: points.map((point) => ({ ...point })) };
}

/** @throws TypeError saying what is wrong. */
export function parseProfile(value: unknown): Profile {
  const result = v.safeParse(profileSchema, value);
  if (!result.success) {
    const [issue] = result.issues;
    throw new TypeError(`${v.getDotPath(issue) ?? "the profile"}: ${issue.message}`);
  }
  const { function: name, device, points } = result.output;
  return { function: name, device, points };
}

function isGrid(points: readonly ProfilePoint[]): boolean {
  const size = (of: (point: ProfilePoint) => unknown) => new Set(points.map(of)).size;
  const combinations = size(({ quota, share, batch }) => `${quota} ${share} ${batch}`);
  const product = size(({ quota }) => quota) * size(({ share }) => share) * size(({ batch }) => batch);
  return combinations === points.length && product === points.length;
}
