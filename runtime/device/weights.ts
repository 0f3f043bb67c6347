/**
 * Weights on the device, by digest: placed and uploaded once whichever Programs read them, kept while one of them is
 * resident. They lie in slabs, a few large read-only buffers that stay when weights come and go: memory that was
 * used before is several times faster to write than fresh memory. slab-heap.ts says where in them.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { WeightSource } from "./api.ts";
import { heap, PinnedMemory } from "./host-memory.ts";
import type { HostTier } from "./host-tier.ts";
import type { CountedBuffer, Ledger } from "./ledger.ts";
import { reservedBytes } from "./reserve.ts";
import { SlabHeap, type SlabPlacement } from "./slab-heap.ts";
import { Uploader } from "./upload.ts";
import { measureUpload, openUploadPath, type UploadChoice, type UploadPath } from "./upload-path.ts";

export interface WeightBlob {
  readonly digest: string;
  readonly sizeBytes: number;
}

export interface WeightLocation {
  readonly gpu: GPUBuffer;
  readonly offset: number;
}

/** A hold on the weights of one Program, in the order in which it reads them. */
export interface WeightsLease extends Disposable {
  /** Bytes that this load moves; 0 when others had brought everything. */
  readonly uploadedBytes: number;
  /** How many, from the first on, are there: what is submitted now sees them. */
  readonly written: number;
  /** Waits until `written` is at least `count`. @throws what the store throws. */
  whenWritten(count: number): Promise<void>;
  /** Until it is disposed, the weights are not moved. */
  holdInPlace(): Disposable;
  location(digest: string): WeightLocation;
}

interface Resident {
  placement: SlabPlacement;
  isWritten: boolean;
  readonly whenWritten: Promise<void>;
  holders: number;
  /** While above 0 it must stay where it is. */
  fixed: number;
}

/** The largest slab, but for a weight that is larger still; of a small budget no slab takes more than a sixteenth. */
const maxSlabBytes = 64 * 2 ** 20;
const minSlabBytes = 2 ** 20;

export class Weights {
  /** Changes when weights were moved: bind groups made before are stale. */
  version = 0;
  readonly #device: GPUDevice;
  readonly #ledger: Ledger;
  readonly #host: HostTier;
  readonly #uploader: Uploader;
  #path: UploadPath;
  readonly #alignment: number;
  readonly #maxSlabBytes: number;
  readonly #heap: SlabHeap;
  readonly #slabs = new Map<number, CountedBuffer>();
  readonly #residents = new Map<string, Resident>();
  readonly #byPlacement = new Map<SlabPlacement, Resident>();

  constructor(device: GPUDevice, ledger: Ledger, host: HostTier, upload: UploadChoice) {
    this.#device = device;
    this.#ledger = ledger;
    this.#host = host;
    this.#path = openUploadPath(device, ledger, upload);
    this.#uploader = new Uploader(device, host, this.#path, upload);
    this.#keepIn(upload);
    this.#alignment = device.limits.minStorageBufferOffsetAlignment;
    const share = powerOfTwo(ledger.budgetBytes / 16);
    this.#maxSlabBytes = Math.min(maxSlabBytes, Math.max(minSlabBytes, share));
    this.#heap = new SlabHeap({ alignment: this.#alignment });
    ledger.onPressure((neededBytes) => this.#relieve(neededBytes));
  }

  /** Bytes of weights that are placed; the slabs around them are counted by the ledger. */
  get placedBytes(): number {
    return this.#heap.usedBytes;
  }

  /**
   * Places what is missing, all or nothing, and begins to upload it in the order given.
   * @throws DawnletError OUT_OF_MEMORY, with `neededBytes`; LIMIT_EXCEEDED for one that no buffer can hold.
   */
  acquire(blobs: readonly WeightBlob[]): WeightsLease {
    const unique = [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
    const missing = unique.filter((blob) => !this.#residents.has(blob.digest));
    this.#placeAndUpload(missing);
    const held = new Map(unique.map(({ digest }) => [digest, this.#residents.get(digest)!]));
    for (const resident of held.values()) resident.holders++;
    return new Lease(
      this.#slabs,
      held,
      missing.reduce((sum, blob) => sum + blob.sizeBytes, 0),
      (digest, resident) => this.#release(digest, resident),
    );
  }

  /** How weights are uploaded from now on. @throws DawnletError OUT_OF_MEMORY for staging memory. */
  useUpload(choice: UploadChoice): void {
    const path = openUploadPath(this.#device, this.#ledger, choice);
    this.#path.destroy();
    this.#path = path;
    this.#uploader.change(path, choice);
    this.#keepIn(choice);
  }

  /** @throws DawnletError OUT_OF_MEMORY where the budget has no room for a measurement now. */
  measureUpload(): Promise<UploadChoice> {
    return measureUpload(this.#device, this.#ledger);
  }

  #keepIn({ isPinned }: UploadChoice): void {
    this.#host.use(isPinned ? new PinnedMemory(this.#device) : heap);
  }

  /** Gives slabs back that hold nothing. */
  trim(): void {
    for (const id of this.#heap.emptySlabs()) {
      this.#heap.removeSlab(id);
      this.#slabs.get(id)!.destroy();
      this.#slabs.delete(id);
    }
  }

  #placeAndUpload(blobs: readonly WeightBlob[]): void {
    if (blobs.length === 0) return;
    const placements = this.#place(blobs.map(({ sizeBytes }) => sizeBytes));
    const placed = blobs.map((blob, i) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      // Its holders hear of a failure; where there is none, nobody does.
      promise.catch(() => undefined);
      const resident: Resident = {
        placement: placements[i]!,
        isWritten: false,
        whenWritten: promise,
        holders: 0,
        fixed: 0,
      };
      this.#residents.set(blob.digest, resident);
      this.#byPlacement.set(resident.placement, resident);
      return { blob, resident, resolve, reject };
    });
    const uploads = placed.map(({ blob, resident, resolve }) => ({
      ...blob,
      to: this.#slabs.get(resident.placement.slab)!.gpu,
      toOffset: resident.placement.offset,
      isWanted: () => resident.holders > 0,
      onWritten: () => {
        resident.isWritten = true;
        resolve();
      },
    }));
    const fail = (error: unknown) => {
      for (const { blob, resident, reject } of placed) {
        if (resident.isWritten) continue;
        // The next who asks for it tries again.
        if (this.#residents.get(blob.digest) === resident) this.#residents.delete(blob.digest);
        reject(error);
      }
    };
    const left = new DawnletError("CANCELLED", "The load was given up");
    // Not before the caller holds them.
    Promise.resolve()
      .then(() => this.#uploader.upload(uploads))
      .then(() => fail(left), fail);
  }

  #place(sizes: readonly number[]): readonly SlabPlacement[] {
    const alone = sizes.map((size) => [size]);
    const placements =
      this.#heap.place(sizes) ??
      this.#placeGroups(this.#pack(sizes), (group) => this.#grow(group)) ??
      (this.#compact(sizes) ? this.#heap.place(sizes) : undefined) ??
      // Slabs that are empty and yet of no use, being too small, make room for others.
      this.#placeGroups(
        alone,
        (group) => this.#grow(group) || this.#compact(group) || this.#replaceEmpty(group),
      );
    if (placements !== undefined) return placements;
    const extents = sizes.map((size) => alignUp(size, this.#alignment));
    const total = extents.reduce((sum, extent) => sum + extent, 0);
    const free = this.#heap.freeBytes + Math.max(0, this.#ledger.freeBytes - this.#reserve);
    // Where enough is free, but in pieces, the largest weight is what finds no place.
    const missing = Math.max(total - free, Math.max(...extents) - this.#heap.largestFreeBytes);
    throw new DawnletError(
      "OUT_OF_MEMORY",
      `Cannot place ${total} bytes of weights: ${free} of the budget of ${this.#ledger.budgetBytes} bytes are free, and not in one piece`,
      { details: { neededBytes: Math.max(this.#alignment, missing) } },
    );
  }

  /** Sizes that go together into a slab, in the order given. */
  #pack(sizes: readonly number[]): readonly (readonly number[])[] {
    const groups: number[][] = [];
    let bytes = Number.POSITIVE_INFINITY;
    for (const size of sizes) {
      const extent = alignUp(size, this.#alignment);
      if (bytes + extent > this.#maxSlabBytes) {
        groups.push([]);
        bytes = 0;
      }
      groups.at(-1)!.push(size);
      bytes += extent;
    }
    return groups;
  }

  /** @param makeRoom called where a group does not fit; says whether it may now. */
  #placeGroups(
    groups: readonly (readonly number[])[],
    makeRoom: (group: readonly number[]) => boolean,
  ): readonly SlabPlacement[] | undefined {
    const placed: SlabPlacement[] = [];
    for (const group of groups) {
      const placements = this.#heap.place(group) ?? (makeRoom(group) ? this.#heap.place(group) : undefined);
      if (placements === undefined) {
        for (const placement of placed) this.#heap.free(placement);
        return undefined;
      }
      placed.push(...placements);
    }
    return placed;
  }

  /** Adds a slab that takes the group, where the budget has room for it. */
  #grow(group: readonly number[]): boolean {
    const needed = group.reduce((sum, size) => sum + alignUp(size, this.#alignment), 0);
    // They grow with what is there: few for much, small ones for little.
    const usual = Math.min(
      this.#maxSlabBytes,
      Math.max(minSlabBytes, powerOfTwo(this.#heap.capacityBytes / 2)),
    );
    // Where nothing else lies, a Program may have all there is.
    const room = this.#ledger.freeBytes - (this.#heap.usedBytes > 0 ? this.#reserve : 0);
    const fits = (size: number) => size <= room && size <= this.#device.limits.maxBufferSize;
    const sizeBytes = fits(Math.max(needed, usual)) ? Math.max(needed, usual) : needed;
    if (!fits(sizeBytes)) return false;
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    const buffer = this.#ledger.createBuffer("weight", { size: sizeBytes, usage });
    this.#slabs.set(this.#heap.addSlab(sizeBytes), buffer);
    return true;
  }

  /** Free bytes that slabs leave to activations, constants and staging: those come and go with every round. */
  get #reserve(): number {
    const { budgetBytes, totalBytes } = this.#ledger;
    const others = totalBytes - this.#ledger.bytes("weight");
    return reservedBytes(budgetBytes, others) - others;
  }

  #replaceEmpty(group: readonly number[]): boolean {
    this.trim();
    return this.#grow(group);
  }

  /** Makes one hole of many by copies on the device, which are fast against an upload. */
  #compact(sizes: readonly number[]): boolean {
    const canMove = (placement: SlabPlacement) => {
      const resident = this.#byPlacement.get(placement);
      return resident?.isWritten === true && resident.fixed === 0;
    };
    const moves = this.#heap.planRoom(sizes, { canMove });
    if (moves === undefined) return false;
    const encoder = this.#device.createCommandEncoder();
    for (const move of moves) {
      const { from, to } = move;
      const size = alignUp(from.sizeBytes, 4);
      encoder.copyBufferToBuffer(this.#gpu(from), from.offset, this.#gpu(to), to.offset, size);
      this.#heap.applyMove(move);
      const resident = this.#byPlacement.get(from)!;
      this.#byPlacement.delete(from);
      resident.placement = to;
      this.#byPlacement.set(to, resident);
    }
    this.#device.queue.submit([encoder.finish()]);
    this.version++;
    return true;
  }

  /** Gives slabs back for buffers of other kinds: empty ones, and then such as can be emptied into the others. */
  #relieve(neededBytes: number): void {
    const goal = Math.min(this.#ledger.freeBytes + neededBytes, this.#ledger.budgetBytes);
    this.trim();
    while (this.#ledger.freeBytes < goal) {
      const slab = this.#emptiestSlab();
      // In one piece of its size nothing else lies: the others take what lies there now.
      if (slab === undefined || !this.#compact([slab.sizeBytes])) return;
      const before = this.#ledger.freeBytes;
      this.trim();
      if (this.#ledger.freeBytes === before) return;
    }
  }

  #emptiestSlab(): { readonly sizeBytes: number; readonly usedBytes: number } | undefined {
    const slabs = [...this.#slabs.keys()].map((id) => this.#heap.slab(id));
    const [emptiest] = slabs.sort((a, b) => a.usedBytes - b.usedBytes);
    return emptiest !== undefined && this.#heap.freeBytes >= emptiest.sizeBytes ? emptiest : undefined;
  }

  #gpu({ slab }: SlabPlacement): GPUBuffer {
    return this.#slabs.get(slab)!.gpu;
  }

  #release(digest: string, resident: Resident): void {
    if (--resident.holders > 0) return;
    if (this.#residents.get(digest) === resident) this.#residents.delete(digest);
    // What is still being written there is written before anything that comes in its place.
    this.#byPlacement.delete(resident.placement);
    this.#heap.free(resident.placement);
  }
}

class Lease implements WeightsLease {
  readonly uploadedBytes: number;
  readonly #slabs: ReadonlyMap<number, CountedBuffer>;
  readonly #held: ReadonlyMap<string, Resident>;
  readonly #inOrder: readonly Resident[];
  readonly #release: (digest: string, resident: Resident) => void;
  #written = 0;
  #isHeld = true;

  constructor(
    slabs: ReadonlyMap<number, CountedBuffer>,
    held: ReadonlyMap<string, Resident>,
    uploadedBytes: number,
    release: (digest: string, resident: Resident) => void,
  ) {
    this.#slabs = slabs;
    this.#held = held;
    this.#inOrder = [...held.values()];
    this.uploadedBytes = uploadedBytes;
    this.#release = release;
  }

  get written(): number {
    while (this.#inOrder[this.#written]?.isWritten) this.#written++;
    return this.#written;
  }

  async whenWritten(count: number): Promise<void> {
    for (let next = this.written; next < count; next = this.written) await this.#inOrder[next]!.whenWritten;
  }

  holdInPlace(): Disposable {
    for (const resident of this.#inOrder) resident.fixed++;
    return {
      [Symbol.dispose]: () => {
        for (const resident of this.#inOrder) resident.fixed--;
      },
    };
  }

  location(digest: string): WeightLocation {
    const resident = this.#held.get(digest);
    if (resident === undefined) throw new RangeError(`No weight ${digest} in this lease`);
    const { slab, offset } = resident.placement;
    return { gpu: this.#slabs.get(slab)!.gpu, offset };
  }

  [Symbol.dispose](): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    for (const [digest, resident] of this.#held) this.#release(digest, resident);
  }
}

function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}

/** The largest power of two that is not above the value; 1 at least. */
function powerOfTwo(value: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(1, value)));
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
