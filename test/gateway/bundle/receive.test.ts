import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { receiveUpload } from "../../../gateway/bundle/receive.ts";
import { digestOf } from "../../../gateway/store/blobs.ts";
import { openStore } from "../../../gateway/store/store.ts";
import { DawnletError } from "../../../kernels/errors.ts";
import { ownPid, temporaryFolder } from "../store/folders.ts";

const text = (value: string) => new TextEncoder().encode(value);
const limits = { uploadBytes: 20 };

function bodyOf(...pieces: ReadonlyArray<string | Error>): ReadableStream<Uint8Array> {
  let next = 0;
  return new ReadableStream({
    pull(controller) {
      const piece = pieces[next++];
      if (piece === undefined) controller.close();
      else if (piece instanceof Error) controller.error(piece);
      else controller.enqueue(text(piece));
    },
  });
}

describe("receiveUpload()", () => {
  it("stores a body under the digest of its bytes", async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    const digest = digestOf(text("hello world"));
    expect(await receiveUpload({ body: bodyOf("hello ", "", "world") }, store, limits)).toEqual({
      digest,
      sizeBytes: 11,
      path: store.blobs.path(digest),
    });
    expect(await store.blobs.read(digest)).toEqual(text("hello world"));
  });

  it("stops at the limit, tells the sender, and leaves nothing", async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    let cancelled = false;
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 1;
        controller.enqueue(text("0123456789"));
      },
      cancel() {
        cancelled = true;
      },
    });
    await expect(receiveUpload({ body }, store, limits)).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    expect(cancelled).toBe(true);
    expect(sent).toBeLessThan(6);
    expect(await readdir(join(folder.path, "tmp"))).toEqual([]);
    expect(await store.blobs.list()).toEqual([]);
    // Control: exactly the limit.
    const full = bodyOf("0123456789", "0123456789");
    expect((await receiveUpload({ body: full }, store, limits)).sizeBytes).toBe(20);
  });

  it("calls a body truncated that breaks off, and leaves nothing", async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    const body = bodyOf("01234", new Error("socket hang up"));
    await expect(receiveUpload({ body }, store, limits)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("truncated: it broke off after 5 bytes"),
    });
    expect(await readdir(join(folder.path, "tmp"))).toEqual([]);
    expect(await store.blobs.list()).toEqual([]);
  });

  it("refuses an empty body and leaves nothing", async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    await expect(receiveUpload({ body: bodyOf() }, store, limits)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("empty"),
    });
    expect(await store.blobs.list()).toEqual([]);
  });

  it("keeps the code of an error that the body itself names", async () => {
    await using folder = await temporaryFolder();
    await using store = await openStore(folder.path, { pid: ownPid });
    const body = bodyOf("x", new DawnletError("CANCELLED", "The client left"));
    await expect(receiveUpload({ body }, store, limits)).rejects.toMatchObject({ code: "CANCELLED" });
  });
});
