/**
 * What versions are marked with when calls of them fail: strikes and quarantine (quarantine.ts), damage of their stored
 * bytes (damage.ts); and how the marks go again.
 */
import { getLogger } from "@logtape/logtape";
import { DawnletError } from "../../kernels/errors.ts";
import { damagedDigest, namingDamaged } from "./damage.ts";
import { isBlamed, quarantineError } from "./quarantine.ts";
import { reachableFrom, type VersionRecord } from "./record.ts";
import { statusOf, type Version } from "./version.ts";

export interface TroublesOptions {
  /** Of all functions. */
  readonly versions: () => Iterable<Version>;
  /** Stores a version's record. */
  readonly keep: (version: Version) => Promise<void>;
  readonly now: () => Date;
}

const log = getLogger(["dawnlet", "functions"]);

export class Troubles {
  readonly #options: TroublesOptions;
  /** Losses that were counted: several calls fail with the one of the process that they were in. */
  readonly #counted = new WeakSet<DawnletError>();

  constructor(options: TroublesOptions) {
    this.#options = options;
  }

  /** Notes why a call failed. @returns the error as the caller is to see it. */
  async failed(version: Version, error: unknown): Promise<unknown> {
    const { name, number } = version;
    if (isBlamed(error)) await this.#strike(version, error);
    // Others that were on the device with the call that gave the third strike are not run again.
    else if (isDeviceLost(error) && version.record.quarantine !== undefined)
      return quarantineError(name, number, version.record.quarantine);
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
