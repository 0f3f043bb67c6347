import { chmod, copyFile, mkdir, rename, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { platform } from "#platform";
import { digestOf } from "../../../gateway/store/blobs.ts";
import { openStore, type Store } from "../../../gateway/store/store.ts";
import { isSealed, sealTimeMs } from "../../../runtime/device/blob-seal.ts";
import { BlobSource } from "../../../runtime/device/blob-source.ts";
import { blobPath } from "../../../runtime/device/protocol.ts";
import type { BlobFile, Platform } from "../../../runtime/platform/platform.ts";
import { flipBit, ownPid, temporaryFolder } from "../../gateway/store/folders.ts";

const weight = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 31 + (i >> 8)) % 256);

/** In place of `toEqual`, which takes seconds for megabytes. */
function isWeight(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes, weight) === 0;
}

interface Bench extends AsyncDisposable {
  readonly store: Store;
  readonly digest: string;
  readonly path: string;
  /** Reads all of the weight as a process does that has just been started. */
  readAfresh(): Promise<Uint8Array>;
  readonly source: BlobSource;
  /** How often a file was hashed so far. */
  readonly hashed: () => number;
}

async function weightInStore(): Promise<Bench> {
  const folder = await temporaryFolder();
  const store = await openStore(folder.path, { pid: ownPid });
  const digest = await store.blobs.put(weight);
  let hashed = 0;
  const counting = (file: BlobFile): BlobFile => ({
    ...file,
    digest: () => {
      hashed++;
      return file.digest();
    },
  });
  const readBlob: Platform["readBlob"] = (path, offset, target, check) =>
    platform.readBlob(path, offset, target, check && ((file) => check(counting(file))));
  const blobs = join(folder.path, "blobs");
  return {
    store,
    digest,
    path: store.blobs.path(digest),
    source: new BlobSource(blobs, readBlob),
    hashed: () => hashed,
    readAfresh: () => readThrough(new BlobSource(otherNameOf(blobs), readBlob), digest),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

let names = 0;
/** Files stay open by name for seconds, in one process: another name of the folder is as good as another process. */
function otherNameOf(folder: string): string {
  return folder + "/.".repeat(++names);
}

async function readThrough(
  source: BlobSource,
  digest: string,
  length = weight.byteLength,
): Promise<Uint8Array> {
  const target = new Uint8Array(length);
  const half = length >> 1;
  await Promise.all([
    source.read(digest, 0, target.subarray(0, half)),
    source.read(digest, half, target.subarray(half)),
  ]);
  return target;
}

const corrupt = (digest: string) => ({
  code: "CORRUPT_DATA",
  details: { digest },
  message: expect.stringMatching(`${digest}.*deploy the function again`),
});

describe("BlobSource", () => {
  it("reads what the store has written without hashing it", async () => {
    await using bench = await weightInStore();
    expect(isWeight(await bench.readAfresh())).toBe(true);
    expect(bench.hashed()).toBe(0);
    expect((await stat(bench.path)).mode & 0o777).toBe(0o400);
  });

  it("refuses a blob of which one bit was flipped, again and again, and hashes it once", async () => {
    await using bench = await weightInStore();
    const at = (byte: number) => flipBit(bench.path, byte);
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: weight.byteLength - 1 }), async (byte) => {
        await at(byte);
        await expect(bench.readAfresh()).rejects.toMatchObject(corrupt(bench.digest));
        await at(byte);
        expect(isWeight(await bench.readAfresh())).toBe(true);
      }),
      { numRuns: 10 },
    );
    await at(5);
    const before = bench.hashed();
    for (let i = 0; i < 3; i++)
      await expect(readThrough(bench.source, bench.digest)).rejects.toMatchObject(corrupt(bench.digest));
    expect(bench.hashed() - before).toBe(1);
  });

  it("takes a damaged blob again once the store has written it again", async () => {
    await using bench = await weightInStore();
    await flipBit(bench.path, 0);
    await expect(readThrough(bench.source, bench.digest)).rejects.toMatchObject(corrupt(bench.digest));
    await bench.store.blobs.put(weight);
    const before = bench.hashed();
    expect(isWeight(await readThrough(bench.source, bench.digest))).toBe(true);
    expect(bench.hashed()).toBe(before);
  });

  it("hashes a copy once and seals it", async () => {
    await using bench = await weightInStore();
    await copyFile(bench.path, `${bench.path}.copy`);
    await rename(`${bench.path}.copy`, bench.path);
    expect(isWeight(await bench.readAfresh())).toBe(true);
    expect(bench.hashed()).toBe(1);
    expect(isWeight(await bench.readAfresh())).toBe(true);
    expect(bench.hashed()).toBe(1);
  });

  it("is not fooled by a copy that keeps times, nor by another blob's file", async () => {
    await using bench = await weightInStore();
    const { atime, mtime } = await stat(bench.path);
    await copyFile(bench.path, `${bench.path}.copy`);
    await flipBit(`${bench.path}.copy`, 7);
    await utimes(`${bench.path}.copy`, atime, mtime);
    await rename(`${bench.path}.copy`, bench.path);
    expect((await stat(bench.path)).mtimeMs).toBe(mtime.getTime());
    await expect(bench.readAfresh()).rejects.toMatchObject(corrupt(bench.digest));

    const other = await bench.store.blobs.put(weight.toReversed());
    await rename(bench.store.blobs.path(other), bench.path);
    await expect(bench.readAfresh()).rejects.toMatchObject(corrupt(bench.digest));
  });

  it("refuses what is missing, shorter, longer or empty", async () => {
    await using bench = await weightInStore();
    const refused = async () => expect(bench.readAfresh()).rejects.toMatchObject(corrupt(bench.digest));
    await chmod(bench.path, 0o600);
    await truncate(bench.path, weight.byteLength - 1);
    await refused();
    await writeFile(bench.path, new Uint8Array([...weight, 0]));
    await refused();
    await writeFile(bench.path, "");
    await refused();
    await rm(bench.path);
    await refused();
    await expect(bench.source.read("../../etc/passwd", 0, new Uint8Array(1))).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    // Control.
    await bench.store.blobs.put(weight);
    expect(isWeight(await bench.readAfresh())).toBe(true);
  });

  it("hashes once a process where the file system takes no seal", async () => {
    await using folder = await temporaryFolder();
    const digest = digestOf(weight);
    await mkdir(join(folder.path, digest.slice(0, 2)));
    await writeFile(blobPath(folder.path, digest), weight);
    let hashed = 0;
    const unsealable: Platform["readBlob"] = (_, offset, target, check) =>
      platform.readBlob(otherNameOf(folder.path) + blobPath("", digest), offset, target, (file) =>
        check!({
          ...file,
          setModified: async () => {},
          digest: () => {
            hashed++;
            return file.digest();
          },
        }),
      );
    const source = new BlobSource(folder.path, unsealable);
    const target = new Uint8Array(weight.byteLength);
    for (let i = 0; i < 3; i++) await source.read(digest, 0, target);
    expect(isWeight(target)).toBe(true);
    expect(hashed).toBe(1);
  });

  it("hashes at a rate that is worth a seal", async () => {
    await using bench = await weightInStore();
    const large = new Uint8Array(64 * 2 ** 20);
    const digest = await bench.store.blobs.put(large);
    const blobs = join(bench.store.folder, "blobs");
    const timed = async () => {
      const startedAt = performance.now();
      await new BlobSource(otherNameOf(blobs), platform.readBlob).read(digest, 0, new Uint8Array(4096));
      return performance.now() - startedAt;
    };
    const sealedMs = await timed();
    await bench.store.blobs.distrust(digest);
    const unsealedMs = await timed();
    console.log(
      `first read of 64 MiB: ${sealedMs.toFixed(2)} ms sealed, ${unsealedMs.toFixed(1)} ms hashed (${(64 / 1.024 / unsealedMs).toFixed(2)} GiB/s)`,
    );
    expect(sealedMs).toBeLessThan(unsealedMs);
  });
});

describe("the seal", () => {
  it("is a whole even second of 2001, another for another digest, size or inode", () => {
    const file = fc.record({ digest: fc.string(), sizeBytes: fc.nat(), inode: fc.nat() });
    fc.assert(
      fc.property(file, ({ digest, sizeBytes, inode }) => {
        const status = { sizeBytes, inode, modifiedMs: 0, changedMs: 0 };
        const time = sealTimeMs(digest, status);
        expect(time % 2000).toBe(0);
        expect(new Date(time).getUTCFullYear()).toBe(2001);
        const sealed = { ...status, modifiedMs: time };
        expect(isSealed(digest, sealed)).toBe(true);
        expect(isSealed(`${digest}0`, sealed)).toBe(false);
        expect(isSealed(digest, { ...sealed, sizeBytes: sizeBytes + 1 })).toBe(false);
        expect(isSealed(digest, { ...sealed, inode: inode + 1 })).toBe(false);
      }),
      { seed: 1 },
    );
  });
});
