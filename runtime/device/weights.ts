/**
 * Weights on the device, by digest: uploaded once whichever Programs read them, kept while one of them is loaded.
 * The missing weights of a load go together into read-only slabs; a slab is destroyed with its last weight.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { WeightSource } from "./api.ts";
import type { CountedBuffer, Ledger } from "./ledger.ts";
import { Uploader, type UploadPiece } from "./upload.ts";

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

interface PlacedBlob {
  readonly blob: WeightBlob;
  readonly offset: number;
}

/** A slab's usual size; a weight that is larger gets a slab of its own. */
const slabBytes = 64 * 2 ** 20;

export class Weights {
  readonly #device: GPUDevice;
  readonly #ledger: Ledger;
  readonly #uploader: Uploader;
  readonly #residents = new Map<string, Resident>();

  constructor(device: GPUDevice, ledger: Ledger, source: WeightSource) {
    this.#device = device;
    this.#ledger = ledger;
    this.#uploader = new Uploader(device.queue, source);
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
    const plans = planSlabs(blobs, this.#device.limits.minStorageBufferOffsetAlignment);
    const slabs: Slab[] = [];
    try {
      for (const { sizeBytes, members } of plans) {
        const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
        const buffer = this.#ledger.createBuffer("weight", { size: sizeBytes, usage });
        slabs.push({ buffer, residents: members.length });
      }
    } catch (error) {
      for (const slab of slabs) slab.buffer.destroy();
      throw error;
    }
    const pieces: UploadPiece[] = [];
    const uploaded = Promise.resolve().then(() => this.#uploader.upload(pieces));
    for (const [i, { members }] of plans.entries()) {
      const slab = slabs[i]!;
      for (const { blob, offset } of members) {
        pieces.push(...Uploader.pieces(blob.digest, blob.sizeBytes, slab.buffer.gpu, offset));
        this.#residents.set(blob.digest, { slab, offset, uploaded, holders: 0 });
      }
    }
  }

  #release(digest: string, resident: Resident): void {
    if (--resident.holders > 0) return;
    if (this.#residents.get(digest) === resident) this.#residents.delete(digest);
    if (--resident.slab.residents === 0) resident.slab.buffer.destroy();
  }
}

/** Packs blobs into slabs, in the order given, each at an offset that can be bound. */
function planSlabs(
  blobs: readonly WeightBlob[],
  alignment: number,
): { members: PlacedBlob[]; sizeBytes: number }[] {
  const plans: { members: PlacedBlob[]; sizeBytes: number }[] = [];
  for (const blob of blobs) {
    let plan = plans.at(-1);
    let offset = plan === undefined ? 0 : Math.ceil(plan.sizeBytes / alignment) * alignment;
    if (plan === undefined || offset + blob.sizeBytes > slabBytes) {
      plan = { members: [], sizeBytes: 0 };
      plans.push(plan);
      offset = 0;
    }
    plan.members.push({ blob, offset });
    plan.sizeBytes = offset + blob.sizeBytes;
  }
  return plans;
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
