import { expect, test } from "vitest";
import { damagedDigest, KnownDamage, namingDamaged } from "../../../gateway/functions/damage.ts";
import { openStore } from "../../../gateway/store/store.ts";
import { DawnletError } from "../../../kernels/errors.ts";
import { flipBit, ownPid, temporaryFolder } from "../store/folders.ts";

const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute));

test("what was noticed first is shown, until it is intact again; then what is left", () => {
  const damage = new KnownDamage();
  expect(damage.first).toBeUndefined();
  expect(damage.note("a", "it has rotted", at(0))).toBe(true);
  expect(damage.note("a", "it is missing", at(1))).toBe(false);
  expect(damage.note("b", "it is missing", at(2))).toBe(true);
  expect(damage.first).toEqual({ digest: "a", reason: "it has rotted", since: at(0).toISOString() });
  expect(damage.forget(["c"])).toBe(false);
  expect(damage.forget(["c", "a"])).toBe(true);
  expect(damage.first).toEqual({ digest: "b", reason: "it is missing", since: at(2).toISOString() });
  expect(damage.forget(["b"])).toBe(true);
  expect(damage.first).toBeUndefined();
});

test("a store's errors on what is missing or changed name the digest, and the version can be put in front", async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore(folder.path, { pid: ownPid });
  const digest = await store.blobs.put(new TextEncoder().encode("weights"));
  await store.blobs.check(digest);
  await flipBit(store.blobs.path(digest), 3);
  const changed = await store.blobs.check(digest).catch((error: unknown) => error);
  await store.blobs.delete(digest);
  const missing = await store.blobs.read(digest).catch((error: unknown) => error);
  for (const error of [changed, missing]) {
    expect(damagedDigest(error)).toBe(digest);
    expect(namingDamaged({ name: "f", number: 2 }, error)).toMatchObject({
      code: "CORRUPT_DATA",
      message: expect.stringMatching(`^Function 'f' version 2 is damaged: cannot use blob ${digest}`),
    });
  }
});

test("other errors are no damage", () => {
  const details = { digest: "a" };
  for (const error of [
    new DawnletError("UNAVAILABLE", "the disk is busy", { details }),
    new DawnletError("CORRUPT_DATA", "nobody knows where"),
    new Error("no error of ours"),
    undefined,
  ])
    expect(damagedDigest(error)).toBeUndefined();
});

test("what a caller has not found stays as it is", () => {
  const error = new DawnletError("NOT_FOUND", "There is no file 'x' in the bundle", {
    details: { tensor: "t1" },
  });
  expect(namingDamaged({ name: "f", number: 2 }, error)).toBe(error);
});
