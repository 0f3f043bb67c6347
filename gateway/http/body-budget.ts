/**
 * How many bytes the bodies of calls hold in the gateway's memory together. What has arrived counts, whatever was
 * announced, until its call has been answered.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { Caller } from "../functions/caller.ts";

/** Of all bytes: as many may the calls of one tenant hold. */
const tenantShare = 1 / 2;

export class BodyBudget {
  readonly #allBytes: number;
  readonly #tenantBytes: number;
  #heldBytes = 0;
  readonly #heldByTenant = new Map<string, number>();

  constructor(allBytes: number) {
    this.#allBytes = allBytes;
    this.#tenantBytes = Math.floor(allBytes * tenantShare);
  }

  /** @throws DawnletError QUEUE_FULL; then nothing was taken. */
  take(caller: Caller | undefined, sizeBytes: number): void {
    if (this.#heldBytes + sizeBytes > this.#allBytes) throw fullError("calls", this.#allBytes);
    if (caller?.type === "tenant") {
      const heldBytes = (this.#heldByTenant.get(caller.name) ?? 0) + sizeBytes;
      if (heldBytes > this.#tenantBytes)
        throw fullError(`calls of tenant '${caller.name}'`, this.#tenantBytes);
      this.#heldByTenant.set(caller.name, heldBytes);
    }
    this.#heldBytes += sizeBytes;
  }

  /** @param caller who has taken them. */
  giveBack(caller: Caller | undefined, sizeBytes: number): void {
    this.#heldBytes -= sizeBytes;
    if (caller?.type !== "tenant") return;
    const heldBytes = (this.#heldByTenant.get(caller.name) ?? 0) - sizeBytes;
    if (heldBytes > 0) this.#heldByTenant.set(caller.name, heldBytes);
    else this.#heldByTenant.delete(caller.name);
  }
}

function fullError(whose: string, limitBytes: number): DawnletError {
  return new DawnletError(
    "QUEUE_FULL",
    `Cannot read the body as those of ${whose} under way take all of the ${limitBytes} bytes that they may: try again`,
  );
}
