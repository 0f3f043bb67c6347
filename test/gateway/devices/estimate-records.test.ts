import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DeviceSet } from "../../../gateway/devices/device-set.ts";
import { estimatesPath, keepEstimates } from "../../../gateway/devices/estimate-records.ts";
import { Estimates } from "../../../gateway/devices/estimates.ts";
import { FunctionDevice } from "../../../gateway/devices/function-device.ts";
import type { OwnedProgram } from "../../../gateway/devices/owner.ts";
import { evictionPolicies } from "../../../gateway/scheduler/eviction/policies.ts";
import { diskFiles } from "../../../gateway/store/files.ts";
import { openStore, type Store } from "../../../gateway/store/store.ts";
import { defaultMemorySettings } from "../../../kernels/manifest/memory-settings.ts";
import { FaultyFiles } from "../store/faulty-files.ts";
import { ownPid, temporaryFolder } from "../store/folders.ts";
import { FakeDevice } from "./fake-device.ts";

const adapter = {
  vendor: "nvidia",
  architecture: "hopper",
  device: "H200",
  description: "driver 580",
  isSoftware: false,
  implementation: "dawn",
  backend: "vulkan",
};
const figures = { bytesPerMs: 250, programs: [{ id: "a", loadMs: 12.5, executeMs: 0.75 }] };

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let store: Store;
let file: string;

beforeEach(async () => {
  folder = await temporaryFolder();
  store = await openStore(folder.path, { pid: ownPid });
  file = `${join(folder.path, ...estimatesPath(adapter))}.json`;
});

afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const keep = (estimates: Estimates, options: { everyMs?: number; adapter?: typeof adapter } = {}) =>
  keepEstimates({ records: store.records, estimates, adapter, ...options });

function measure(estimates: Estimates, loadMs: number): void {
  const one = estimates.of("a");
  estimates.loaded("a", one);
  estimates.swappedIn(one, 3_125, loadMs);
  one.executed(0.75);
}

/** What the next gateway starts with. */
async function restored(of = adapter): Promise<Estimates> {
  const estimates = new Estimates();
  await using _ = await keep(estimates, { adapter: of });
  return estimates;
}

describe("keepEstimates()", () => {
  test("gives the next gateway what was measured, and names the adapter to people", async () => {
    const estimates = new Estimates();
    {
      await using _ = await keep(estimates);
      measure(estimates, 12.5);
    }
    expect((await restored()).figures()).toEqual(figures);
    expect(JSON.parse(await readFile(file, "utf8"))).toMatchObject({ adapter: { device: "H200" } });
  });

  test("writes nothing where nothing was measured", async () => {
    await restored();
    await expect(stat(dirname(file))).rejects.toThrow("ENOENT");
  });

  test("keeps the figures of each adapter, driver and implementation apart", async () => {
    {
      const estimates = new Estimates();
      await using _ = await keep(estimates);
      measure(estimates, 12.5);
    }
    for (const other of [{ device: "L4" }, { description: "driver 590" }, { implementation: "wgpu" }])
      expect((await restored({ ...adapter, ...other })).figures()).toEqual({ programs: [] });
    expect((await restored()).figures()).toEqual(figures);
  });

  test("writes from time to time, but not for what moved a little", async () => {
    const estimates = new Estimates();
    const kept = async () => JSON.parse(await readFile(file, "utf8")).programs[0].loadMs as number;
    await using _ = await keep(estimates, { everyMs: 20 });
    measure(estimates, 10);
    await vi.waitFor(async () => expect(await kept()).toBe(10));
    const written = vi.spyOn(store.records, "write");
    estimates.of("a").swappedIn(11);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(written).not.toHaveBeenCalled();
    estimates.of("a").swappedIn(30);
    await vi.waitFor(async () => expect(await kept()).toBeCloseTo(16.21));
    expect(written).toHaveBeenCalledOnce();
  });

  test("writes what moved a little at the end", async () => {
    {
      const estimates = new Estimates();
      await using _ = await keep(estimates);
      measure(estimates, 10);
    }
    {
      const estimates = new Estimates();
      await using _ = await keep(estimates);
      estimates.of("a").swappedIn(10.1);
    }
    expect((await restored()).of("a").loadMs).toBeCloseTo(10.03);
  });

  const damages: readonly (readonly [what: string, text: string])[] = [
    ["was cut short", JSON.stringify({ format: 1, ...figures }).slice(0, 40)],
    ["is empty", ""],
    ["has another format", JSON.stringify({ format: 2, ...figures })],
    ["is of no format", JSON.stringify(figures)],
    ["has a time below zero", '{"format":1,"programs":[{"id":"a","loadMs":-1}]}'],
    ["has a time without end", '{"format":1,"programs":[{"id":"a","loadMs":1e999}]}'],
    ["has a rate of nothing", '{"format":1,"bytesPerMs":0,"programs":[]}'],
    ["has words for numbers", '{"format":1,"programs":[{"id":"a","executeMs":"fast"}]}'],
  ];

  test.each(damages)("ignores a record that %s, and writes it anew", async (_, text) => {
    await mkdir(dirname(file));
    await writeFile(file, text);
    const estimates = new Estimates();
    {
      await using _ = await keep(estimates);
      expect(estimates.figures()).toEqual({ programs: [] });
      // Nobody has to repair it, and garbage is collected as ever.
      expect(store.damage).toEqual([]);
      measure(estimates, 12.5);
    }
    expect((await restored()).figures()).toEqual(figures);
    expect(await readdir(folder.path)).not.toContain("damaged");
  });

  test("takes a record that is whole, whatever else it says", async () => {
    await mkdir(dirname(file));
    await writeFile(file, JSON.stringify({ format: 1, ...figures, more: true }));
    expect((await restored()).figures()).toEqual(figures);
  });

  describe("on a disk that refuses", () => {
    const full = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    let files: FaultyFiles;

    beforeEach(async () => {
      await store[Symbol.asyncDispose]();
      files = new FaultyFiles(diskFiles);
      store = await openStore(folder.path, { pid: ownPid, files });
    });

    test("starts with nothing where it cannot read", async () => {
      await mkdir(dirname(file));
      await writeFile(file, JSON.stringify({ format: 1, ...figures }));
      files.arm({ type: "once", error: full }, 0);
      expect((await restored()).figures()).toEqual({ programs: [] });
      expect((await restored()).figures()).toEqual(figures);
    });

    test("tries again the next time where it cannot write, and ends all the same", async () => {
      const estimates = new Estimates();
      const kept = await keep(estimates, { everyMs: 10 });
      const written = vi.spyOn(store.records, "write");
      files.arm({ type: "once", error: full }, 0);
      measure(estimates, 12.5);
      await vi.waitFor(() => expect(written).toHaveBeenCalledTimes(2));
      await expect(written.mock.results[0]!.value).rejects.toMatchObject({ code: "UNAVAILABLE" });
      await vi.waitFor(() => stat(file));
      estimates.of("a").swappedIn(100);
      files.arm({ type: "once", error: full }, 0);
      await kept[Symbol.asyncDispose]();
      files.disarm();
    });
  });
});

test("a managed device knows after a restart how long a Program takes that has not been swapped in since", async () => {
  const program = (id: string): OwnedProgram => ({
    id,
    weights: [{ digest: `w-${id}`, sizeBytes: 4096 }],
    isDivisible: false,
    options: { writesBeforeReads: true },
    readJson: async () => new Uint8Array(),
  });
  const start = async () => {
    const device = new FakeDevice();
    // Room for one of them.
    const devices = [{ link: device, kind: "gpu", deviceBytes: 8192 }] as const;
    const set = new DeviceSet({ devices, policy: evictionPolicies.cost });
    const { managed } = set.devices[0]!;
    const kept = await keep(managed.estimates);
    const f = new FunctionDevice(set, { name: "f", version: 1, settings: defaultMemorySettings });
    const call = async (id: string, loadMs: number) => {
      const run = f.run(program(id), []);
      device.end(id, undefined, loadMs);
      await run;
    };
    const stop = async () => {
      await kept[Symbol.asyncDispose]();
      await managed.stop();
    };
    return { managed, call, stop };
  };

  const first = await start();
  // The first load of each makes pipelines too and is no measurement.
  for (const [id, loadMs] of [
    ["a", 70],
    ["b", 80],
    ["a", 16],
    ["c", 90],
  ] as const)
    await first.call(id, loadMs);
  expect(first.managed.residency.get("a")!.estimate.loadMs).toBe(16);
  await first.stop();

  const second = await start();
  expect(second.managed.residency.bytesPerMs).toBe(256);
  for (const id of ["c", "a"]) await second.call(id, 75);
  expect(second.managed.residency.get("a")!.estimate.loadMs).toBe(16);
  expect(second.managed.residency.get("c")!.estimate.loadMs).toBeUndefined();
  // What is measured now mixes in.
  for (const id of ["c", "a"]) await second.call(id, 26);
  expect(second.managed.residency.get("a")!.estimate.loadMs).toBeCloseTo(19);
  expect(second.managed.residency.get("c")!.estimate.loadMs).toBe(26);
  await second.stop();
});
