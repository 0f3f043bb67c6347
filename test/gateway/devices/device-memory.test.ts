import { expect, test } from "vitest";
import { defaultDeviceMemory, type MemoryProbes } from "../../../gateway/devices/device-memory.ts";

const gibibyte = 2 ** 30;
const hostBytes = 64 * gibibyte;

function adapter(vendor: string, device = "", isSoftware = false) {
  const unknown = { architecture: "", description: "", implementation: "dawn", backend: "" };
  return { vendor, device, isSoftware, ...unknown };
}

function probes(nvidia: string | undefined, amd: readonly string[] = []): MemoryProbes {
  return {
    nvidiaMemory: async () => nvidia ?? Promise.reject(new Error("no nvidia-smi")),
    amdMemory: async () => amd,
  };
}

const bytesOf = async (...parameters: Parameters<typeof defaultDeviceMemory>) =>
  (await defaultDeviceMemory(...parameters)).bytes;

test("a software adapter, and one that shares the host's memory, gets a quarter of that", async () => {
  expect(await bytesOf(adapter("google", "SwiftShader", true), hostBytes)).toBe(16 * gibibyte);
  expect(await bytesOf(adapter("apple", "Apple M3"), hostBytes)).toBe(16 * gibibyte);
});

test("a GPU with memory of its own gets most of that", async () => {
  const nvidia = probes("NVIDIA T4, 15360\nNVIDIA H200, 143771\n");
  expect(await bytesOf(adapter("nvidia", "NVIDIA H200"), hostBytes, nvidia)).toBe(
    Math.floor(143_771 * 2 ** 20 * 0.85),
  );
  const amd = probes(undefined, [`${8 * gibibyte}\n`]);
  expect(await bytesOf(adapter("amd", "Radeon"), hostBytes, amd)).toBe(Math.floor(8 * gibibyte * 0.85));
});

test("of GPUs that cannot be told apart it is the smallest one's", async () => {
  const two = probes("NVIDIA T4, 15360\nNVIDIA A2, 16384\n");
  expect(await bytesOf(adapter("nvidia", "another name"), hostBytes, two)).toBe(
    Math.floor(15_360 * 2 ** 20 * 0.85),
  );
});

test.each([
  ["there is no driver to ask", adapter("nvidia"), probes(undefined)],
  ["the driver says something else", adapter("nvidia"), probes("No devices were found\n")],
  ["nothing is known of the vendor", adapter("somebody"), probes(undefined)],
])("where %s, it is a guess that says so", async (_, unknown, none) => {
  const { bytes, from } = await defaultDeviceMemory(unknown, hostBytes, none);
  expect(bytes).toBe(4 * gibibyte);
  expect(from).toContain("--device-memory");
});
