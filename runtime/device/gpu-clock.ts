/**
 * Times work on the GPU by its own clock: timestamps at the beginning of the first compute pass of a command buffer and
 * at the end of its last one, which come back in the staging buffer that is mapped anyway. Where the device has no
 * `timestamp-query`, or gives nonsense, nothing is timed. Whose time it is, gpu-time.ts and round-accounts.ts say.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { measuredMs } from "./gpu-time.ts";
import type { CountedBuffer, Ledger } from "./ledger.ts";

/** Rounds and parts that can be timed at once; what is submitted beyond them goes untimed. */
const spans = 8;
/** `resolveQuerySet` writes at multiples of this. */
const resolveAlignment = 256;
/** Answers in a row without sense after which the clock is not asked any more. */
const maxNonsense = 8;

/** Of a span's two timestamps in a staging buffer. */
export const spanBytes = 16;

export class GpuClock {
  readonly #device: GPUDevice;
  readonly #ledger: Ledger;
  #querySet: GPUQuerySet | undefined;
  #resolved: CountedBuffer | undefined;
  readonly #free: number[] = Array.from({ length: spans }, (_, i) => i);
  /** Asked once: the binding takes longer over it than over a dispatch. */
  readonly #hasClock: boolean;
  #nonsense = 0;

  constructor(device: GPUDevice, ledger: Ledger) {
    this.#device = device;
    this.#ledger = ledger;
    this.#hasClock = device.features.has("timestamp-query");
  }

  /** The device has a clock, which has not been found useless. */
  get isWorking(): boolean {
    return this.#hasClock && this.#nonsense < maxNonsense;
  }

  /** Tries it on a pass that does nothing. Nothing of that stays. @returns `isWorking`, which it decides. */
  async check(): Promise<boolean> {
    const span = this.start();
    if (span === undefined) return this.isWorking;
    let staging: CountedBuffer | undefined;
    try {
      const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
      staging = this.#ledger.createBuffer("staging", { size: spanBytes, usage });
      const encoder = this.#device.createCommandEncoder();
      encoder.beginComputePass(span.nextPass()).end();
      span.copyTo(encoder, staging.gpu, 0);
      const startedAt = performance.now();
      this.#device.queue.submit([encoder.finish()]);
      await staging.gpu.mapAsync(GPUMapMode.READ, 0, spanBytes);
      const ms = span.read(staging.gpu.getMappedRange(0, spanBytes), 0, performance.now() - startedAt);
      if (ms === undefined) this.#nonsense = maxNonsense;
    } catch {
      // No memory, or the device is lost: others hear of that.
      span.end();
    }
    staging?.destroy();
    if (this.#free.length === spans) this.clear();
    return this.isWorking;
  }

  /** To be ended, once, when the work is done or failed. @returns undefined where it cannot be timed. */
  start(): GpuSpan | undefined {
    if (!this.isWorking) return undefined;
    const slot = this.#free.pop();
    if (slot === undefined) return undefined;
    try {
      this.#querySet ??= this.#device.createQuerySet({ type: "timestamp", count: 2 * spans });
      this.#resolved ??= this.#ledger.createBuffer("staging", {
        size: spans * resolveAlignment,
        usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
      });
    } catch (error) {
      this.#free.push(slot);
      // Timing takes nobody's memory.
      if (error instanceof DawnletError) return undefined;
      throw error;
    }
    return new GpuSpan(this.#querySet, this.#resolved.gpu, slot, (isSense) => this.#ended(slot, isSense));
  }

  /** Gives its memory back. What was submitted keeps it until it is done. */
  clear(): void {
    this.#resolved?.destroy();
    this.#resolved = undefined;
  }

  #ended(slot: number, isSense: boolean | undefined): void {
    this.#free.push(slot);
    if (isSense !== undefined) this.#nonsense = isSense ? 0 : this.#nonsense + 1;
  }
}

/** One command buffer that is timed. */
export class GpuSpan {
  readonly #resolved: GPUBuffer;
  readonly #querySet: GPUQuerySet;
  readonly #slot: number;
  readonly #onEnd: (isSense: boolean | undefined) => void;
  #isUsed = false;
  #isEnded = false;

  constructor(
    querySet: GPUQuerySet,
    resolved: GPUBuffer,
    slot: number,
    onEnd: (isSense: boolean | undefined) => void,
  ) {
    this.#querySet = querySet;
    this.#resolved = resolved;
    this.#slot = slot;
    this.#onEnd = onEnd;
  }

  /** For each pass of the command buffer in turn: the last one's end stays. */
  nextPass(): GPUComputePassDescriptor {
    const querySet = this.#querySet;
    const endOfPassWriteIndex = 2 * this.#slot + 1;
    if (this.#isUsed) return { timestampWrites: { querySet, endOfPassWriteIndex } };
    this.#isUsed = true;
    const beginningOfPassWriteIndex = 2 * this.#slot;
    return { timestampWrites: { querySet, beginningOfPassWriteIndex, endOfPassWriteIndex } };
  }

  /** Encodes, behind the last pass, how `spanBytes` come to a staging buffer. @param offset a multiple of 8. */
  copyTo(encoder: GPUCommandEncoder, staging: GPUBuffer, offset: number): void {
    if (!this.#isUsed) return;
    const at = this.#slot * resolveAlignment;
    encoder.resolveQuerySet(this.#querySet, 2 * this.#slot, 2, this.#resolved, at);
    encoder.copyBufferToBuffer(this.#resolved, at, staging, offset, spanBytes);
  }

  /**
   * Reads what has come, and ends the span.
   * @param wallMs how long the GPU can have been at it: since encoding began, as `submit` may not return before it works.
   * @returns milliseconds; undefined where the timestamps cannot be right.
   */
  read(staged: ArrayBuffer, offset: number, wallMs: number): number | undefined {
    if (!this.#isUsed) {
      this.end();
      return undefined;
    }
    const [begin, end] = new BigUint64Array(staged, offset, 2);
    const ms = measuredMs(begin!, end!, wallMs);
    this.end(ms !== undefined);
    return ms;
  }

  /** Ends it unread; nothing where that was done. */
  end(isSense?: boolean): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#onEnd(isSense);
  }
}
