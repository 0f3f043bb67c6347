/**
 * Look-ups in a profile, also between what was measured. Who may use more of a device can do no less than with a part
 * of it; where the measured throughput falls with more quota or share, or latency rises with more quota, it is noise,
 * and the better of the two figures stands for both. Latency may well rise with the share in space: more runs go at once.
 */
import type { Profile, ProfilePoint } from "./profile.ts";

export interface Estimate {
  /** Calls a second. */
  readonly throughput: number;
  readonly p50Ms: number;
  readonly p98Ms: number;
  /** True where quota, share or batch is outside of what was measured. */
  readonly isExtrapolated: boolean;
}

export interface Wanted {
  readonly quota: number;
  readonly share: number;
  readonly batch: number;
}

export interface ProfileGrid {
  /** Ascending, as are the others. */
  readonly quotas: readonly number[];
  readonly shares: readonly number[];
  readonly batches: readonly number[];
  /** Without the noise; undefined for what is no point of the grid. */
  at(quota: number, share: number, batch: number): ProfilePoint | undefined;
}

export function gridOf({ points }: Profile): ProfileGrid {
  const values = (of: (point: ProfilePoint) => number) => [...new Set(points.map(of))].sort((a, b) => a - b);
  const key = (quota: number, share: number, batch: number) => `${quota} ${share} ${batch}`;
  const smoothed = new Map(
    points.map((point) => [key(point.quota, point.share, point.batch), withoutNoise(point, points)]),
  );
  return {
    quotas: values(({ quota }) => quota),
    shares: values(({ share }) => share),
    batches: values(({ batch }) => batch),
    at: (quota, share, batch) => smoothed.get(key(quota, share, batch)),
  };
}

/**
 * Linear between the nearest points, in batch sizes by their logarithm. Throughput never falls, and latency never rises,
 * with more quota; nor does throughput with a greater share. Below the smallest quota or share throughput falls in
 * proportion and latency rises so; batch sizes outside of the grid count as the nearest in it.
 * @throws RangeError where something wanted is not above 0.
 */
export function lookUp(grid: ProfileGrid, { quota, share, batch }: Wanted): Estimate {
  const q = bracket(grid.quotas, quota, "quota");
  const s = bracket(grid.shares, share, "share in space");
  const b = bracket(grid.batches.map(Math.log2), Math.log2(batch), "batch size");
  let [throughput, p50Ms, p98Ms] = [0, 0, 0];
  for (const [i, weightQ] of q.weights) {
    for (const [j, weightS] of s.weights) {
      for (const [k, weightB] of b.weights) {
        const point = grid.at(grid.quotas[i]!, grid.shares[j]!, grid.batches[k]!)!;
        const weight = weightQ * weightS * weightB;
        throughput += weight * point.throughput;
        p50Ms += weight * point.p50Ms;
        p98Ms += weight * point.p98Ms;
      }
    }
  }
  const part = Math.min(1, quota / grid.quotas[0]!) * Math.min(1, share / grid.shares[0]!);
  return {
    throughput: throughput * part,
    p50Ms: p50Ms / part,
    p98Ms: p98Ms / part,
    isExtrapolated: q.isOutside || s.isOutside || b.isOutside,
  };
}

function withoutNoise(point: ProfilePoint, points: readonly ProfilePoint[]): ProfilePoint {
  const within = points.filter(
    ({ quota, share, batch }) => batch === point.batch && quota <= point.quota && share <= point.share,
  );
  const sameShare = within.filter(({ share }) => share === point.share);
  return {
    ...point,
    throughput: Math.max(...within.map(({ throughput }) => throughput)),
    p50Ms: Math.min(...sameShare.map(({ p50Ms }) => p50Ms)),
    p98Ms: Math.min(...sameShare.map(({ p98Ms }) => p98Ms)),
  };
}

interface Bracket {
  /** Positions of the neighbours and how much each counts. */
  readonly weights: ReadonlyArray<readonly [number, number]>;
  readonly isOutside: boolean;
}

function bracket(values: readonly number[], wanted: number, word: string): Bracket {
  // The logarithm of a batch size below 1 is below 0, that of 0 is −∞.
  if (Number.isNaN(wanted) || wanted === -Infinity || (word !== "batch size" && wanted <= 0)) {
    throw new RangeError(`A ${word} is above 0, not ${wanted}`);
  }
  const above = values.findIndex((value) => value >= wanted);
  if (above < 0) return { weights: [[values.length - 1, 1]], isOutside: true };
  if (values[above] === wanted) return { weights: [[above, 1]], isOutside: false };
  if (above === 0) return { weights: [[0, 1]], isOutside: true };
  const [low, high] = [values[above - 1]!, values[above]!];
  const weight = (wanted - low) / (high - low);
  return {
    weights: [
      [above - 1, 1 - weight],
      [above, weight],
    ],
    isOutside: false,
  };
}
