import { chmod, open, stat, utimes, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { scrub, scrubRegularly } from "../../../gateway/store/scrub.ts";
import { openStore } from "../../../gateway/store/store.ts";
import { ownPid, temporaryFolder } from "./folders.ts";

const text = (value: string) => new TextEncoder().encode(value);
const unhurried = { bytesPerSecond: Number.POSITIVE_INFINITY };

/** As a disk does that forgets: the bytes change, nothing else. */
async function rot(path: string): Promise<void> {
  const { atime, mtime } = await stat(path);
  await chmod(path, 0o600);
  const file = await open(path, "r+");
  await file.write(text("?"), 0, 1, 0);
  await file.close();
  await utimes(path, atime, mtime);
  await chmod(path, 0o400);
}

describe("scrub()", () => {
  it("finds what has rotted under its seal, breaks the seal, and leaves the others sealed", async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    const digests = await Promise.all(
      ["a", "b", "c"].map((value) => store.blobs.put(text(value.repeat(5000)))),
    );
    const program = await store.programs.put(text('{"steps":[]}'));
    const [damaged = "", ...whole] = digests;
    const sealedAt = (await stat(store.blobs.path(damaged))).mtimeMs;
    await rot(store.blobs.path(damaged));
    await rot(store.programs.path(program));
    expect((await stat(store.blobs.path(damaged))).mtimeMs).toBe(sealedAt);

    const checked = new Map<string, boolean>();
    const onChecked = (digest: string, isIntact: boolean) => void checked.set(digest, isIntact);
    const report = await scrub({ store, ...unhurried, onChecked });
    expect(report).toMatchObject({ blobs: 4, bytes: 15_012 });
    expect(checked).toEqual(
      new Map([...whole.map((digest) => [digest, true] as const), [damaged, false], [program, false]]),
    );
    expect(new Set(report.damaged)).toEqual(new Set([damaged, program]));
    expect(new Date((await stat(store.blobs.path(damaged))).mtimeMs).getFullYear()).toBeGreaterThan(2020);
    for (const digest of whole)
      expect(new Date((await stat(store.blobs.path(digest))).mtimeMs).getUTCFullYear()).toBe(2001);

    await store.blobs.put(text("a".repeat(5000)));
    await store.programs.put(text('{"steps":[]}'));
    expect((await scrub({ store, ...unhurried })).damaged).toEqual([]);
  });

  it("keeps its pace, waits while the gateway is busy, and ends when it is aborted", async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    await store.blobs.put(new Uint8Array(3 * 2 ** 20));
    const startedAt = performance.now();
    const { bytes } = await scrub({ store, bytesPerSecond: 30 * 2 ** 20 });
    expect(bytes).toBe(3 * 2 ** 20);
    expect(performance.now() - startedAt).toBeGreaterThan(95);

    const stop = new AbortController();
    let asked = 0;
    const isBusy = () => {
      if (++asked === 2) stop.abort();
      return true;
    };
    const report = await scrub({ store, ...unhurried, isBusy, signal: stop.signal });
    expect(report).toMatchObject({ blobs: 0, bytes: 2 ** 20, damaged: [] });
    expect(asked).toBe(2);
  });

  it("comes back by itself until it is stopped", async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    const digest = await store.blobs.put(text("weights"));
    await using _scrubbing = scrubRegularly({ store, ...unhurried, firstAfterMs: 1, everyMs: 5 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    const path = store.blobs.path(digest);
    await chmod(path, 0o600);
    await writeFile(path, "weighty");
    await utimes(path, 1e9, 1e9);
    for (let waits = 0; (await stat(path)).mtimeMs === 1e12; waits++) {
      expect(waits).toBeLessThan(200);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });
});
