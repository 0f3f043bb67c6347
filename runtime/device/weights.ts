/**
 * Weights on the device, by digest: uploaded once whichever Programs read them, kept while one of them is loaded.
 * The missing weights of a load go together into read-only slabs; a slab is destroyed with its last weight.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { WeightSource } from "./api.ts";
import type { CountedBuffer, Ledger } from "./ledger.ts";

export interface WeightBlob {
  readonly digest: string;
  readonly sizeBytes: number;
}

export interface WeightLocation {
  readonly gpu: GPUBuffer;
  readonly offset: number;
}

/** A hold on the weights of one Program. */
export interface WeightsLease extends Disposable {
  /** Bytes that this load moved; 0 when another Program had brought everything. */
  readonly uploadedBytes: number;
  location(digest: string): WeightLocation;
}

interface Slab {
  readonly buffer: CountedBuffer;
  residents: number;
}

interface Resident {
  readonly slab: Slab;
  readonly offset: number;
  readonly uploaded: Promise<void>;
  holders: number;
}

/** One slab at most; a weight that is larger gets a slab of its own. */
const slabBytes = 256 * 2 ** 20;
/** Bytes read from the source and written to the queue at a time: large enough for the full rate, small enough to let others run. */
const chunkBytes = 16 * 2 ** 20;

export class Weights {
  readonly #device: GPUDevice;
  readonly #ledger: Ledger;
  readonly #source: WeightSource;
  readonly #residents = new Map<string, Resident>();

  constructor(device: GPUDevice, ledger: Ledger, source: WeightSource) {
    this.#device = device;
    this.#ledger = ledger;
    this.#source = source;
  }

  /**
   * Places and uploads what is missing, in the order given.
   * @throws DawnletError OUT_OF_MEMORY, and what the source throws; nothing is held then.
   */
  async acquire(blobs: readonly WeightBlob[]): Promise<WeightsLease> {
    const unique = [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
    const missing = unique.filter((blob) => !this.#residents.has(blob.digest));
    this.#place(missing);
    const held = new Map(unique.map(({ digest }) => [digest, this.#residents.get(digest)!]));
    for (const resident of held.values()) resident.holders++;
    let isHeld = true;
    const release = () => {
      if (!isHeld) return;
      isHeld = false;
      for (const [digest, resident] of held) this.#release(digest, resident);
    };
    const outcomes = await Promise.allSettled([...held.values()].map((resident) => resident.uploaded));
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined) {
      release();
      throw failed.reason;
    }
    return {
      uploadedBytes: missing.reduce((sum, blob) => sum + blob.sizeBytes, 0),
      location: (digest) => {
        const resident = held.get(digest);
        if (resident === undefined) throw new RangeError(`No weight ${digest} in this lease`);
        return { gpu: resident.slab.buffer.gpu, offset: resident.offset };
      },
      [Symbol.dispose]: release,
    };
  }

  #place(blobs: readonly WeightBlob[]): void {
    const alignment = this.#device.limits.minStorageBufferOffsetAlignment;
    const plans: { blobs: { blob: WeightBlob; offset: number }[]; sizeBytes: number }[] = [];
    for (const blob of blobs) {
      let plan = plans.at(-1);
      const offset = plan === undefined ? 0 : Math.ceil(plan.sizeBytes / alignment) * alignment;
      if (plan === undefined || offset + blob.sizeBytes > slabBytes) {
        plan = { blobs: [], sizeBytes: 0 };
        plans.push(plan);
      }
      const at = plan.blobs.length === 0 ? 0 : offset;
      plan.blobs.push({ blob, offset: at });
      plan.sizeBytes = at + blob.sizeBytes;
    }
    const slabs: Slab[] = [];
    try {
      for (const { sizeBytes, blobs: members } of plans) {
        const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
        slabs.push({
          buffer: this.#ledger.createBuffer("weight", { size: sizeBytes, usage }),
          residents: members.length,
        });
      }
    } catch (error) {
      for (const slab of slabs) slab.buffer.destroy();
      throw error;
    }
    let previous: Promise<unknown> = Promise.resolve();
    plans.forEach((plan, i) => {
      for (const { blob, offset } of plan.blobs) {
        const slab = slabs[i]!;
        const uploaded = previous.then(() => this.#upload(blob, slab.buffer.gpu, offset));
        // One after another, so that the first weights to be used arrive first.
        previous = uploaded.catch(() => undefined);
        this.#residents.set(blob.digest, { slab, offset, uploaded, holders: 0 });
      }
    });
  }

  async #upload(blob: WeightBlob, target: GPUBuffer, offset: number): Promise<void> {
    for (let done = 0; done < blob.sizeBytes; done += chunkBytes) {
      const chunk = new Uint8Array(Math.min(chunkBytes, blob.sizeBytes - done));
      await this.#source.read(blob.digest, done, chunk);
      this.#device.queue.writeBuffer(target, offset + done, chunk);
    }
  }

  #release(digest: string, resident: Resident): void {
    if (--resident.holders > 0) return;
    if (this.#residents.get(digest) === resident) this.#residents.delete(digest);
    if (--resident.slab.residents === 0) resident.slab.buffer.destroy();
  }
}

/** Weights held in memory: tests, and pages that got them over the network. */
export class MemoryWeights implements WeightSource {
  readonly #blobs: ReadonlyMap<string, Uint8Array>;

  constructor(blobs: ReadonlyMap<string, Uint8Array>) {
    this.#blobs = blobs;
  }

  async read(digest: string, offset: number, target: Uint8Array): Promise<void> {
    const blob = this.#blobs.get(digest);
    if (blob === undefined) throw new DawnletError("NOT_FOUND", `No weight with digest ${digest}`);
    if (offset + target.byteLength > blob.byteLength)
      throw new DawnletError(
        "CORRUPT_DATA",
        `Weight ${digest} has ${blob.byteLength} bytes, fewer than its Program states`,
      );
    target.set(blob.subarray(offset, offset + target.byteLength));
  }
}
