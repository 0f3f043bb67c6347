import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { expect, it } from "vitest";
import { platform } from "#platform";
import { storeFunctions } from "../../../bench/density/functions.ts";
import { openManaged } from "../../../bench/density/managed.ts";
import { measureDensity } from "../../../bench/density/measure.ts";
import type { DensitySettings } from "../../../bench/density/settings.ts";
import { evictionPolicies } from "../../../gateway/scheduler/eviction/policies.ts";
import { openStore } from "../../../gateway/store/store.ts";
import { findAdapter } from "../../../runtime/adapter/find-adapter.ts";
import { onlyUnderNode } from "../../left-out.ts";

const isLeftOut = onlyUnderNode(
  "the density benchmark",
  "what it drives is tested there, and it runs under Node",
);

it.skipIf(isLeftOut)(
  "functions that take turns on a device give the right outputs, and wrong ones would be seen",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "dawnlet-density-test-"));
    try {
      await using store = await openStore(folder, { pid: process.pid });
      const functions = await storeFunctions(store, { count: 4, scale: 1 });
      const weightBytes = functions.reduce((sum, one) => sum + one.weightBytes, 0);
      const setup = { found: await findAdapter(platform), store, functions, weightBytes };
      const options = { policy: evictionPolicies.lru, multiple: 1.2, clockSpeed: 1 };
      await using managed = await openManaged(setup, options);
      expect(await managed.callEach()).toBe(0);
      expect(managed.device.evictions.counts.room).toBeGreaterThan(0);
      const [first, second] = functions[0]!.cases;
      expect(await managed.call(0, first!)).toBe(true);
      expect(await managed.call(0, { ...first!, output: second!.output })).toBe(false);
      expect(await managed.call(1, first!)).toBe(false);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);

it.skipIf(isLeftOut)(
  "a small run gives right outputs at each multiple, and swaps only where there is no room for all",
  async () => {
    const settings: DensitySettings = {
      ...{ policies: ["lru", "cost"], multiples: [1, 1.6], loads: ["skewed"] },
      ...{ functions: 12, scale: 1, seconds: 1, rate: 40, hasOrt: false },
    };
    const { runs, wrong } = await measureDensity(settings, () => {});
    expect(wrong).toBe(0);
    expect(runs.map(({ policy, multiple }) => `${policy} ${multiple}`)).toEqual([
      "lru 1",
      "cost 1",
      "lru 1.6",
      "cost 1.6",
    ]);
    for (const { multiple, calls, failed, hitRate, swapIns } of runs) {
      expect(calls - failed).toBeGreaterThan(10);
      if (multiple === 1) expect({ hitRate, swapIns: swapIns.count }).toEqual({ hitRate: 1, swapIns: 0 });
      else expect(swapIns.bytes).toBeGreaterThan(0);
    }
  },
);

it.skipIf(isLeftOut)(
  "a multiple that leaves no room for twice the largest function is refused with the most that would do",
  async () => {
    const settings: DensitySettings = {
      ...{ policies: ["lru"], multiples: [30], loads: ["skewed"] },
      ...{ functions: 8, scale: 0.25, seconds: 1, rate: 40, hasOrt: false },
    };
    await expect(measureDensity(settings, () => {})).rejects.toThrow(/Cannot run 30x .* 1\.4x is the most/);
  },
);
