/**
 * Bytes from a source into GPUBuffers: reads run ahead of the writes, into a few chunks that are used again and again.
 * Chunks of 4 MiB are what Dawn takes through staging memory that it keeps; larger ones make it allocate anew, and
 * faulting fresh pages in is what an upload costs most (64 MiB: 60 ms in pieces of 4 MiB, 116 ms in one, 167 ms
 * through a buffer mapped at creation; SwiftShader on a 2-core machine without a GPU).
 */
import type { WeightSource } from "./api.ts";

export interface UploadPiece {
  readonly digest: string;
  /** Where in the blob. */
  readonly from: number;
  readonly to: GPUBuffer;
  readonly toOffset: number;
  readonly sizeBytes: number;
}

const chunkBytes = 4 * 2 ** 20;
/** Reads under way at a time: enough to hide the latency of small files. */
const readAhead = 4;

export class Uploader {
  readonly #queue: GPUQueue;
  readonly #source: WeightSource;
  readonly #chunks: Uint8Array<ArrayBuffer>[] = [];

  constructor(queue: GPUQueue, source: WeightSource) {
    this.#queue = queue;
    this.#source = source;
  }

  /** Cuts a blob into pieces that fit a chunk. */
  static pieces(digest: string, sizeBytes: number, to: GPUBuffer, toOffset: number): UploadPiece[] {
    const pieces: UploadPiece[] = [];
    for (let from = 0; from < sizeBytes; from += chunkBytes) {
      const size = Math.min(chunkBytes, sizeBytes - from);
      pieces.push({ digest, from, to, toOffset: toOffset + from, sizeBytes: size });
    }
    return pieces;
  }

  /**
   * Writes the pieces in order. What is submitted to the queue afterwards sees them.
   * @throws what the source throws; some pieces may have been written then.
   */
  async upload(pieces: readonly UploadPiece[]): Promise<void> {
    const reads: Promise<Uint8Array<ArrayBuffer>>[] = [];
    let next = 0;
    try {
      for (const piece of pieces) {
        while (reads.length < readAhead && next < pieces.length) reads.push(this.#read(pieces[next++]!));
        const chunk = await reads[0]!;
        reads.shift();
        this.#queue.writeBuffer(piece.to, piece.toOffset, chunk, 0, piece.sizeBytes);
        this.#chunks.push(chunk);
      }
    } finally {
      // After a failure: chunks are free once nobody reads into them any more.
      for (const read of await Promise.allSettled(reads))
        if (read.status === "fulfilled") this.#chunks.push(read.value);
      this.#chunks.splice(2 * readAhead);
    }
  }

  async #read({ digest, from, sizeBytes }: UploadPiece): Promise<Uint8Array<ArrayBuffer>> {
    const chunk = this.#chunks.pop() ?? new Uint8Array(chunkBytes);
    await this.#source.read(digest, from, chunk.subarray(0, sizeBytes));
    return chunk;
  }
}
