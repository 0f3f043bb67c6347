/**
 * Reads tensors that stay on the device, in pieces, so that a large one needs little staging memory where weights have
 * taken the rest. It knows nothing of rounds; the queue works in the order of submission.
 */
import { alignTo4 } from "../../kernels/tensor.ts";
import type { KeptTensor } from "./kept-tensors.ts";
import type { ReadbackPool } from "./readback.ts";

/** A power of two, as staging buffers are. */
const pieceBytes = 16 * 2 ** 20;

export class TensorReader {
  readonly #device: GPUDevice;
  readonly #readback: ReadbackPool;

  constructor(device: GPUDevice, readback: ReadbackPool) {
    this.#device = device;
    this.#readback = readback;
  }

  /** @throws DawnletError OUT_OF_MEMORY; an error of mapping where the device was lost. */
  async read(tensor: KeptTensor): Promise<Uint8Array> {
    const { gpu, sizeBytes } = tensor;
    const bytes = new Uint8Array(sizeBytes);
    if (gpu === undefined) return bytes;
    tensor.retain();
    try {
      for (let offset = 0; offset < sizeBytes; offset += pieceBytes)
        await this.#readPiece(gpu, offset, bytes.subarray(offset, offset + pieceBytes));
    } finally {
      tensor.letGo();
    }
    return bytes;
  }

  async #readPiece(gpu: GPUBuffer, offset: number, target: Uint8Array): Promise<void> {
    const copyBytes = alignTo4(target.byteLength);
    const staging = this.#readback.take(copyBytes);
    try {
      const encoder = this.#device.createCommandEncoder();
      encoder.copyBufferToBuffer(gpu, offset, staging.gpu, 0, copyBytes);
      this.#device.queue.submit([encoder.finish()]);
      await staging.gpu.mapAsync(GPUMapMode.READ, 0, copyBytes);
      target.set(new Uint8Array(staging.gpu.getMappedRange(0, copyBytes)).subarray(0, target.byteLength));
      staging.gpu.unmap();
    } catch (error) {
      staging.destroy();
      throw error;
    }
    this.#readback.give(staging);
  }
}
