/**
 * Tensors that one caller inside the gateway holds between its calls, under numbers that mean nothing to another: one
 * holder an isolate. It frees what is released, and all of it in the end; what a call is using it frees after the call.
 * Bytes that a fallback has given are held just as well.
 */
import { getLogger } from "@logtape/logtape";
import { DawnletError } from "../../kernels/errors.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import type { DeviceTensor } from "../../runtime/supervisor/device-tensor.ts";
import { asBytes, type CallTensor, isHeld, sizeBytesOf, type TensorSource } from "./call-tensor.ts";

export interface HeldTensorsOptions {
  readonly device: TensorSource & { releaseTensors(tensors: readonly DeviceTensor[]): Promise<void> };
  /** Of all tensors that are held at a time. */
  readonly budgetBytes: number;
}

/** Tensors that stay until this is disposed, also where they are released meanwhile. */
export interface TensorUse extends Disposable {
  /** In the order in which they were asked for. */
  readonly tensors: readonly CallTensor[];
}

interface Entry {
  readonly tensor: CallTensor;
  users: number;
  isReleased: boolean;
}

/** What each counts for at least, so that those without bytes come to an end too. */
const leastBytes = 1024;
const log = getLogger(["dawnlet", "memory"]);

export class HeldTensors {
  readonly #options: HeldTensorsOptions;
  readonly #entries = new Map<number, Entry>();
  #usedBytes = 0;
  #count = 0;
  #isDisposed = false;

  constructor(options: HeldTensorsOptions) {
    this.#options = options;
  }

  /** Released ones count until the last call that uses them has ended. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /**
   * Takes a tensor over from a call that has kept it. @returns its number.
   * @throws DawnletError as `addAll`.
   */
  add(tensor: CallTensor): number {
    return this.addAll([tensor])[0]!;
  }

  /**
   * Takes all or none; those that it does not take it releases.
   * @throws DawnletError OUT_OF_MEMORY over the budget; CANCELLED after `disposeAll`.
   */
  addAll(tensors: readonly CallTensor[]): readonly number[] {
    try {
      this.#admit(tensors);
    } catch (error) {
      this.#free(tensors);
      throw error;
    }
    return tensors.map((tensor) => {
      const id = ++this.#count;
      this.#entries.set(id, { tensor, users: 0, isReleased: false });
      this.#usedBytes += costOf(tensor);
      return id;
    });
  }

  /** For its data type and shape; a call takes it by `use`. @throws DawnletError NOT_FOUND. */
  get(id: number): CallTensor {
    return this.#entry(id).tensor;
  }

  /** @throws DawnletError NOT_FOUND, and nothing is used then. */
  use(ids: readonly number[]): TensorUse {
    const entries = ids.map((id) => this.#entry(id));
    for (const entry of entries) entry.users++;
    let isOver = false;
    return {
      tensors: entries.map(({ tensor }) => tensor),
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        for (const entry of entries) entry.users--;
        this.#freeUnused(new Set(entries));
      },
    };
  }

  /** @throws DawnletError NOT_FOUND; DEVICE_LOST where it went with its device; OUT_OF_MEMORY. */
  async read(id: number): Promise<Tensor> {
    using used = this.use([id]);
    return await asBytes(used.tensors[0]!, this.#options.device);
  }

  /** What is not held is ignored. */
  release(id: number): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    entry.isReleased = true;
    this.#freeUnused([entry]);
  }

  /** Releases all; what calls that are still running bring is released as it comes. */
  disposeAll(): void {
    this.#isDisposed = true;
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    for (const entry of entries) entry.isReleased = true;
    this.#freeUnused(entries);
  }

  #entry(id: number): Entry {
    const entry = this.#entries.get(id);
    if (entry !== undefined) return entry;
    throw new DawnletError("NOT_FOUND", `Cannot use tensor ${id} as it is not held here: it was released`);
  }

  #admit(tensors: readonly CallTensor[]): void {
    if (this.#isDisposed)
      throw new DawnletError("CANCELLED", "Cannot hold tensors for a caller that has ended");
    const { budgetBytes } = this.#options;
    const neededBytes = tensors.reduce((sum, tensor) => sum + costOf(tensor), this.#usedBytes);
    if (neededBytes > budgetBytes)
      throw new DawnletError(
        "OUT_OF_MEMORY",
        `Cannot hold ${neededBytes} bytes of tensors as ${budgetBytes} are allowed: release those that are not needed any more`,
      );
  }

  #freeUnused(entries: Iterable<Entry>): void {
    const unused = [...entries].filter(({ users, isReleased }) => users === 0 && isReleased);
    for (const { tensor } of unused) this.#usedBytes -= costOf(tensor);
    this.#free(unused.map(({ tensor }) => tensor));
  }

  #free(tensors: readonly CallTensor[]): void {
    const held = tensors.filter(isHeld).map((tensor) => tensor.held);
    if (held.length === 0) return;
    // A device that is gone holds nothing.
    this.#options.device
      .releaseTensors(held)
      .catch((error: unknown) => log.debug("tensors were not released: {error}", { error }));
  }
}

function costOf(tensor: CallTensor): number {
  return Math.max(leastBytes, sizeBytesOf(tensor));
}
