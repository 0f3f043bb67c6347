/**
 * Weights from the store's folder, as a device process reads them: never a byte of a blob that does not have its
 * digest. A sealed file is trusted as it is (see blob-seal.ts): hashing would cost a cold start more than its upload.
 * Any other (copied, restored, written to) is hashed once, then sealed or refused. Opens no file itself.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { BlobFile, Platform } from "../platform/platform.ts";
import type { WeightSource } from "./api.ts";
import { type BlobStatus, isSealed, isUntouched, sealTimeMs } from "./blob-seal.ts";
import { blobPath } from "./protocol.ts";

/** What hashing a file gave, where no seal could be left on it. */
interface Verdict {
  readonly status: BlobStatus;
  readonly isRight: boolean;
}

export class BlobSource implements WeightSource {
  readonly #folder: string;
  readonly #readBlob: Platform["readBlob"];
  readonly #verdicts = new Map<string, Verdict>();

  /** @param folder laid out as `blobPath` says. */
  constructor(folder: string, readBlob: Platform["readBlob"]) {
    this.#folder = folder;
    this.#readBlob = readBlob;
  }

  /**
   * Fills `target` with the blob's bytes from `offset` on.
   * @throws DawnletError CORRUPT_DATA where the blob is missing, damaged or shorter than asked; its details name the
   * digest.
   */
  async read(digest: string, offset: number, target: Uint8Array): Promise<void> {
    if (!/^[0-9a-f]{64}$/.test(digest))
      throw new DawnletError("INVALID_ARGUMENT", `'${digest}' is no digest`);
    try {
      await this.#readBlob(blobPath(this.#folder, digest), offset, target, (file) =>
        this.#check(digest, file),
      );
    } catch (error) {
      if (!(error instanceof DawnletError)) throw error;
      if (error.code === "NOT_FOUND") throw unusable(digest, "it is missing from the data folder", error);
      if (error.code !== "CORRUPT_DATA" || error.details !== undefined) throw error;
      throw new DawnletError(error.code, error.message, { cause: error, details: { digest } });
    }
  }

  /** For a file that was just opened. */
  async #check(digest: string, file: BlobFile): Promise<void> {
    const status = await file.status();
    if (isSealed(digest, status)) return;
    const known = this.#verdicts.get(digest);
    const isRight =
      known !== undefined && isUntouched(known.status, status)
        ? known.isRight
        : await this.#judge(digest, file, status);
    if (!isRight) throw unusable(digest, "its stored bytes have another digest");
  }

  async #judge(digest: string, file: BlobFile, before: BlobStatus): Promise<boolean> {
    this.#verdicts.delete(digest);
    const isRight = (await file.digest()) === digest;
    // Written to meanwhile: what was hashed is not what would be read.
    if (!isUntouched(before, await file.status())) return false;
    if (isRight) await file.setModified(sealTimeMs(digest, before));
    const status = await file.status();
    // Some file systems take no seal, a damaged file gets none: neither is to be hashed at each call.
    if (!isSealed(digest, status)) this.#verdicts.set(digest, { status, isRight });
    return isRight;
  }
}

function unusable(digest: string, reason: string, cause?: unknown): DawnletError {
  return new DawnletError(
    "CORRUPT_DATA",
    `Cannot use weight ${digest} as ${reason}: deploy the function again`,
    { cause, details: { digest } },
  );
}
