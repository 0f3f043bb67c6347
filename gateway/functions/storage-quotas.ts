/**
 * How much tenants hold in the store, and whether a deploy fits: what their kept versions reach, each blob once a tenant,
 * and the uploads in progress. The operator's own deploys are counted and never refused, and so are variants that calls
 * have compiled later.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { Store } from "../store/store.ts";
import { reachableFrom, type VersionRecord } from "./record.ts";

type Sizes = ReadonlyMap<string, number>;

export interface StorageQuotasOptions {
  readonly store: Pick<Store, "blobs" | "programs">;
  /** By tenant; without a limit where there is none. */
  readonly allowedBytes: ReadonlyMap<string, number>;
  /** Of all versions that are kept. */
  readonly records: () => Iterable<VersionRecord>;
}

export class StorageQuotas {
  readonly #options: StorageQuotasOptions;
  /** By digest. A record is replaced where what it reaches changes, so each blob is looked at once a version. */
  readonly #sizes = new WeakMap<VersionRecord, Sizes>();
  readonly #claims = new Set<StorageClaim>();

  constructor(options: StorageQuotasOptions) {
    this.#options = options;
  }

  /** For one deploy; undefined where its tenant has no limit. */
  async claim(name: string, tenant: string | undefined): Promise<StorageClaim | undefined> {
    const allowedBytes = tenant === undefined ? undefined : this.#options.allowedBytes.get(tenant);
    if (tenant === undefined || allowedBytes === undefined) return undefined;
    await this.measureAll(tenant);
    const usedBytes = sum(this.held(tenant));
    const claim = new StorageClaim(this, { name, tenant, allowedBytes, usedBytes });
    this.#claims.add(claim);
    return claim;
  }

  /** Bytes of other deploys of the same tenant. */
  claimedBeside(claim: StorageClaim): number {
    let claimedBytes = 0;
    for (const other of this.#claims)
      if (other !== claim && other.tenant === claim.tenant) claimedBytes += other.claimedBytes;
    return claimedBytes;
  }

  end(claim: StorageClaim): void {
    this.#claims.delete(claim);
  }

  /** Has all blobs looked at that `held` counts. */
  async measureAll(tenant: string): Promise<void> {
    for (;;) {
      const record = this.#recordsOf(tenant).find((one) => !this.#sizes.has(one));
      if (record === undefined) return;
      await this.measure(record);
    }
  }

  /** What the kept versions of a tenant reach: at once, so that no other deploy ends between this and a claim. */
  held(tenant: string): Sizes {
    return new Map(this.#recordsOf(tenant).flatMap((record) => [...(this.#sizes.get(record) ?? [])]));
  }

  #recordsOf(tenant: string): VersionRecord[] {
    return [...this.#options.records()].filter((record) => record.tenant === tenant);
  }

  async measure(record: VersionRecord): Promise<Sizes> {
    const { blobs, programs } = this.#options.store;
    const sizes = new Map<string, number>();
    // What is missing is damage, and takes no room.
    for (const digest of new Set(reachableFrom(record)))
      sizes.set(digest, (await blobs.sizeBytes(digest)) ?? (await programs.sizeBytes(digest)) ?? 0);
    this.#sizes.set(record, sizes);
    return sizes;
  }
}

interface ClaimOptions {
  /** Of the function. */
  readonly name: string;
  readonly tenant: string;
  readonly allowedBytes: number;
  /** Before the deploy. */
  readonly usedBytes: number;
}

/** What one deploy adds, until its version is among those that are kept or the deploy has failed. */
export class StorageClaim implements Disposable {
  readonly #quotas: StorageQuotas;
  readonly #options: ClaimOptions;
  #claimedBytes = 0;

  constructor(quotas: StorageQuotas, options: ClaimOptions) {
    this.#quotas = quotas;
    this.#options = options;
  }

  get tenant(): string {
    return this.#options.tenant;
  }

  get claimedBytes(): number {
    return this.#claimedBytes;
  }

  /** @param receivedBytes of the upload so far. @throws DawnletError STORAGE_FULL */
  received(receivedBytes: number): void {
    this.#claim(receivedBytes, this.#options.usedBytes);
  }

  /** The version that is to be kept, which may be larger than its upload. @throws DawnletError STORAGE_FULL */
  async keep(record: VersionRecord): Promise<void> {
    const needed = await this.#quotas.measure(record);
    await this.#quotas.measureAll(this.tenant);
    const held = this.#quotas.held(this.tenant);
    let neededBytes = 0;
    for (const [digest, sizeBytes] of needed) if (!held.has(digest)) neededBytes += sizeBytes;
    this.#claim(neededBytes, sum(held));
  }

  #claim(neededBytes: number, keptBytes: number): void {
    this.#claimedBytes = neededBytes;
    const { name, tenant, allowedBytes } = this.#options;
    const usedBytes = keptBytes + this.#quotas.claimedBeside(this);
    if (usedBytes + neededBytes <= allowedBytes) return;
    throw new DawnletError(
      "STORAGE_FULL",
      `Cannot deploy function '${name}' as tenant '${tenant}' uses ${usedBytes} of the ${allowedBytes} bytes that it may store, and ${neededBytes} at least are needed: remove functions`,
      { details: { usedBytes, neededBytes, allowedBytes } },
    );
  }

  [Symbol.dispose](): void {
    this.#quotas.end(this);
  }
}

function sum(sizes: Sizes): number {
  let bytes = 0;
  for (const sizeBytes of sizes.values()) bytes += sizeBytes;
  return bytes;
}
