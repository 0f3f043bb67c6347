/**
 * Bytes from the host tier into GPUBuffers, in the order in which a Program needs them. Loads that go on at the same
 * time take turns, a group of pieces each, and so do the runs of resident Programs: few bytes are queued on the GPU
 * at any time, so that nobody waits for a whole load.
 *
 * How a piece gets there is the matter of upload-path.ts, when its Program hears of it that of upload-batch.ts.
 */
import type { HostBlob, HostTier } from "./host-tier.ts";
import { UploadBatch } from "./upload-batch.ts";
import type { UploadChoice, UploadPath } from "./upload-path.ts";

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

const mebibyte = 2 ** 20;
/** Pieces being read at a time: enough to hide the latency of small files. */
const readAhead = 4;
/** After so long a load lets others go first: what that takes of an upload's time is little then. */
const groupMs = 4;
const minGroupBytes = 4 * mebibyte;
const maxGroupBytes = 64 * mebibyte;
const firstGroupBytes = 16 * mebibyte;
/** Groups written and not yet done on the GPU, of all loads together. */
const maxGroupsInFlight = 2;

interface Piece {
  readonly upload: Upload;
  readonly blob: HostBlob;
  readonly offset: number;
  readonly sizeBytes: number;
  /** Undefined where the GPU has them. */
  readonly bytes: Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>> | undefined;
}

export class Uploader {
  readonly #device: GPUDevice;
  readonly #host: HostTier;
  #path: UploadPath;
  #choice: UploadChoice;
  /** What goes up in `groupMs`, as the groups before show. */
  #groupBytes = firstGroupBytes;
  #groupsInFlight: Promise<unknown>[] = [];

  constructor(device: GPUDevice, host: HostTier, path: UploadPath, choice: UploadChoice) {
    this.#device = device;
    this.#host = host;
    this.#path = path;
    this.#choice = choice;
  }

  /** Goes another way from now on. The one before must stay until what goes its way has been written. */
  change(path: UploadPath, choice: UploadChoice): void {
    this.#path = path;
    this.#choice = choice;
  }

  /**
   * Writes the blobs in order, but for those that are not wanted any more.
   * @throws what the store throws; `onWritten` was not called for the blobs that are missing then.
   */
  async upload(uploads: readonly Upload[]): Promise<void> {
    const open = new Set<HostBlob>();
    const pieces = this.#pieces(uploads, open);
    const batch = new UploadBatch(this.#device, open);
    const ahead: Piece[] = [];
    let groupBytes = 0;
    let groupStartedAt = performance.now();
    try {
      for (;;) {
        while (ahead.length < readAhead) {
          const { value, done } = pieces.next();
          if (done) break;
          ahead.push(value);
        }
        const piece = ahead.shift();
        if (piece === undefined) return;
        const { upload, blob, offset, sizeBytes } = piece;
        if (piece.bytes instanceof Promise) batch.flush();
        const isWritten =
          piece.bytes === undefined ? batch.copy(piece) : await this.#write(piece, await piece.bytes);
        if (!isWritten) {
          batch.submit();
          continue;
        }
        if (offset + sizeBytes === upload.sizeBytes) batch.finish(upload, blob);
        if (!batch.mayGrow || !this.#isHeld(piece, ahead[0])) batch.flush();
        groupBytes += sizeBytes;
        if (groupBytes < this.#groupBytes) continue;
        this.#learn(groupBytes, performance.now() - groupStartedAt);
        await this.#letOthersGo(batch);
        groupBytes = 0;
        groupStartedAt = performance.now();
      }
    } finally {
      batch.flush();
      // Nobody reads into memory that is given back.
      await Promise.allSettled(ahead.map(({ bytes }) => bytes));
      for (const blob of open) blob.close(false);
    }
  }

  *#pieces(uploads: readonly Upload[], open: Set<HostBlob>): Generator<Piece, undefined> {
    const { pieceBytes } = this.#choice;
    for (const upload of uploads) {
      if (!upload.isWanted()) continue;
      const blob = this.#host.open(upload.digest, upload.sizeBytes);
      open.add(blob);
      for (let offset = 0; offset < upload.sizeBytes; offset += pieceBytes) {
        const sizeBytes = Math.min(pieceBytes, upload.sizeBytes - offset);
        const bytes = blob.gpu === undefined ? blob.read(offset, sizeBytes) : undefined;
        // Awaited when its turn comes: one that fails before that must not end the process.
        if (bytes instanceof Promise) bytes.catch(() => undefined);
        yield { upload, blob, offset, sizeBytes, bytes };
      }
    }
  }

  /** @returns whether it was still wanted. */
  async #write({ upload, blob, offset }: Piece, bytes: Uint8Array<ArrayBuffer>): Promise<boolean> {
    const path = this.#path;
    try {
      if (!upload.isWanted()) return false;
      const reserving = path.reserve();
      if (reserving !== undefined) await reserving;
      if (!upload.isWanted()) {
        path.cancel();
        return false;
      }
      path.write(upload.to, upload.toOffset + offset, bytes);
      return true;
    } finally {
      blob.release(bytes);
    }
  }

  /**
   * Whether its Program is to hear of a piece together with the next one. A step that reads from a buffer makes
   * `writeBuffer` take the long way into that buffer, where it wrote in place before: it waits for its last piece.
   */
  #isHeld({ upload, blob }: Piece, next: Piece | undefined): boolean {
    if (next === undefined) return false;
    if (blob.gpu !== undefined) return next.blob.gpu !== undefined;
    return this.#choice.isInPlace && next.upload.to === upload.to;
  }

  #learn(bytes: number, ms: number): void {
    const seen = Math.min(maxGroupBytes, Math.max(minGroupBytes, (bytes / ms) * groupMs));
    this.#groupBytes = (this.#groupBytes + seen) / 2;
  }

  async #letOthersGo(batch: UploadBatch): Promise<void> {
    batch.submit();
    this.#groupsInFlight.push(this.#device.queue.onSubmittedWorkDone());
    if (this.#groupsInFlight.length >= maxGroupsInFlight) await this.#groupsInFlight.shift();
  }
}
