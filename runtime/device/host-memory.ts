/**
 * What the host tier keeps bytes in. `heap` is ordinary memory, from which a driver copies on the CPU. `PinnedMemory`
 * is mappable GPUBuffers: a discrete GPU fetches from them by itself, and the CPU touches no byte of a swap-in.
 */

/** Memory for one blob. */
export interface HostAllocation {
  /** To be filled, and read from, until `seal`. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where the GPU copies from after `seal`; undefined: `bytes` stay what there is. */
  readonly gpu: GPUBuffer | undefined;
  /** All bytes are there. @returns whether the memory is; of a GPUBuffer that is known only now. */
  seal(): true | Promise<boolean>;
  /** Copies that were submitted still find the bytes. */
  free(): void;
}

export interface HostMemory {
  allocate(sizeBytes: number): HostAllocation;
}

export const heap: HostMemory = {
  allocate: (sizeBytes) => ({
    bytes: new Uint8Array(sizeBytes),
    gpu: undefined,
    seal: () => true,
    free: () => {},
  }),
};

export class PinnedMemory implements HostMemory {
  readonly #device: GPUDevice;
  /** The driver had no more of it, and none was given back since. */
  #isExhausted = false;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** From the heap where the driver does not give more of such memory. */
  allocate(sizeBytes: number): HostAllocation {
    const device = this.#device;
    const size = Math.ceil(sizeBytes / 4) * 4;
    if (this.#isExhausted || size > device.limits.maxBufferSize) return heap.allocate(sizeBytes);
    const usage = GPUBufferUsage.MAP_WRITE | GPUBufferUsage.COPY_SRC;
    device.pushErrorScope("out-of-memory");
    let gpu: GPUBuffer;
    try {
      gpu = device.createBuffer({ size, usage, mappedAtCreation: true });
    } catch {
      device.popErrorScope().catch(() => undefined);
      this.#isExhausted = true;
      return heap.allocate(sizeBytes);
    }
    const isThere = device.popErrorScope().then(
      (error) => {
        this.#isExhausted ||= error !== null;
        return error === null;
      },
      // The device is lost.
      () => false,
    );
    return {
      bytes: new Uint8Array(gpu.getMappedRange(), 0, sizeBytes),
      gpu,
      seal: () => {
        gpu.unmap();
        return isThere;
      },
      free: () => {
        gpu.destroy();
        this.#isExhausted = false;
      },
    };
  }
}
