/**
 * Weights in host memory, by digest, within a budget of bytes: what swap-in reads from. The store below has them all,
 * so letting one go loses nothing; those used longest ago go first, and at once what no Program reads any more. A blob
 * comes in piece by piece and can be uploaded from while it does.
 *
 * What is read for the first time only passes through: a cold start does not pay for a second copy, and what stays on
 * the device has none. What is read again was evicted in between, and is kept for the next time.
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
  /** Says that a piece has been used. */
  release(bytes: Uint8Array<ArrayBuffer>): void;
  /** No more pieces are wanted. @param isWhole all were read. */
  close(isWhole: boolean): void;
}

interface Reader {
  programs: number;
  /** It has been read whole since the first of these Programs came. */
  wasRead: boolean;
}

/** Memory through which bytes pass is used again: fresh memory costs more than reading into it. */
const passingBytes = 4 * 2 ** 20;
const maxPassing = 8;

export class HostTier {
  readonly budgetBytes: number;
  readonly #source: WeightSource;
  /** In the order of last use. */
  readonly #blobs = new Map<string, Blob>();
  /** Who reads a blob, by digest. */
  readonly #readers = new Map<string, Reader>();
  readonly #passing: Uint8Array<ArrayBuffer>[] = [];
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

  /** A Program that reads these, each digest once, is known from now on: they are worth keeping. */
  addReader(digests: Iterable<string>): void {
    for (const digest of digests) {
      const reader = this.#readers.get(digest);
      if (reader !== undefined) reader.programs++;
      else this.#readers.set(digest, { programs: 1, wasRead: false });
    }
  }

  /** A Program is forgotten. What no other one reads goes, what is being read when that is done. */
  removeReader(digests: Iterable<string>): void {
    for (const digest of digests) {
      if (--this.#readers.get(digest)!.programs > 0) continue;
      this.#readers.delete(digest);
      const blob = this.#blobs.get(digest);
      if (blob?.isWhole) this.#drop(digest, blob);
    }
  }

  open(digest: string, sizeBytes: number): HostBlob {
    const known = this.#blobs.get(digest);
    if (known?.isWhole && known.bytes.byteLength === sizeBytes) {
      this.#touch(digest, known);
      return {
        read: (offset, length) => known.bytes.subarray(offset, offset + length),
        release: () => {},
        close: () => {},
      };
    }
    const isKept =
      known === undefined && this.#readers.get(digest)?.wasRead === true && this.#makeRoom(sizeBytes);
    return isKept ? this.#keep(digest, sizeBytes) : this.#pass(digest);
  }

  #keep(digest: string, sizeBytes: number): HostBlob {
    const blob = this.#begin(digest, sizeBytes);
    return {
      read: async (offset, length) => {
        const target = blob.bytes.subarray(offset, offset + length);
        await this.#source.read(digest, offset, target).catch(asDamage);
        return target;
      },
      release: () => {},
      close: (isWhole) => {
        if (isWhole && this.#readers.has(digest)) blob.isWhole = true;
        else this.#drop(digest, blob);
      },
    };
  }

  #pass(digest: string): HostBlob {
    return {
      read: async (offset, length) => {
        const memory = this.#passing.pop();
        const isFit = memory !== undefined && memory.byteLength >= length;
        const target = (isFit ? memory : new Uint8Array(Math.max(length, passingBytes))).subarray(0, length);
        await this.#source.read(digest, offset, target).catch(asDamage);
        return target;
      },
      release: ({ buffer }) => {
        if (this.#passing.length < maxPassing) this.#passing.push(new Uint8Array(buffer));
      },
      close: (isWhole) => {
        const reader = this.#readers.get(digest);
        if (isWhole && reader !== undefined) reader.wasRead = true;
      },
    };
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
