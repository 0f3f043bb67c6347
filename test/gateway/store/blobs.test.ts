import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { digestOf } from "../../../gateway/store/blobs.ts";
import { openStore } from "../../../gateway/store/store.ts";
import { ownPid, temporaryFolder } from "./folders.ts";

const text = (value: string) => new TextEncoder().encode(value);

async function* chunks(...values: string[]): AsyncGenerator<Uint8Array> {
  for (const value of values) yield text(value);
}

describe("Blobs", () => {
  it("stores bytes under their SHA-256 and gives them back", async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    const digest = await store.blobs.put(text("abc"));
    // From FIPS 180-4's own examples.
    expect(digest).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(await store.blobs.read(digest)).toEqual(text("abc"));
    expect(store.blobs.path(digest)).toBe(join(folder.path, "blobs", "ba", digest));
    expect(await readFile(store.blobs.path(digest), "utf8")).toBe("abc");
    expect(await store.blobs.has(digest)).toBe(true);
    expect(await store.blobs.sizeBytes(digest)).toBe(3);
  });

  it("keeps the data folder from other users", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "new", "data");
    await using store = await openStore(path, { pid: ownPid });
    const digest = await store.blobs.put(text("abc"));
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    expect((await stat(store.blobs.path(digest))).mode & 0o777).toBe(0o400);
  });

  it("gives a stream the digest of the same bytes at once, however they are cut", async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    const pieces = fc.array(fc.uint8Array({ maxLength: 2000 }), { maxLength: 10 });
    const run = async (parts: readonly Uint8Array[]) => {
      const whole = new Uint8Array(parts.flatMap((part) => [...part]));
      const stored = await store.blobs.putStream(from(parts), { limitBytes: whole.byteLength });
      expect(stored).toEqual({
        digest: digestOf(whole),
        sizeBytes: whole.byteLength,
        path: store.blobs.path(digestOf(whole)),
      });
      expect(await store.blobs.read(stored.digest)).toEqual(whole);
    };
    await fc.assert(fc.asyncProperty(pieces, run), { numRuns: 30 });
  });

  it("stops a stream at the limit, asks for no more of it, and leaves nothing", async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    let asked = 0;
    let isClosed = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) {
          asked += 1;
          yield text("0123456789");
        }
      } finally {
        isClosed = true;
      }
    }
    const failing = store.blobs.putStream(endless(), { limitBytes: 25 });
    await expect(failing).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE", message: /25 bytes/ });
    expect(asked).toBe(3);
    expect(isClosed).toBe(true);
    expect(await readdir(join(folder.path, "tmp"))).toEqual([]);
    expect(await store.blobs.list()).toEqual([]);
    // Control: as many bytes as the limit are taken.
    expect((await store.blobs.putStream(chunks("0123456789"), { limitBytes: 10 })).sizeBytes).toBe(10);
  });

  it("passes a stream's own error on and leaves nothing", async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield text("half");
      throw new Error("the line went dead");
    }
    await expect(store.blobs.putStream(broken(), { limitBytes: 100 })).rejects.toThrow("the line went dead");
    expect(await readdir(join(folder.path, "tmp"))).toEqual([]);
    expect(await store.blobs.list()).toEqual([]);
  });

  it("refuses bytes that do not have their digest, and takes them again", async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    const digest = await store.blobs.put(text("weights"));
    for (const damaged of ["weighty", "weight", ""]) {
      await writeFile(store.blobs.path(digest), damaged);
      await expect(store.blobs.read(digest)).rejects.toMatchObject({
        code: "CORRUPT_DATA",
        message: /deploy the function again/,
      });
      await store.blobs.put(text("weights"));
      expect(await store.blobs.read(digest)).toEqual(text("weights"));
    }
  });

  it("does not find what was not stored or was deleted", async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    const digest = digestOf(text("x"));
    expect(await store.blobs.has(digest)).toBe(false);
    await expect(store.blobs.read(digest)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await store.blobs.put(text("x"));
    expect(await store.blobs.has(digest)).toBe(true);
    await store.blobs.delete(digest);
    await store.blobs.delete(digest);
    expect(await store.blobs.has(digest)).toBe(false);
  });

  it.each(["", "../../etc/passwd", "a".repeat(63), "A".repeat(64), `${"a".repeat(64)}/x`, "0".repeat(65)])(
    "takes no path for a digest: %j",
    async (digest) => {
      await using folder = await temporaryFolder();
      await using store = await openStore(folder.path, { pid: ownPid });
      expect(() => store.blobs.path(digest)).toThrow(/64 hex digits/);
      await expect(store.blobs.read(digest)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
      await expect(store.blobs.delete(digest)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    },
  );

  it("stores the same bytes many times at once", async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    const digests = await Promise.all(
      Array.from({ length: 20 }, (_, i) => store.blobs.put(text(`${i % 3}`))),
    );
    expect(new Set(digests).size).toBe(3);
    expect((await store.blobs.list()).length).toBe(3);
    expect(await readdir(join(folder.path, "tmp"))).toEqual([]);
  });
});

describe("Store.collect()", () => {
  it("deletes blobs and programs that nothing reaches, and says how many bytes they had", async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    const kept = await store.blobs.put(text("kept"));
    const keptProgram = await store.programs.put(text('{"kept":1}'));
    const dropped = await store.blobs.put(text("dropped"));
    const droppedProgram = await store.programs.put(text("{}"));
    expect(store.programs.path(keptProgram)).toMatch(/programs\/..\/[0-9a-f]{64}\.json$/);
    expect(await store.collect(new Set([kept, keptProgram]))).toEqual({ blobs: 2, bytes: 9 });
    expect(await store.blobs.list()).toEqual([kept]);
    expect(await store.programs.list()).toEqual([keptProgram]);
    expect(await store.blobs.has(dropped)).toBe(false);
    expect(await store.programs.has(droppedProgram)).toBe(false);
  });

  it("leaves alone what a deploy that is under way has written or found", async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    const found = await store.blobs.put(text("was there before"));
    {
      using _hold = store.hold();
      const written = await store.blobs.put(text("new"));
      const streamed = await store.blobs.putStream(chunks("str", "eam"), { limitBytes: 100 });
      await store.blobs.put(text("was there before"));
      await store.collect(new Set());
      expect(new Set(await store.blobs.list())).toEqual(new Set([found, written, streamed.digest]));
    }
    // Control: once the hold is gone they are as any other.
    expect(await store.collect(new Set())).toEqual({ blobs: 3, bytes: 25 });
  });

  it("never deletes a blob that is put at the same time under a hold", async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    for (let round = 0; round < 10; round++) {
      using _hold = store.hold();
      const values = Array.from({ length: 8 }, (_, i) => text(`blob ${i}`));
      const puts = values.map((value) => store.blobs.put(value));
      const [digests] = await Promise.all([
        Promise.all(puts),
        store.collect(new Set()),
        store.collect(new Set()),
      ]);
      for (const digest of digests) expect(await store.blobs.has(digest)).toBe(true);
    }
    await store.collect(new Set());
    expect(await store.blobs.list()).toEqual([]);
  });
});

async function* from(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}
