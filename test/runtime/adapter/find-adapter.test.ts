import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { platform } from "#platform";
import { type FoundAdapter, findAdapter } from "../../../runtime/adapter/find-adapter.ts";
import type { Platform } from "../../../runtime/platform/platform.ts";

const folder = mkdtempSync(join(tmpdir(), "dawnlet-test-adapter-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** This machine with a cache of its own, and without what `hidden` matches. */
function machine(cache: string, hidden = /^$/): Platform {
  return {
    ...platform,
    environment: (name) => (name === "DAWNLET_ADAPTER" ? undefined : platform.environment(name)),
    files: {
      ...platform.files,
      cacheFolder: () => join(folder, cache),
      stat: async (path) => (hidden.test(path) ? undefined : platform.files.stat(path)),
      list: async (path) => (hidden.test(path) ? [] : platform.files.list(path)),
      packageFolder: (name) => (hidden.test(name) ? undefined : platform.files.packageFolder(name)),
    },
  };
}

const runsSwiftShader = platform.system.name === "linux" && platform.system.architecture === "x64";
if (!runsSwiftShader) console.warn("Left out: tests of SwiftShader from npm, which needs Linux on x64");

describe.runIf(runsSwiftShader)("SwiftShader of @sparticuz/chromium", () => {
  let found: FoundAdapter;
  const withoutChromium = (): Platform => machine("package", /\/chromium\/|\/opt\/|vulkan\/icd\.d/);

  beforeAll(async () => {
    found = await findAdapter(withoutChromium(), { wish: "swiftshader" });
  });

  test("is unpacked, computes, and is known to be software", () => {
    expect(found.name).toBe("SwiftShader of the package '@sparticuz/chromium'");
    expect(found.environment.VK_DRIVER_FILES).toMatch(/swiftshader-[\d.]+\/vk_swiftshader_icd\.json$/);
    expect(found.environment.VK_DRIVER_FILES!.startsWith(join(folder, "package"))).toBe(true);
    expect(found.description.adapter).toMatchObject({
      isSoftware: true,
      implementation: "dawn",
      backend: "default",
    });
    expect(found.description.limits.maxBufferSize).toBeGreaterThan(1e6);
    expect(found.description.features).toContain("core-features-and-limits");
  });

  test("is unpacked once where several processes want it at the same time", async () => {
    const host = machine("race", /\/chromium\/|\/opt\/|vulkan\/icd\.d/);
    const all = await Promise.all([1, 2, 3].map(() => findAdapter(host, { wish: "swiftshader" })));
    expect(new Set(all.map((each) => each.environment.VK_DRIVER_FILES)).size).toBe(1);
    expect(await platform.files.list(join(folder, "race"))).toEqual([
      "adapters.json",
      expect.stringMatching(/^swiftshader-[\d.]+$/),
    ]);
  });

  test("is probed once for each boot, and again when the driver or the boot changes", async () => {
    const host = withoutChromium();
    const spawnProcess = vi.fn(host.spawnProcess);
    const again = await findAdapter({ ...host, spawnProcess }, { wish: "swiftshader" });
    expect(again).toEqual(found);
    expect(spawnProcess).not.toHaveBeenCalled();

    const icd = found.environment.VK_DRIVER_FILES!;
    const content = await platform.files.read(icd);
    writeFileSync(icd, new Uint8Array([...content!, 10]));
    await findAdapter({ ...host, spawnProcess }, { wish: "swiftshader" });
    expect(spawnProcess).toHaveBeenCalledTimes(1);

    const rebooted = { ...host, spawnProcess, files: { ...host.files, bootId: async () => "another" } };
    await findAdapter(rebooted, { wish: "swiftshader" });
    expect(spawnProcess).toHaveBeenCalledTimes(2);
  });
});

test("an installed Chromium's SwiftShader computes", async ({ skip }) => {
  const icd = "/usr/lib/chromium/vk_swiftshader_icd.json";
  if (!existsSync(icd)) skip("needs Chromium in /usr/lib/chromium: apt-get install chromium");
  for (const wish of ["swiftshader", icd]) {
    const found = await findAdapter(machine("chromium"), { wish });
    expect(found.environment).toMatchObject({ VK_DRIVER_FILES: icd, LD_LIBRARY_PATH: "/usr/lib/chromium" });
    expect(found.description.adapter.isSoftware).toBe(true);
  }
});

test("without a wish some adapter is found on this machine", async () => {
  const found = await findAdapter(machine("any"));
  expect(found.description.features.length).toBeGreaterThan(0);
});

test("Dawn's null backend is there for the asking and is called so", async () => {
  const found = await findAdapter(machine("null"), { wish: "null" });
  expect(found.gpuOptions).toEqual({ backend: "null" });
  expect(found.description.adapter.backend).toBe("null");
});

test("no adapter is one error that says what was tried and what to install", async () => {
  const bare = machine("bare", /chromium|\/opt\/|vulkan|\.json$/);
  const error = await findAdapter(bare, { wish: "swiftshader" }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ name: "DawnletError", code: "NO_ADAPTER" });
  const { message } = error as Error;
  expect(message).toContain("Cannot find a WebGPU adapter for 'swiftshader'. Tried:");
  expect(message).toContain("SwiftShader of Chromium: no vk_swiftshader_icd.json in /usr/lib/chromium");
  expect(message).toContain("SwiftShader of the package '@sparticuz/chromium': it is not installed");
  expect(message).toContain("apt-get install chromium");
});

test("a driver that does not load is an outcome with the driver's own words", async () => {
  const icd = join(folder, "broken_icd.json");
  writeFileSync(
    icd,
    JSON.stringify({ file_format_version: "1.0.0", ICD: { library_path: "./no.so", api_version: "1.0" } }),
  );
  const error = await findAdapter(machine("broken"), { wish: icd }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "NO_ADAPTER" });
  expect((error as Error).message).toContain(`- ${icd}: it finds no adapter (`);
});

test("a search that is aborted ends with its process", async () => {
  const search = findAdapter(machine("aborted"), { wish: "null", signal: AbortSignal.timeout(5) });
  await expect(search).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
});
