import { expect, test } from "vitest";
import { defaultDeviceMemory } from "../../../gateway/devices/device-memory.ts";
import type { GpuMemory } from "../../../runtime/platform/platform.ts";

const gibibyte = 2 ** 30;
const hostBytes = 64 * gibibyte;

function adapter(vendor: string, device = "", isSoftware = false) {
  const unknown = { architecture: "", description: "", implementation: "dawn", backend: "" };
  return { vendor, device, isSoftware, ...unknown };
}

const t4: GpuMemory = { vendor: "nvidia", name: "NVIDIA T4", sizeBytes: 15 * gibibyte };
const h200: GpuMemory = { vendor: "nvidia", name: "NVIDIA H200", sizeBytes: 140 * gibibyte };
const radeon: GpuMemory = { vendor: "amd", name: "", sizeBytes: 8 * gibibyte };
const bytesOf = (...parameters: Parameters<typeof defaultDeviceMemory>) =>
  defaultDeviceMemory(...parameters).bytes;

test("a software adapter, and one that shares the host's memory, gets a quarter of that", () => {
  expect(bytesOf(adapter("google", "SwiftShader", true), hostBytes, [h200])).toBe(16 * gibibyte);
  expect(bytesOf(adapter("apple", "Apple M3"), hostBytes, [])).toBe(16 * gibibyte);
});

test("a GPU with memory of its own gets most of that", () => {
  const all = [t4, h200, radeon];
  expect(bytesOf(adapter("nvidia", "NVIDIA H200"), hostBytes, all)).toBe(Math.floor(140 * gibibyte * 0.85));
  expect(bytesOf(adapter("amd", "Radeon"), hostBytes, all)).toBe(Math.floor(8 * gibibyte * 0.85));
});

test("of GPUs that cannot be told apart it is the smallest one's", () => {
  expect(bytesOf(adapter("nvidia", "another name"), hostBytes, [h200, t4])).toBe(
    Math.floor(15 * gibibyte * 0.85),
  );
});

test("where nobody says anything it is a guess that says so", () => {
  for (const vendor of ["nvidia", "somebody"]) {
    const { bytes, from } = defaultDeviceMemory(adapter(vendor), hostBytes, [radeon]);
    expect(bytes).toBe(4 * gibibyte);
    expect(from).toContain("--device-memory");
  }
});
