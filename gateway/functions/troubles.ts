/**
 * What versions are marked with when calls of them fail: strikes and quarantine (quarantine.ts), damage of their stored
 * bytes (damage.ts); and how the marks go again.
 */
import { getLogger } from "@logtape/logtape";
import { DawnletError } from "../../kernels/errors.ts";
import { damagedDigest, namingDamaged } from "./damage.ts";
import type { Quarantine } from "./functions.ts";
import { isBlamed, quarantineError, TenantStrikes, tenantQuarantineError } from "./quarantine.ts";
import { reachableFrom, type VersionRecord } from "./record.ts";
import { statusOf, type Version } from "./version.ts";

export interface TroublesOptions {
  /** Of all functions. */
  readonly versions: () => Iterable<Version>;
  /** Stores a version's record. */
  readonly keep: (version: Version) => Promise<void>;
  /** Of those who share the gateway. */
  readonly isTenant: (name: string) => boolean;
  readonly now: () => Date;
}

const log = getLogger(["dawnlet", "functions"]);

export class Troubles {
  readonly #options: TroublesOptions;
  /** Losses that were counted: several calls fail with the one of the process that they were in. */
  readonly #counted = new WeakSet<DawnletError>();

  /** What their functions did together; a deploy does not change it. */
  readonly #tenants = new Map<string, TenantStrikes>();

  constructor(options: TroublesOptions) {
    this.#options = options;
  }

  /** Of the version, or of all functions of its tenant; undefined where it may be called. */
  quarantineOf({ record: { quarantine, tenant } }: Version): Quarantine | undefined {
    return quarantine ?? this.#tenantQuarantine(tenant);
  }

  /** Why it may not be called; undefined where it may. */
  refusalOf({ name, number, record: { quarantine, tenant } }: Version): DawnletError | undefined {
    if (quarantine !== undefined)
      return quarantineError(name, number, quarantine, this.#strikesOf(tenant) !== undefined);
    const ofTenant = this.#tenantQuarantine(tenant);
    return ofTenant && tenantQuarantineError(`call function '${name}'`, tenant!, ofTenant);
  }

  /** @throws DawnletError QUARANTINED. */
  refuse(version: Version): void {
    const refusal = this.refusalOf(version);
    if (refusal !== undefined) throw refusal;
  }

  /** A deploy uses the device too. @param tenant that deploys. @throws DawnletError QUARANTINED. */
  refuseDeploy(name: string, tenant: string | undefined): void {
    const ofTenant = this.#tenantQuarantine(tenant);
    if (ofTenant !== undefined) throw tenantQuarantineError(`deploy function '${name}'`, tenant!, ofTenant);
  }

  /** Notes why a deploy failed: what lost the device on the way is no version, but its tenant's doing. */
  deployFailed(tenant: string | undefined, error: unknown): void {
    for (let cause = error; cause instanceof Error; cause = cause.cause)
      if (isBlamed(cause) && !this.#counted.has(cause)) {
        this.#counted.add(cause);
        this.#strikeTenant(tenant, cause.message);
      }
  }

  /** Notes why a call failed. @returns the error as the caller is to see it. */
  async failed(version: Version, error: unknown): Promise<unknown> {
    if (isBlamed(error)) await this.#strike(version, error);
    // Others that were on the device with the call that gave the third strike are not run again.
    else if (isDeviceLost(error)) {
      const refusal = this.refusalOf(version);
      if (refusal !== undefined) return refusal;
    }
    return this.damaged(version, error);
  }

  /** Notes damage, where that is why a call failed. @returns the error as the caller is to see it. */
  damaged(version: Version, error: unknown): unknown {
    const digest = damagedDigest(error);
    if (error instanceof Error && digest !== undefined) this.#noteDamage(version, digest, error.message);
    return namingDamaged(version, error);
  }

  /** What a check of the stored bytes has found. */
  checked(digest: string, isIntact: boolean): void {
    if (isIntact) {
      this.intact([digest]);
      return;
    }
    const reason = `A check found that stored ${digest} has other bytes: deploy the function again`;
    for (const version of this.#options.versions())
      if (reachableFrom(version.record).includes(digest)) this.#noteDamage(version, digest, reason);
  }

  /** These are stored as they should be. */
  intact(digests: Iterable<string>): void {
    const all = new Set(digests);
    for (const version of this.#options.versions())
      if (version.damage.forget(all)) version.status = statusOf(version);
  }

  /** Ends a quarantine. */
  async lift(version: Version): Promise<void> {
    const { quarantine, ...record } = version.record;
    if (quarantine === undefined) return;
    version.strikes.clear();
    await this.#mark(version, record);
    const { name, number } = version;
    log.info("the quarantine of {name} version {number} is lifted", { name, number });
  }

  /** Ends the quarantine of all functions of a tenant. @returns false where there is none. */
  liftTenant(tenant: string | undefined): boolean {
    if (this.#tenantQuarantine(tenant) === undefined) return false;
    this.#strikesOf(tenant)!.clear();
    log.info("the quarantine of tenant {tenant} is lifted", { tenant });
    return true;
  }

  /** Undefined for the operator. */
  #strikesOf(tenant: string | undefined): TenantStrikes | undefined {
    if (tenant === undefined || !this.#options.isTenant(tenant)) return undefined;
    let strikes = this.#tenants.get(tenant);
    if (strikes === undefined) {
      strikes = new TenantStrikes();
      this.#tenants.set(tenant, strikes);
    }
    return strikes;
  }

  #tenantQuarantine(tenant: string | undefined) {
    return tenant === undefined ? undefined : this.#tenants.get(tenant)?.at(this.#options.now());
  }

  #strikeTenant(tenant: string | undefined, reason: string): void {
    const quarantine = this.#strikesOf(tenant)?.note(reason, this.#options.now());
    if (quarantine !== undefined)
      log.error("all functions of tenant {tenant} are in quarantine", { tenant, ...quarantine });
  }

  #noteDamage(version: Version, digest: string, reason: string): void {
    const { name, number, damage } = version;
    if (!damage.note(digest, reason, this.#options.now())) return;
    version.status = statusOf(version);
    log.error("{name} version {number} is damaged: {reason}", { name, number, reason });
  }

  async #strike(version: Version, error: DawnletError): Promise<void> {
    if (this.#counted.has(error)) return;
    this.#counted.add(error);
    const { message } = error;
    const { name, number, strikes } = version;
    this.#strikeTenant(version.record.tenant, message);
    const quarantine = strikes.note(message, this.#options.now());
    log.warn("{name} version {number} has lost its device: {reason}", { name, number, reason: message });
    if (quarantine === undefined) return;
    log.error("{name} version {number} is in quarantine", { name, number, ...quarantine });
    await this.#mark(version, { ...version.record, quarantine }).catch((cause: unknown) =>
      log.error("the quarantine of {name} cannot be kept: {cause}", { name, cause }),
    );
  }

  /** Holds at once, and after a restart. */
  async #mark(version: Version, record: VersionRecord): Promise<void> {
    version.record = record;
    version.status = statusOf(version);
    await this.#options.keep(version);
  }
}

function isDeviceLost(error: unknown): boolean {
  return error instanceof DawnletError && error.code === "DEVICE_LOST";
}
