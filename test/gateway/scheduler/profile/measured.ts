/** A measured profile for tests: one function on a device that two runs fill. */
import type {
  MeasuredPoint,
  MeasuredProfile,
} from "../../../../gateway/scheduler/profile/measured-profile.ts";

/** @param infer quotas whose figures are inferred. */
export function measured(name = "resnet50", infer: readonly number[] = []): MeasuredProfile {
  const points = [0.5, 1].flatMap((quota) =>
    [1, 2].flatMap((lanes) =>
      [1, 4].map((batch): MeasuredPoint => {
        const runMs = batch === 1 ? 10 : 20;
        const throughput = (1000 / runMs) * batch * quota * (lanes === 1 ? 0.8 : 1);
        const runs = infer.includes(quota) ? 0 : 25;
        const latency = { p50Ms: runMs / quota, p98Ms: (2 * runMs) / quota };
        return { quota, share: lanes / 2, lanes, batch, throughput, ...latency, runs, othersBusy: 0 };
      }),
    ),
  );
  return {
    ...{ function: name, version: 3, digest: "ab".repeat(32), points, notes: [] },
    ...{ device: "Test GPU", class: "0123456789abcdef", measuredAt: "2026-01-01T00:00:00.000Z" },
    ...{ rows: 1, windowMs: 100 },
  };
}
