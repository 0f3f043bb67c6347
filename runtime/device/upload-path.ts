/**
 * Ways in which bytes of this process reach a GPUBuffer, and which of them is fastest on the adapter at hand:
 * `direct` is `queue.writeBuffer`, `ring` copies through a few mapped staging buffers that are used again and again.
 * Host memory that the GPU reads by itself (host-memory.ts) needs neither. What is best depends on the driver, so it is
 * measured.
 */
import { PinnedMemory } from "./host-memory.ts";
import type { CountedBuffer, Ledger } from "./ledger.ts";

/** What was chosen, as plain data: measured once for an adapter, it is handed to the processes that come after. */
export interface UploadChoice {
  readonly path: "direct" | "ring";
  readonly pieceBytes: number;
  /** Bytes a second into memory that was used before; 0 where nothing was measured. */
  readonly bytesPerSecond: number;
  /** `direct` writes right into a buffer that no pending work uses, and through staging memory into any other. */
  readonly isInPlace: boolean;
  /** The host tier lies in memory from which the GPU copies by itself. */
  readonly isPinned: boolean;
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

/**
 * What holds where nothing was measured. Dawn keeps staging memory for pieces up to this size. On a software adapter
 * all memory is host memory: into warm memory 256 MiB took 52 ms by `writeBuffer`, 166 ms through a ring and 137 ms
 * from pinned memory (SwiftShader on a 2-core x86-64 machine without a GPU).
 */
export function assumedChoice(isSoftware: boolean): UploadChoice {
  return {
    path: "direct",
    pieceBytes: 4 * mebibyte,
    bytesPerSecond: 0,
    isInPlace: isSoftware,
    isPinned: false,
  };
}

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
/** So much slower is a write that goes a longer way. */
const busyFactor = 1.5;

export function openUploadPath(
  device: GPUDevice,
  ledger: Ledger,
  { path, pieceBytes }: Pick<UploadChoice, "path" | "pieceBytes">,
): UploadPath {
  return path === "direct" ? new DirectPath(device.queue) : new RingPath(device, ledger, pieceBytes);
}

/**
 * Uploads half a GiB in all ways.
 * @throws DawnletError OUT_OF_MEMORY where the budget has no room for that now.
 */
export async function measureUpload(device: GPUDevice, ledger: Ledger): Promise<UploadChoice> {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
  const target = ledger.createBuffer("staging", { size: probeBytes, usage });
  try {
    const source = new Uint8Array(probeBytes).fill(1);
    let best = assumedChoice(false);
    for (const candidate of candidates) {
      const ms = await timePath(device, ledger, candidate, target.gpu, source);
      const bytesPerSecond = (1000 * probeBytes) / ms;
      if (bytesPerSecond > best.bytesPerSecond * margin) best = { ...best, ...candidate, bytesPerSecond };
    }
    const idleMs = (1000 * probeBytes) / best.bytesPerSecond;
    const isInPlace =
      best.path === "direct" &&
      (await timeBusy(device, best.pieceBytes, target.gpu, source)) > busyFactor * idleMs;
    const pinnedMs = await timePinned(device, target.gpu, source);
    const isPinned = pinnedMs * margin < idleMs;
    return {
      ...best,
      isInPlace,
      isPinned,
      ...(isPinned && { bytesPerSecond: (1000 * probeBytes) / pinnedMs }),
    };
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
    return await timeRounds(device, async () => {
      for (let at = 0; at < probeBytes; at += candidate.pieceBytes) {
        await path.reserve();
        path.write(target, at, source.subarray(at, at + candidate.pieceBytes));
      }
    });
  } finally {
    path.destroy();
  }
}

/** By `writeBuffer` into a buffer that the GPU is still busy with. */
async function timeBusy(
  device: GPUDevice,
  pieceBytes: number,
  target: GPUBuffer,
  source: Uint8Array<ArrayBuffer>,
): Promise<number> {
  return timeRounds(device, () => {
    const encoder = device.createCommandEncoder();
    encoder.clearBuffer(target, 0, 4);
    device.queue.submit([encoder.finish()]);
    for (let at = 0; at < probeBytes; at += pieceBytes)
      device.queue.writeBuffer(target, at, source.subarray(at, at + pieceBytes));
  });
}

/** @returns infinity where there is no such memory. */
async function timePinned(
  device: GPUDevice,
  target: GPUBuffer,
  source: Uint8Array<ArrayBuffer>,
): Promise<number> {
  const memory = new PinnedMemory(device).allocate(probeBytes);
  try {
    const { gpu } = memory;
    memory.bytes.set(source);
    if (!(await memory.seal()) || gpu === undefined) return Number.POSITIVE_INFINITY;
    return await timeRounds(device, () => {
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(gpu, 0, target, 0, probeBytes);
      device.queue.submit([encoder.finish()]);
    });
  } finally {
    memory.free();
  }
}

/** Milliseconds of the fastest round. */
async function timeRounds(device: GPUDevice, upload: () => void | Promise<void>): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  // The first round faults memory in and counts only where it is the fastest.
  for (let round = 0; round < probeRounds; round++) {
    const startedAt = performance.now();
    await upload();
    await device.queue.onSubmittedWorkDone();
    best = Math.min(best, performance.now() - startedAt);
  }
  return best;
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
