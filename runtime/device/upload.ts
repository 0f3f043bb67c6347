/**
 * Bytes from the host tier into GPUBuffers, in the order in which a Program needs them. Loads that go on at the same
 * time take turns, a group of pieces each, and so do the runs of resident Programs: few bytes are queued on the GPU
 * at any time, so that nobody waits for a whole load.
 *
 * How a piece gets there is the matter of upload-path.ts. Into warm memory 256 MiB took 52 ms by `writeBuffer` (pieces
 * of 4 MiB), 166 ms through mapped staging buffers and 137 ms from buffers kept as the host tier (SwiftShader on a
 * 2-core machine without a GPU).
 */
import type { HostBlob, HostTier } from "./host-tier.ts";
import type { UploadPath } from "./upload-path.ts";

/** One blob on its way. */
export interface Upload {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly to: GPUBuffer;
  readonly toOffset: number;
  /** Asked before each write: what nobody waits for any more has given its place away. */
  readonly isWanted: () => boolean;
  /** All of it was written: what is submitted from now on sees it. */
  readonly onWritten: () => void;
}

/** Pieces being read at a time: enough to hide the latency of small files. */
const readAhead = 4;
/** After so many bytes a load lets others go first. */
const groupBytes = 16 * 2 ** 20;
/** Groups written and not yet done on the GPU, of all loads together. */
const maxGroupsInFlight = 2;

interface Piece {
  readonly upload: Upload;
  readonly blob: HostBlob;
  readonly offset: number;
  readonly bytes: Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>;
}

export class Uploader {
  readonly #queue: GPUQueue;
  readonly #host: HostTier;
  #path: UploadPath;
  #pieceBytes: number;
  #groupsInFlight: Promise<unknown>[] = [];

  constructor(queue: GPUQueue, host: HostTier, path: UploadPath, pieceBytes: number) {
    this.#queue = queue;
    this.#host = host;
    this.#path = path;
    this.#pieceBytes = pieceBytes;
  }

  /** Goes another way from now on. The one before must stay until what goes its way has been written. */
  change(path: UploadPath, pieceBytes: number): void {
    this.#path = path;
    this.#pieceBytes = pieceBytes;
  }

  /**
   * Writes the blobs in order, but for those that are not wanted any more.
   * @throws what the store throws; `onWritten` was not called for the blobs that are missing then.
   */
  async upload(uploads: readonly Upload[]): Promise<void> {
    const open = new Set<HostBlob>();
    const pieces = this.#pieces(uploads, open);
    const ahead: Piece[] = [];
    let ungrouped = 0;
    try {
      for (;;) {
        while (ahead.length < readAhead) {
          const { value, done } = pieces.next();
          if (done) break;
          ahead.push(value);
        }
        const piece = ahead.shift();
        if (piece === undefined) return;
        const bytes = piece.bytes instanceof Uint8Array ? piece.bytes : await piece.bytes;
        const { upload, blob } = piece;
        if (!upload.isWanted()) {
          blob.release(bytes);
          continue;
        }
        const path = this.#path;
        const reserving = path.reserve();
        if (reserving !== undefined) await reserving;
        if (!upload.isWanted()) {
          path.cancel();
          blob.release(bytes);
          continue;
        }
        path.write(upload.to, upload.toOffset + piece.offset, bytes);
        blob.release(bytes);
        ungrouped += bytes.byteLength;
        if (piece.offset + bytes.byteLength === upload.sizeBytes) {
          open.delete(blob);
          blob.close(true);
          upload.onWritten();
        }
        if (ungrouped < groupBytes) continue;
        ungrouped = 0;
        await this.#letOthersGo();
      }
    } finally {
      // Nobody reads into memory that is given back.
      await Promise.allSettled(ahead.map(({ bytes }) => bytes));
      for (const blob of open) blob.close(false);
    }
  }

  *#pieces(uploads: readonly Upload[], open: Set<HostBlob>): Generator<Piece, undefined> {
    const pieceBytes = this.#pieceBytes;
    for (const upload of uploads) {
      if (!upload.isWanted()) continue;
      const { sizeBytes } = upload;
      const blob = this.#host.open(upload.digest, sizeBytes);
      open.add(blob);
      for (let offset = 0; offset < sizeBytes; offset += pieceBytes) {
        yield { upload, blob, offset, bytes: blob.read(offset, Math.min(pieceBytes, sizeBytes - offset)) };
      }
    }
  }

  async #letOthersGo(): Promise<void> {
    this.#groupsInFlight.push(this.#queue.onSubmittedWorkDone());
    if (this.#groupsInFlight.length >= maxGroupsInFlight) await this.#groupsInFlight.shift();
  }
}
