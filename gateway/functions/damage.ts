/**
 * Versions whose stored bytes are missing or have changed: which bytes, and how the version is told from its error.
 * A deploy of the same upload writes them again; see `Registry.deploy`. What was noticed is kept in memory only: the
 * disk is the truth, and may be another after a restart.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { Store } from "../store/store.ts";
import type { VersionDamage } from "./functions.ts";
import { compiledVariants, reachableFrom, type VersionRecord } from "./record.ts";

/** What was noticed to be damaged of one version. */
export class KnownDamage {
  readonly #byDigest = new Map<string, VersionDamage>();

  /** What was noticed first and is still so. */
  get first(): VersionDamage | undefined {
    return this.#byDigest.values().next().value;
  }

  /** Keeps what was noticed of that digest before. @returns whether it is new. */
  note(digest: string, reason: string, now: Date): boolean {
    if (this.#byDigest.has(digest)) return false;
    this.#byDigest.set(digest, { reason, digest, since: now.toISOString() });
    return true;
  }

  /** @returns whether any of these were noted. */
  forget(digests: Iterable<string>): boolean {
    let known = false;
    for (const digest of digests) known = this.#byDigest.delete(digest) || known;
    return known;
  }
}

/** Which stored bytes a call failed for; undefined where that is not why it failed. */
export function damagedDigest(error: unknown): string | undefined {
  const digest = isDamage(error) ? error.details?.digest : undefined;
  return typeof digest === "string" ? digest : undefined;
}

/** Digests of what a version needs and the store has not, or with other bytes. Reads all of it. */
export async function findDamage(
  { blobs, programs }: Pick<Store, "blobs" | "programs">,
  record: VersionRecord,
): Promise<ReadonlySet<string>> {
  const variants = record.source.type === "onnx" ? compiledVariants(record.source) : [];
  const compiled = new Set(variants.map(({ program }) => program));
  const damage = new Set<string>();
  for (const digest of new Set(reachableFrom(record))) {
    const folder = compiled.has(digest) ? programs : blobs;
    if (!(await folder.isIntact(digest))) damage.add(digest);
  }
  return damage;
}

/**
 * The record of a damaged version after its upload was deployed again.
 * @param again what that deploy has made.
 * @param damage what is still missing. Variants that were compiled for calls and are damaged are left out: the next
 * such call compiles them.
 */
export function healedRecord(
  old: VersionRecord,
  again: VersionRecord,
  damage: ReadonlySet<string>,
): VersionRecord {
  if (old.source.type !== "onnx" || again.source.type !== "onnx") return { ...old, source: again.source };
  const damaged = new Set<unknown>(
    compiledVariants(old.source).filter(({ program, weights }) =>
      [program, ...weights].some((digest) => damage.has(digest)),
    ),
  );
  const variants = new Map(again.source.variants.map((one) => [sizesOf(one), one]));
  for (const one of old.source.variants) if (!damaged.has(one)) variants.set(sizesOf(one), one);
  const batches = old.source.batches?.filter((one) => !damaged.has(one));
  const source = { ...again.source, variants: [...variants.values()], ...(batches && { batches }) };
  return { ...old, source };
}

function sizesOf({ dimensions }: { readonly dimensions: Readonly<Record<string, number>> }): string {
  return JSON.stringify(Object.entries(dimensions).sort());
}

/** Puts the version in front of what the store or a device said of its bytes. Other errors pass as they are. */
export function namingDamaged(
  version: { readonly name: string; readonly number: number },
  error: unknown,
): unknown {
  if (!isDamage(error)) return error;
  const reason = `${error.message.charAt(0).toLowerCase()}${error.message.slice(1)}`;
  return new DawnletError(
    "CORRUPT_DATA",
    `Function '${version.name}' version ${version.number} is damaged: ${reason}`,
    { cause: error },
  );
}

/** The store names what it misses; other things that are not found are the caller's: a handler's file, a tensor. */
function isDamage(error: unknown): error is DawnletError {
  if (!(error instanceof DawnletError)) return false;
  const { code, details } = error;
  return code === "CORRUPT_DATA" || (code === "NOT_FOUND" && typeof details?.digest === "string");
}
