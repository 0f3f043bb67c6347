/** What holds for several devices together: limits and features that each of them has, and their sums. Pure. */
import type { DeviceDescription, DeviceMemory } from "../../runtime/device/api.ts";
import type { DeviceHealth } from "../../runtime/supervisor/incident.ts";

/** Alignments: the larger they are, the less they allow. */
const smallerIsBetter = /^min/;

/** Of the first, with what all of them can do. @param descriptions at least one. */
export function weakest(descriptions: readonly DeviceDescription[]): DeviceDescription {
  const [first, ...others] = descriptions as [DeviceDescription, ...DeviceDescription[]];
  const features = first.features.filter((one) => others.every((other) => other.features.includes(one)));
  const limits: Record<string, number> = {};
  for (const [name, value] of Object.entries(first.limits)) {
    const values = others.flatMap((other) => other.limits[name] ?? []);
    limits[name] = smallerIsBetter.test(name) ? Math.max(value, ...values) : Math.min(value, ...values);
  }
  const timing = descriptions.every((one) => one.timing === "gpu") ? "gpu" : "wall";
  return { adapter: first.adapter, features, limits, timing };
}

/** Sums, and lists one after another. */
export function allMemory(memories: readonly DeviceMemory[]): DeviceMemory {
  return memories.reduce((all, one) => {
    const sum: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(one)) {
      const before = all[name as keyof DeviceMemory];
      sum[name] = typeof value === "number" ? (before as number) + value : [...(before as []), ...value];
    }
    return sum as unknown as DeviceMemory;
  });
}

/** Counts of all; recoveries of one device after another. */
export function allHealth(healths: readonly DeviceHealth[]): DeviceHealth {
  return healths.reduce((all, one) => ({
    generation: all.generation + one.generation,
    losses: {
      "time-limit": all.losses["time-limit"] + one.losses["time-limit"],
      hang: all.losses.hang + one.losses.hang,
      crash: all.losses.crash + one.losses.crash,
      killed: all.losses.killed + one.losses.killed,
    },
    blamed: all.blamed + one.blamed,
    rerun: all.rerun + one.rerun,
    recoveryMs: [...all.recoveryMs, ...one.recoveryMs],
  }));
}
