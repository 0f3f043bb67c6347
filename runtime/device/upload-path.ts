/**
 * Ways in which bytes of this process reach a GPUBuffer, and which of them is fastest on the adapter at hand:
 * `direct` is `queue.writeBuffer`, `ring` copies through a few mapped staging buffers that are used again and again.
 * Which one it is depends on the driver, so it is measured.
 */
import type { CountedBuffer, Ledger } from "./ledger.ts";

/** What was chosen, as plain data: measured once for an adapter, it is handed to the processes that come after. */
export interface UploadChoice {
  readonly path: "direct" | "ring";
  readonly pieceBytes: number;
  /** Bytes a second into memory that was used before; 0 where nothing was measured. */
  readonly bytesPerSecond: number;
}

export interface UploadPath {
  /** To be called, and awaited where it gives a promise, before each `write`. */
  reserve(): Promise<void> | undefined;
  /** Uses what was reserved. The bytes are the caller's again at once. */
  write(to: GPUBuffer, offset: number, bytes: Uint8Array<ArrayBuffer>): void;
  /** Gives back what was reserved, instead of `write`. */
  cancel(): void;
  destroy(): void;
}

const mebibyte = 2 ** 20;

/** What holds where nothing was measured: Dawn keeps staging memory for pieces up to this size. */
export const defaultChoice: UploadChoice = { path: "direct", pieceBytes: 4 * mebibyte, bytesPerSecond: 0 };

const candidates: ReadonlyArray<Pick<UploadChoice, "path" | "pieceBytes">> = [
  { path: "direct", pieceBytes: mebibyte },
  { path: "direct", pieceBytes: 4 * mebibyte },
  { path: "direct", pieceBytes: 16 * mebibyte },
  { path: "ring", pieceBytes: 4 * mebibyte },
  { path: "ring", pieceBytes: 16 * mebibyte },
];
const probeBytes = 32 * mebibyte;
const probeRounds = 3;
/** Another way must be this much faster than the first one that is as good: figures are noisy. */
const margin = 1.1;

export function openUploadPath(
  device: GPUDevice,
  ledger: Ledger,
  { path, pieceBytes }: Pick<UploadChoice, "path" | "pieceBytes">,
): UploadPath {
  return path === "direct" ? new DirectPath(device.queue) : new RingPath(device, ledger, pieceBytes);
}

/**
 * Uploads a few hundred MiB in all ways.
 * @throws DawnletError OUT_OF_MEMORY where the budget has no room for that now.
 */
export async function measureUpload(device: GPUDevice, ledger: Ledger): Promise<UploadChoice> {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
  const target = ledger.createBuffer("staging", { size: probeBytes, usage });
  try {
    const source = new Uint8Array(probeBytes).fill(1);
    let best = defaultChoice;
    for (const candidate of candidates) {
      const ms = await timePath(device, ledger, candidate, target.gpu, source);
      const bytesPerSecond = (1000 * probeBytes) / ms;
      if (bytesPerSecond > best.bytesPerSecond * margin) best = { ...candidate, bytesPerSecond };
    }
    return best;
  } finally {
    target.destroy();
  }
}

async function timePath(
  device: GPUDevice,
  ledger: Ledger,
  candidate: (typeof candidates)[number],
  target: GPUBuffer,
  source: Uint8Array<ArrayBuffer>,
): Promise<number> {
  const path = openUploadPath(device, ledger, candidate);
  try {
    let best = Number.POSITIVE_INFINITY;
    // The first round faults memory in and counts only where it is the fastest.
    for (let round = 0; round < probeRounds; round++) {
      const startedAt = performance.now();
      for (let at = 0; at < probeBytes; at += candidate.pieceBytes) {
        await path.reserve();
        path.write(target, at, source.subarray(at, at + candidate.pieceBytes));
      }
      await device.queue.onSubmittedWorkDone();
      best = Math.min(best, performance.now() - startedAt);
    }
    return best;
  } finally {
    path.destroy();
  }
}

class DirectPath implements UploadPath {
  readonly #queue: GPUQueue;

  constructor(queue: GPUQueue) {
    this.#queue = queue;
  }

  reserve(): undefined {}

  write(to: GPUBuffer, offset: number, bytes: Uint8Array<ArrayBuffer>): void {
    this.#queue.writeBuffer(to, offset, bytes);
  }

  cancel(): void {}

  destroy(): void {}
}

/** Staging buffers of a ring. */
const ringSize = 4;

class RingPath implements UploadPath {
  readonly #device: GPUDevice;
  /** Mapped ones. */
  readonly #free: CountedBuffer[] = [];
  readonly #reserved: CountedBuffer[] = [];
  readonly #waiting: (() => void)[] = [];
  #isOpen = true;

  /** @throws DawnletError OUT_OF_MEMORY */
  constructor(device: GPUDevice, ledger: Ledger, pieceBytes: number) {
    this.#device = device;
    const usage = GPUBufferUsage.MAP_WRITE | GPUBufferUsage.COPY_SRC;
    for (let i = 0; i < ringSize; i++)
      this.#free.push(ledger.createBuffer("staging", { size: pieceBytes, usage, mappedAtCreation: true }));
  }

  reserve(): Promise<void> | undefined {
    const staging = this.#free.pop();
    if (staging === undefined) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#reserved.push(staging);
    return undefined;
  }

  write(to: GPUBuffer, offset: number, bytes: Uint8Array<ArrayBuffer>): void {
    const staging = this.#reserved.pop();
    if (staging === undefined) throw new RangeError("Nothing was reserved");
    const size = bytes.byteLength;
    new Uint8Array(staging.gpu.getMappedRange(0, Math.ceil(size / 8) * 8)).set(bytes);
    staging.gpu.unmap();
    const encoder = this.#device.createCommandEncoder();
    encoder.copyBufferToBuffer(staging.gpu, 0, to, offset, size);
    this.#device.queue.submit([encoder.finish()]);
    staging.gpu.mapAsync(GPUMapMode.WRITE).then(
      () => this.#give(staging),
      // The device is lost: nobody waits for anything on it any more.
      () => staging.destroy(),
    );
  }

  cancel(): void {
    const staging = this.#reserved.pop();
    if (staging !== undefined) this.#give(staging);
  }

  destroy(): void {
    this.#isOpen = false;
    for (const staging of this.#free.splice(0)) staging.destroy();
  }

  #give(staging: CountedBuffer): void {
    const next = this.#waiting.shift();
    if (next !== undefined) {
      this.#reserved.push(staging);
      next();
    } else if (this.#isOpen) this.#free.push(staging);
    else staging.destroy();
  }
}
