/**
 * Blobs of one load of which all bytes are written, or queued, and whose Program does not know yet. Copies from pinned
 * memory gather in one command buffer. They must be submitted before the load waits for anything: meanwhile their
 * place may be given to others.
 */
import type { HostBlob } from "./host-tier.ts";
import type { Upload } from "./upload.ts";

/** Copies go together up to here: a submit costs as much as a copy of some 100 KiB. */
const maxCopyBytes = 8 * 2 ** 20;

interface Copy {
  readonly upload: Upload;
  readonly blob: HostBlob;
  readonly offset: number;
  readonly sizeBytes: number;
}

export class UploadBatch {
  readonly #device: GPUDevice;
  readonly #open: Set<HostBlob>;
  #copies: GPUCommandEncoder | undefined;
  #copyBytes = 0;
  #finished: { readonly upload: Upload; readonly blob: HostBlob }[] = [];

  /** @param open blobs that are closed here when they are finished. */
  constructor(device: GPUDevice, open: Set<HostBlob>) {
    this.#device = device;
    this.#open = open;
  }

  get mayGrow(): boolean {
    return this.#copyBytes < maxCopyBytes;
  }

  /** From a blob that the GPU reads by itself. @returns whether it is still wanted. */
  copy({ upload, blob, offset, sizeBytes }: Copy): boolean {
    if (!upload.isWanted()) return false;
    this.#copies ??= this.#device.createCommandEncoder();
    this.#copies.copyBufferToBuffer(blob.gpu!, offset, upload.to, upload.toOffset + offset, sizeBytes);
    this.#copyBytes += sizeBytes;
    return true;
  }

  /** Its last piece was written. */
  finish(upload: Upload, blob: HostBlob): void {
    this.#finished.push({ upload, blob });
  }

  submit(): void {
    if (this.#copies !== undefined) this.#device.queue.submit([this.#copies.finish()]);
    this.#copies = undefined;
    this.#copyBytes = 0;
  }

  /** Tells the Programs. */
  flush(): void {
    this.submit();
    for (const { upload, blob } of this.#finished.splice(0)) {
      this.#open.delete(blob);
      blob.close(true);
      upload.onWritten();
    }
  }
}
