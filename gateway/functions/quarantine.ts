/**
 * Strikes and quarantine of one version: a function that has lost its device three times is not called any more until
 * somebody says so. Strikes are kept in memory and forgotten after an hour without another; a quarantine is kept in
 * the version's record and never ends by itself. Pure: the time is given.
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

/** True where a call lost its device, and it was its own doing. */
export function isBlamed(error: unknown): error is DawnletError {
  return error instanceof DawnletError && error.details?.isBlamed === true;
}

export function quarantineError(name: string, version: number, quarantine: QuarantineRecord): DawnletError {
  const { strikes, since, reason } = quarantine;
  return new DawnletError(
    "QUARANTINED",
    `Cannot call function '${name}' as version ${version} is in quarantine since ${since}: it lost its device ${strikes} times, at last because: ${reason}. Deploy it again, or lift the quarantine with DELETE /v1/functions/${name}/quarantine`,
  );
}
