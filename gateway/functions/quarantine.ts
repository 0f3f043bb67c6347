/**
 * Strikes and quarantine of one version: a function that has lost its device three times is not called any more until
 * somebody says so. Strikes are kept in memory and forgotten after an hour without another; a quarantine is kept in
 * the version's record and never ends by itself. Of a tenant, what all its functions did counts together as well: six times
 * within an hour, and none of them is called for an hour, which is kept in memory. Pure: the time is given.
 */
import * as v from "valibot";
import { DawnletError } from "../../kernels/errors.ts";

export const quarantineSchema = v.object({
  /** ISO 8601. */
  since: v.string(),
  strikes: v.number(),
  /** What the last strike was. */
  reason: v.string(),
});

export type QuarantineRecord = v.InferOutput<typeof quarantineSchema>;

const strikesToQuarantine = 3;
/** Of a tenant's functions, within `forgottenMs`. */
const tenantStrikesToQuarantine = 6;
const forgottenMs = 60 * 60_000;

export class Strikes {
  #count = 0;
  #lastMs = 0;

  /** @returns the quarantine that follows, where this was one too many. */
  note(reason: string, now: Date): QuarantineRecord | undefined {
    if (this.at(now) === 0) this.#count = 0;
    this.#count++;
    this.#lastMs = now.getTime();
    if (this.#count < strikesToQuarantine) return undefined;
    return { since: now.toISOString(), strikes: this.#count, reason };
  }

  at(now: Date): number {
    return now.getTime() - this.#lastMs > forgottenMs ? 0 : this.#count;
  }

  clear(): void {
    this.#count = 0;
  }
}

/** When it ends by itself as well. */
export interface TenantQuarantine extends QuarantineRecord {
  readonly until: string;
}

/** Of all functions of a tenant, whatever becomes of each of them. */
export class TenantStrikes {
  /** Milliseconds since the epoch, the oldest first. */
  #times: readonly number[] = [];
  #quarantine: TenantQuarantine | undefined;

  /** @returns the quarantine that follows, where this was one too many. */
  note(reason: string, now: Date): TenantQuarantine | undefined {
    const atMs = now.getTime();
    this.#times = [...this.#times.filter((one) => atMs - one < forgottenMs), atMs];
    const strikes = this.#times.length;
    if (strikes < tenantStrikesToQuarantine || this.at(now) !== undefined) return undefined;
    const until = new Date(atMs + forgottenMs).toISOString();
    this.#quarantine = { since: now.toISOString(), strikes, reason, until };
    return this.#quarantine;
  }

  /** The quarantine that is in force. */
  at(now: Date): TenantQuarantine | undefined {
    if (this.#quarantine !== undefined && now.getTime() >= Date.parse(this.#quarantine.until)) this.clear();
    return this.#quarantine;
  }

  clear(): void {
    this.#times = [];
    this.#quarantine = undefined;
  }
}

/** True where a call lost its device, and it was its own doing. */
export function isBlamed(error: unknown): error is DawnletError {
  return error instanceof DawnletError && error.details?.isBlamed === true;
}

/** @param isTenants whose quarantine the operator lifts. */
export function quarantineError(
  name: string,
  version: number,
  quarantine: QuarantineRecord,
  isTenants = false,
): DawnletError {
  const { strikes, since, reason } = quarantine;
  const how = isTenants
    ? `Deploy it with other bytes, or ask the operator to lift the quarantine`
    : `Deploy it again, or lift the quarantine with DELETE /v1/functions/${name}/quarantine`;
  return new DawnletError(
    "QUARANTINED",
    `Cannot call function '${name}' as version ${version} is in quarantine since ${since}: it lost its device ${strikes} times, at last because: ${reason}. ${how}`,
  );
}

/** @param what that cannot be done: "call function 'x'". */
export function tenantQuarantineError(
  what: string,
  tenant: string,
  { strikes, since, until, reason }: TenantQuarantine,
): DawnletError {
  return new DawnletError(
    "QUARANTINED",
    `Cannot ${what} as all functions of tenant '${tenant}' are in quarantine since ${since}, until ${until}: they lost their device ${strikes} times, at last because: ${reason}. The operator can lift the quarantine`,
  );
}
