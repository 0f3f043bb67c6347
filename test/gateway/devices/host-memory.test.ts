import { expect, test } from "vitest";
import { hostMemoryBytes } from "../../../gateway/devices/host-memory.ts";

const without = async () => Promise.reject(new Error("no such file"));

test("the machine's memory counts where no container limits it", async () => {
  expect(await hostMemoryBytes(1_000, without)).toBe(1_000);
  expect(await hostMemoryBytes(1_000, async () => "max\n")).toBe(1_000);
  expect(await hostMemoryBytes(1_000, async () => "9223372036854771712\n")).toBe(1_000);
});

test("a container's limit counts where it is lower", async () => {
  const limited = async (path: string) => (path.endsWith("memory.max") ? "600\n" : without());
  expect(await hostMemoryBytes(1_000, limited)).toBe(600);
});

test("this machine has some", async () => {
  expect(await hostMemoryBytes()).toBeGreaterThan(2 ** 26);
});
