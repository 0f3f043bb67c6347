/** What stays in host memory, and what goes when Programs are forgotten. No device. */
import { expect, test } from "vitest";
import type { HostAllocation, HostMemory } from "../../../runtime/device/host-memory.ts";
import { HostTier } from "../../../runtime/device/host-tier.ts";
import { MemoryWeights } from "../../../runtime/device/weights.ts";

const sizeBytes = 100;
const blobs = new Map(["a", "b", "c"].map((digest, i) => [digest, new Uint8Array(sizeBytes).fill(i + 1)]));

function openTier(budgetBytes = 1_000): HostTier {
  return new HostTier({ source: new MemoryWeights(blobs), budgetBytes });
}

/** Reads it as an upload does. */
async function read(tier: HostTier, digest: string): Promise<Uint8Array> {
  const blob = tier.open(digest, sizeBytes);
  const bytes = await blob.read(0, sizeBytes);
  blob.close(true);
  return bytes;
}

test("what a known Program reads a second time is kept", async () => {
  const tier = openTier();
  tier.addReader(["a"]);
  expect(await read(tier, "a")).toEqual(blobs.get("a"));
  // It may well stay on the device.
  expect(tier.bytes).toBe(0);
  expect(await read(tier, "a")).toEqual(blobs.get("a"));
  expect(tier.has("a")).toBe(true);
  expect(tier.bytes).toBe(sizeBytes);
  expect(await read(tier, "a")).toEqual(blobs.get("a"));
});

test("once a Program had to leave the device, what comes is kept at once, until nothing is known any more", async () => {
  const tier = openTier();
  tier.addReader(["a"]);
  tier.noteEviction();
  await read(tier, "a");
  expect(tier.has("a")).toBe(true);
  tier.removeReader(["a"]);
  tier.addReader(["b"]);
  await read(tier, "b");
  expect(tier.has("b")).toBe(false);
});

test("memory that bytes passed through is used again, and never while somebody uses it", async () => {
  const tier = openTier();
  const [first, second] = [tier.open("a", sizeBytes), tier.open("b", sizeBytes)];
  const a = await first.read(0, sizeBytes);
  const b = await second.read(0, sizeBytes);
  expect(b.buffer).not.toBe(a.buffer);
  first.release(a);
  const c = await tier.open("c", sizeBytes).read(0, sizeBytes);
  expect(c.buffer).toBe(a.buffer);
  expect([b, c]).toEqual([blobs.get("b"), blobs.get("c")]);
});

test("what no known Program reads only passes through", async () => {
  const tier = openTier();
  expect(await read(tier, "a")).toEqual(blobs.get("a"));
  expect(tier.bytes).toBe(0);
});

test("a forgotten Program's weights go, but for those that another one reads", async () => {
  const tier = openTier();
  tier.addReader(["a", "b"]);
  tier.addReader(["b", "c"]);
  for (const digest of [...blobs.keys(), ...blobs.keys()]) await read(tier, digest);
  expect(tier.bytes).toBe(3 * sizeBytes);
  tier.removeReader(["a", "b"]);
  expect([...blobs.keys()].filter((digest) => tier.has(digest))).toEqual(["b", "c"]);
  tier.removeReader(["b", "c"]);
  expect(tier.bytes).toBe(0);
});

test("weights of a Program that is forgotten while they are read go when that is done", async () => {
  const tier = openTier();
  tier.addReader(["a"]);
  await read(tier, "a");
  const blob = tier.open("a", sizeBytes);
  const reading = blob.read(0, sizeBytes);
  tier.removeReader(["a"]);
  expect(await reading).toEqual(blobs.get("a"));
  blob.close(true);
  expect(tier.bytes).toBe(0);
});

test("beyond the budget those used longest ago go first", async () => {
  const tier = openTier(2 * sizeBytes);
  tier.addReader(blobs.keys());
  for (const digest of blobs.keys()) await read(tier, digest);
  for (const digest of ["a", "b", "a", "c"]) await read(tier, digest);
  expect([...blobs.keys()].filter((digest) => tier.has(digest))).toEqual(["a", "c"]);
  expect(tier.bytes).toBe(2 * sizeBytes);
});

/** Notes what was freed, by size. */
class NotedMemory implements HostMemory {
  readonly freed: number[] = [];
  isThere: true | Promise<boolean> = true;

  allocate(size: number): HostAllocation {
    return {
      bytes: new Uint8Array(size),
      gpu: undefined,
      seal: () => this.isThere,
      free: () => this.freed.push(size),
    };
  }
}

test("memory is freed when the blob is dropped, and not before the last load that reads from it is done", async () => {
  const tier = openTier();
  const memory = new NotedMemory();
  tier.use(memory);
  tier.addReader(["a"]);
  for (let i = 0; i < 2; i++) await read(tier, "a");
  const [first, second] = [tier.open("a", sizeBytes), tier.open("a", sizeBytes)];
  tier.removeReader(["a"]);
  expect(tier.bytes).toBe(0);
  first.close(true);
  expect(memory.freed).toEqual([]);
  expect(await second.read(0, sizeBytes)).toEqual(blobs.get("a"));
  second.close(false);
  expect(memory.freed).toEqual([sizeBytes]);
});

test("a blob counts as kept only once its memory is known to be there", async () => {
  const tier = openTier();
  const memory = new NotedMemory();
  tier.use(memory);
  tier.addReader(["a", "b"]);
  for (const digest of ["a", "b"]) await read(tier, digest);
  const asked = Promise.withResolvers<boolean>();
  memory.isThere = asked.promise;
  await read(tier, "a");
  expect(tier.has("a")).toBe(false);
  asked.resolve(true);
  await asked.promise;
  expect(tier.has("a")).toBe(true);
  memory.isThere = Promise.resolve(false);
  await read(tier, "b");
  await memory.isThere;
  expect(tier.has("b")).toBe(false);
  expect(memory.freed).toEqual([sizeBytes]);
  expect(tier.bytes).toBe(sizeBytes);
});

test("what is dropped goes, and is kept again when it is read again", async () => {
  const tier = openTier();
  tier.addReader(["a", "b"]);
  tier.noteEviction();
  await read(tier, "a");
  await read(tier, "b");
  tier.drop(["a", "unknown"]);
  expect([tier.has("a"), tier.has("b"), tier.bytes]).toEqual([false, true, sizeBytes]);
  expect(await read(tier, "a")).toEqual(blobs.get("a"));
  expect(tier.has("a")).toBe(true);
});

test("what is dropped while loads use it is theirs until they are done", async () => {
  const tier = openTier();
  const memory = new NotedMemory();
  tier.use(memory);
  tier.addReader(["a", "b"]);
  tier.noteEviction();
  await read(tier, "a");
  const reading = tier.open("a", sizeBytes);
  const coming = tier.open("b", sizeBytes);
  tier.drop(["a", "b"]);
  expect(await reading.read(0, sizeBytes)).toEqual(blobs.get("a"));
  expect(memory.freed).toEqual([]);
  reading.close(true);
  expect(memory.freed).toEqual([sizeBytes]);
  // What was on its way is there when it has come.
  await coming.read(0, sizeBytes);
  coming.close(true);
  expect([tier.has("b"), tier.bytes]).toEqual([true, sizeBytes]);
});
