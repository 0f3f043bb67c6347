import { expect, test } from "vitest";
import { platform } from "#platform";
import { parseNvidiaSmi } from "../../../runtime/platform/posix-gpu-memory.ts";

test("NVIDIA's tool names its GPUs and their memory", () => {
  expect(parseNvidiaSmi("NVIDIA T4, 15360\nNVIDIA H200, SXM, 143771\n")).toEqual([
    { vendor: "nvidia", name: "NVIDIA T4", sizeBytes: 15_360 * 2 ** 20 },
    { vendor: "nvidia", name: "NVIDIA H200, SXM", sizeBytes: 143_771 * 2 ** 20 },
  ]);
});

test.each(["", "No devices were found\n", "NVIDIA T4, [N/A]\n"])(
  "what it says else is no memory: '%s'",
  (text) => {
    expect(parseNvidiaSmi(text)).toEqual([]);
  },
);

test("asking this machine answers, whatever it has", async () => {
  for (const { sizeBytes } of await platform.gpuMemories()) expect(sizeBytes).toBeGreaterThan(0);
});
