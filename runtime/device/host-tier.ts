/**
 * Weights in host memory, by digest, within a budget of bytes: what swap-in reads from. The store below has them all,
 * so letting one go loses nothing; those used longest ago go first. A blob comes in piece by piece and can be
 * uploaded from while it does.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { WeightSource } from "./api.ts";

export interface HostTierOptions {
  readonly source: WeightSource;
  /** 0: nothing is kept. */
  readonly budgetBytes: number;
}

interface Blob {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Everything was read: it may go when room is needed. */
  isWhole: boolean;
}

/** A blob that is being read in pieces, or was read before. */
export interface HostBlob {
  /** Bytes from `offset` on, exactly `sizeBytes`; a promise where the store must be asked. Use them before `close`. */
  read(offset: number, sizeBytes: number): Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>;
  /** No more pieces are wanted. @param isWhole all were read. */
  close(isWhole: boolean): void;
}

export class HostTier {
  readonly budgetBytes: number;
  readonly #source: WeightSource;
  /** In the order of last use. */
  readonly #blobs = new Map<string, Blob>();
  #bytes = 0;

  constructor({ source, budgetBytes }: HostTierOptions) {
    this.#source = source;
    this.budgetBytes = budgetBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  has(digest: string): boolean {
    return this.#blobs.get(digest)?.isWhole === true;
  }

  open(digest: string, sizeBytes: number): HostBlob {
    const known = this.#blobs.get(digest);
    if (known?.isWhole && known.bytes.byteLength === sizeBytes) {
      this.#touch(digest, known);
      return {
        read: (offset, length) => known.bytes.subarray(offset, offset + length),
        close: () => {},
      };
    }
    // While somebody else reads it, or where there is no room, its bytes only pass through.
    const kept =
      known === undefined && this.#makeRoom(sizeBytes) ? this.#begin(digest, sizeBytes) : undefined;
    return {
      read: async (offset, length) => {
        const target = kept?.bytes.subarray(offset, offset + length) ?? new Uint8Array(length);
        await this.#source.read(digest, offset, target).catch(asDamage);
        return target;
      },
      close: (isWhole) => {
        if (kept === undefined) return;
        if (isWhole) kept.isWhole = true;
        else this.#drop(digest, kept);
      },
    };
  }

  /** Gives everything back that is not being read. */
  clear(): void {
    for (const [digest, blob] of this.#blobs) if (blob.isWhole) this.#drop(digest, blob);
  }

  #begin(digest: string, sizeBytes: number): Blob {
    const blob: Blob = { bytes: new Uint8Array(sizeBytes), isWhole: false };
    this.#blobs.set(digest, blob);
    this.#bytes += sizeBytes;
    return blob;
  }

  #makeRoom(sizeBytes: number): boolean {
    if (sizeBytes > this.budgetBytes) return false;
    for (const [digest, blob] of this.#blobs) {
      if (this.#bytes + sizeBytes <= this.budgetBytes) return true;
      if (blob.isWhole) this.#drop(digest, blob);
    }
    return this.#bytes + sizeBytes <= this.budgetBytes;
  }

  #touch(digest: string, blob: Blob): void {
    this.#blobs.delete(digest);
    this.#blobs.set(digest, blob);
  }

  #drop(digest: string, blob: Blob): void {
    if (this.#blobs.get(digest) !== blob) return;
    this.#blobs.delete(digest);
    this.#bytes -= blob.bytes.byteLength;
  }
}

/** Whoever deployed the function stored the blob: where it is not found, somebody took it away. */
function asDamage(error: unknown): never {
  if (!(error instanceof DawnletError) || error.code !== "NOT_FOUND") throw error;
  throw new DawnletError("CORRUPT_DATA", error.message, { cause: error });
}
