/**
 * Weights in host memory, by digest, within a budget of bytes: what swap-in reads from. The store below has them all,
 * so letting one go loses nothing; those used longest ago go first, and at once what no Program reads any more. A blob
 * comes in piece by piece and can be uploaded from while it does.
 *
 * What is read for the first time only passes through: a cold start does not pay for a second copy, and what stays on
 * the device has none. What is read again was evicted in between, and is kept for the next time; and so is everything
 * once any Program was evicted, until nothing is known any more.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { WeightSource } from "./api.ts";
import { type HostAllocation, type HostMemory, heap } from "./host-memory.ts";

export interface HostTierOptions {
  readonly source: WeightSource;
  /** 0: nothing is kept. */
  readonly budgetBytes: number;
}

interface Blob {
  readonly sizeBytes: number;
  readonly memory: HostAllocation;
  /** Everything was read: it may go when room is needed. */
  isWhole: boolean;
  /** Loads that fill it or read from it: its memory stays until they are done. */
  users: number;
  isDropped: boolean;
}

/** A blob that is being read in pieces, or was read before. To be closed in any case. */
export interface HostBlob {
  /** All bytes lie here, for the GPU to copy: then there is nothing to `read`. */
  readonly gpu?: GPUBuffer | undefined;
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
  #memory: HostMemory = heap;
  /** What comes onto the device is likely to leave it. */
  #isDeviceShort = false;
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

  /** Where blobs are kept that come from now on. */
  use(memory: HostMemory): void {
    this.#memory = memory;
  }

  /** A Program had to leave the device. */
  noteEviction(): void {
    this.#isDeviceShort = true;
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
    // Nothing is on the device any more either.
    if (this.#readers.size === 0) this.#isDeviceShort = false;
  }

  /** Lets these go. What is being read into stays; loads that read from one still have its memory until they are done. */
  drop(digests: Iterable<string>): void {
    for (const digest of digests) {
      const blob = this.#blobs.get(digest);
      if (blob?.isWhole) this.#drop(digest, blob);
    }
  }

  open(digest: string, sizeBytes: number): HostBlob {
    const known = this.#blobs.get(digest);
    if (known?.isWhole && known.sizeBytes === sizeBytes) return this.#reopen(digest, known);
    const reader = this.#readers.get(digest);
    const isWorthKeeping = reader !== undefined && (reader.wasRead || this.#isDeviceShort);
    const isKept = known === undefined && isWorthKeeping && this.#makeRoom(sizeBytes);
    return isKept ? this.#keep(digest, sizeBytes) : this.#pass(digest);
  }

  #reopen(digest: string, blob: Blob): HostBlob {
    this.#touch(digest, blob);
    blob.users++;
    const { gpu, bytes } = blob.memory;
    return {
      gpu,
      read: (offset, length) => bytes.subarray(offset, offset + length),
      release: () => {},
      close: () => this.#leave(blob),
    };
  }

  #keep(digest: string, sizeBytes: number): HostBlob {
    const blob = this.#begin(digest, sizeBytes);
    const settle = (isThere: boolean) => {
      if (isThere && this.#readers.has(digest)) blob.isWhole = true;
      else this.#drop(digest, blob);
    };
    return {
      read: async (offset, length) => {
        const target = blob.memory.bytes.subarray(offset, offset + length);
        await this.#source.read(digest, offset, target).catch(asDamage);
        return target;
      },
      release: () => {},
      close: (isWhole) => {
        const sealed = isWhole && blob.memory.seal();
        if (typeof sealed === "boolean") settle(sealed);
        else void sealed.then(settle);
        this.#leave(blob);
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
    const memory = this.#memory.allocate(sizeBytes);
    const blob: Blob = { sizeBytes, memory, isWhole: false, users: 1, isDropped: false };
    this.#blobs.set(digest, blob);
    this.#bytes += sizeBytes;
    return blob;
  }

  #leave(blob: Blob): void {
    blob.users--;
    if (blob.isDropped && blob.users === 0) blob.memory.free();
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
    if (blob.isDropped) return;
    this.#blobs.delete(digest);
    this.#bytes -= blob.sizeBytes;
    blob.isDropped = true;
    if (blob.users === 0) blob.memory.free();
  }
}

/** Whoever deployed the function stored the blob: where it is not found, somebody took it away. */
function asDamage(error: unknown): never {
  if (!(error instanceof DawnletError) || error.code !== "NOT_FOUND") throw error;
  throw new DawnletError("CORRUPT_DATA", error.message, { cause: error });
}
