/**
 * The versions of all deployed functions, by name: who is there, what the store keeps of them, and which blobs nobody
 * needs any more. Who may change them, and when, registry.ts decides.
 */
import { getLogger } from "@logtape/logtape";
import type { Store } from "../store/store.ts";
import { unknownFunction } from "./name-errors.ts";
import { reachableFrom, type VersionRecord } from "./record.ts";
import { findVersion, type Version } from "./version.ts";

const log = getLogger(["dawnlet", "functions"]);

export class VersionTable {
  readonly #store: Store;
  /** Oldest first; the last one is current. At least one each. */
  readonly #versions = new Map<string, readonly Version[]>();

  constructor(store: Store) {
    this.#store = store;
  }

  get names(): readonly string[] {
    return [...this.#versions.keys()].sort();
  }

  has(name: string): boolean {
    return this.#versions.has(name);
  }

  /** Oldest first; nothing where there is no function of that name. */
  among(name: string): readonly Version[] {
    return this.#versions.get(name) ?? [];
  }

  /** The same. @throws DawnletError NOT_FOUND */
  of(name: string): readonly Version[] {
    const versions = this.#versions.get(name);
    if (versions === undefined) throw unknownFunction(name);
    return versions;
  }

  /** @throws DawnletError NOT_FOUND */
  current(name: string): Version {
    return this.of(name).at(-1)!;
  }

  /** @throws DawnletError NOT_FOUND */
  find(name: string, wanted: string | undefined): Version {
    return findVersion(this.of(name), wanted);
  }

  /** @throws DawnletError NOT_FOUND */
  tenantOf(name: string): string | undefined {
    return this.current(name).record.tenant;
  }

  *all(): Generator<Version> {
    for (const versions of this.#versions.values()) yield* versions;
  }

  isDeployed(version: Version): boolean {
    return this.among(version.name).includes(version);
  }

  set(name: string, versions: readonly Version[]): void {
    this.#versions.set(name, versions);
  }

  replace(version: Version, by: Version): void {
    const { name } = version;
    this.set(
      name,
      this.of(name).map((one) => (one === version ? by : one)),
    );
  }

  delete(name: string): void {
    this.#versions.delete(name);
  }

  /** Writes a version's record, unless it has been removed meanwhile. */
  async keep(version: Version): Promise<void> {
    const { name, number, record } = version;
    if (this.isDeployed(version)) await this.#store.functions.writeVersion(name, number, record);
  }

  /** Writes what a version has changed of its own source: its variants. */
  async save(name: string, number: number, record: VersionRecord): Promise<void> {
    const version = this.among(name).find((one) => one.number === number);
    // Of a version that was removed while one of its variants was compiled; the name may be somebody else's by now.
    if (version?.record.digest !== record.digest || version.record.tenant !== record.tenant) return;
    version.record = { ...version.record, source: record.source };
    await this.#store.functions.writeVersion(name, number, version.record);
  }

  /** Deletes blobs that no version needs. */
  async collect(): Promise<void> {
    // What a deploy has written is held until its version is among these; our own hold keeps those holds past the end
    // of a deploy that finishes meanwhile.
    using _hold = this.#store.hold();
    const reachable = new Set(this.all().flatMap(({ record }) => reachableFrom(record)));
    await this.#store.collect(reachable);
  }

  /** Deletes what a gateway that was killed had begun to store. */
  async sweep(): Promise<void> {
    // Blobs of a record that cannot be read may still be wanted by who repairs it.
    if (this.#store.damage.length > 0) return;
    await this.collect().catch((error: unknown) =>
      log.warn("what earlier deploys have left cannot be deleted: {error}", { error }),
    );
  }
}
