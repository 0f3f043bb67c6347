/**
 * ORT keeps its heap in shared memory, from which Dawn's Node binding refuses to write. For devices that no
 * Recorder watches.
 */

/** Makes the queue of one device copy what lies in shared memory before it is written. */
export function acceptSharedMemory({ queue }: GPUDevice): void {
  const write = queue.writeBuffer.bind(queue);
  queue.writeBuffer = (buffer, offset, source, at = 0, size) => {
    const memory = ArrayBuffer.isView(source) ? source.buffer : source;
    if (memory instanceof ArrayBuffer) {
      write(buffer, offset, source, at, size);
      return;
    }
    const view = source as Uint8Array;
    write(buffer, offset, new Uint8Array(view.subarray(at, size === undefined ? undefined : at + size)));
  };
}
