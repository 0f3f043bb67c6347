/** Uploads whose bytes do not come, come late, or are not wanted any more. */
import { afterEach, expect, test } from "vitest";
import { DawnletError } from "../../../kernels/errors.ts";
import type { WeightSource } from "../../../runtime/device/api.ts";
import { PinnedMemory } from "../../../runtime/device/host-memory.ts";
import { HostTier } from "../../../runtime/device/host-tier.ts";
import { Ledger } from "../../../runtime/device/ledger.ts";
import { type Upload, Uploader } from "../../../runtime/device/upload.ts";
import { assumedChoice, openUploadPath, type UploadChoice } from "../../../runtime/device/upload-path.ts";
import { testDevice } from "../../gpu.ts";

const blobBytes = 64 * 1024;
const unheard: unknown[] = [];
const listen = (reason: unknown) => unheard.push(reason);

afterEach(() => {
  process.off("unhandledRejection", listen);
  unheard.length = 0;
});

interface Setup {
  readonly uploader: Uploader;
  readonly host: HostTier;
  readonly target: GPUBuffer;
  upload(digests: readonly string[], isWanted?: (digest: string) => boolean): Promise<readonly string[]>;
  content(): Promise<Uint8Array>;
}

async function setUp(source: WeightSource, choice: Partial<UploadChoice> = {}): Promise<Setup> {
  const device = await testDevice();
  const ledger = new Ledger(device, 2 ** 26);
  const host = new HostTier({ source, budgetBytes: 2 ** 24 });
  const chosen = { ...assumedChoice(true), pieceBytes: blobBytes, ...choice };
  if (chosen.isPinned) host.use(new PinnedMemory(device));
  const uploader = new Uploader(device, host, openUploadPath(device, ledger, chosen), chosen);
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  const target = device.createBuffer({ size: 8 * blobBytes, usage });
  return {
    uploader,
    host,
    target,
    async upload(digests, isWanted = () => true) {
      const written: string[] = [];
      const uploads: Upload[] = digests.map((digest, i) => ({
        digest,
        sizeBytes: blobBytes,
        to: target,
        toOffset: i * blobBytes,
        isWanted: () => isWanted(digest),
        onWritten: () => written.push(digest),
      }));
      await uploader.upload(uploads);
      return written;
    },
    async content() {
      const staging = device.createBuffer({
        size: target.size,
        usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
      });
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(target, staging, target.size);
      device.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ);
      const bytes = new Uint8Array(staging.getMappedRange()).slice();
      staging.destroy();
      return bytes;
    },
  };
}

/** Fills with the digest's first letter; `slow…` takes its time, `gone…` is not there. */
const source: WeightSource = {
  async read(digest, _, target) {
    if (digest.startsWith("gone")) throw new DawnletError("NOT_FOUND", `No weight ${digest}`);
    if (digest.startsWith("slow")) await new Promise((resolve) => setTimeout(resolve, 20));
    target.fill(digest.charCodeAt(0));
  },
};

const firstBytes = (content: Uint8Array) =>
  [0, 1, 2].map((i) => String.fromCharCode(content[i * blobBytes]!));

test("a weight that fails while the one before it is still read is an error of the load, heard by nobody else", async () => {
  process.on("unhandledRejection", listen);
  const { upload } = await setUp(source);
  await expect(upload(["slow", "gone", "x"])).rejects.toMatchObject({ code: "CORRUPT_DATA" });
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(unheard).toEqual([]);
});

test.each([
  ["in place", { isInPlace: true }],
  ["each told at once", { isInPlace: false }],
  ["through a ring", { isInPlace: false, path: "ring" }],
  ["from pinned memory", { isInPlace: false, isPinned: true }],
] as const)("what is not wanted any more is left out, and the rest arrives: %s", async (_, choice) => {
  const { upload, content, host } = await setUp(source, choice);
  const digests = ["a", "b", "c"];
  host.addReader(digests);
  // Twice from the store, after which they are kept.
  for (let i = 0; i < 2; i++) {
    expect(await upload(digests)).toEqual(digests);
    expect(firstBytes(await content())).toEqual(["a", "b", "c"]);
  }
  expect(digests.every((digest) => host.has(digest))).toBe(true);
  expect(await upload(["c", "b", "a"], (digest) => digest !== "b")).toEqual(["c", "a"]);
  expect(firstBytes(await content())).toEqual(["c", "b", "a"]);
});

test("weights that are kept in different memories go in one load", async () => {
  const { upload, content, host } = await setUp(source);
  host.addReader(["a", "b", "c"]);
  host.noteEviction();
  await upload(["a"]);
  host.use(new PinnedMemory(await testDevice()));
  await upload(["b"]);
  expect(await upload(["b", "a", "slow"])).toEqual(["b", "a", "slow"]);
  expect(firstBytes(await content())).toEqual(["b", "a", "s"]);
});
