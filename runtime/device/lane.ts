/**
 * A lane: one set of activation slots. Programs that run in the same lane use the same memory one after the
 * other; Programs that run at the same time use different lanes. Slots are separate buffers, because WebGPU
 * forbids binding one buffer both read-only and writable in a dispatch. They grow to the largest Program.
 *
 * A lane remembers whose bytes are in it. A Program that finds another's clears what it could see of them (its takeover),
 * however well it is known: what a shader reads beyond its tensor is decided by its inputs.
 */
import type { CountedBuffer, Ledger } from "./ledger.ts";

/** Who uses a lane: a Program. */
export interface LaneUser {
  /** The device has found nothing wrong with its commands. */
  readonly isProven: boolean;
}

export class Lane {
  readonly index: number;
  /** Changes when a slot's buffer is replaced: bind groups made before are stale. */
  version = 0;
  readonly #ledger: Ledger;
  readonly #slots: CountedBuffer[] = [];
  readonly #keepsLeftovers: boolean;
  /** Nobody else's bytes are where it can see them. */
  #user: LaneUser | undefined;

  /** @param keepsLeftovers nobody takes over. */
  constructor(index: number, ledger: Ledger, keepsLeftovers = false) {
    this.index = index;
    this.#ledger = ledger;
    this.#keepsLeftovers = keepsLeftovers;
  }

  /** To be called before anything of a run is written. */
  enter(user: LaneUser): void {
    if (this.#user !== user) this.#user = undefined;
  }

  /** Whether the next commands of this user have to take over. */
  isLeftByOthers(user: LaneUser): boolean {
    return !this.#keepsLeftovers && this.#user !== user;
  }

  /** Its commands were submitted, the takeover among them. They may be refused as a whole while they are not proven. */
  submitted(user: LaneUser): void {
    if (user.isProven) this.#user = user;
  }

  /**
   * Makes slot `i` at least `slotBytes[i]` large.
   * @throws DawnletError OUT_OF_MEMORY, LIMIT_EXCEEDED; the slots replaced until then stay replaced.
   */
  reserve(slotBytes: readonly number[]): void {
    if (this.holds(slotBytes)) return;
    // Nobody is to go, and nothing to be given back, for what cannot be.
    this.#ledger.checkBudget(
      "activation",
      slotBytes.reduce((sum, sizeBytes) => sum + sizeBytes, 0),
    );
    slotBytes.forEach((sizeBytes, i) => {
      const old = this.#slots[i];
      if (old !== undefined && old.sizeBytes >= sizeBytes) return;
      this.version++;
      // First give back, then take: growing must not need both at once. Work already submitted keeps its memory.
      if (old !== undefined) old.destroy();
      const usage =
        GPUBufferUsage.STORAGE | GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
      delete this.#slots[i];
      this.#slots[i] = this.#ledger.createBuffer("activation", { size: sizeBytes, usage });
    });
  }

  /** Whether `reserve` has nothing to do. */
  holds(slotBytes: readonly number[]): boolean {
    return slotBytes.every((sizeBytes, i) => {
      const slot = this.#slots[i];
      return slot !== undefined && slot.sizeBytes >= sizeBytes;
    });
  }

  slot(index: number): GPUBuffer {
    const slot = this.#slots[index];
    if (slot === undefined) throw new RangeError(`Lane ${this.index} has no slot ${index}`);
    return slot.gpu;
  }

  /** Gives all memory back. */
  clear(): void {
    this.version++;
    this.#user = undefined;
    for (const slot of this.#slots.splice(0)) slot?.destroy();
  }
}
