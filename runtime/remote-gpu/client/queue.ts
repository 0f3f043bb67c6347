/** The queue of a remote device. What is written is copied at once, as its caller may change it afterwards. */
import { command } from "../protocol.ts";
import type { Connection } from "./connection.ts";
import { notSupported } from "./errors.ts";
import { optionalSize64, size64 } from "./numbers.ts";
import { idOf, RemoteCommandBuffer } from "./objects.ts";

/** A message has an end. */
const pieceBytes = 64 * 2 ** 20;

export class RemoteQueue implements GPUQueue {
  declare readonly __brand: "GPUQueue";
  label = "";
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  submit(commandBuffers: Iterable<GPUCommandBuffer>): undefined {
    const buffers = [...commandBuffers];
    const ids = buffers.map((buffer) => idOf(buffer, "command buffer", this.#connection));
    const words = this.#connection.begin(command.submit);
    words.word(ids.length);
    for (const id of ids) words.word(id);
    this.#connection.end();
    this.#connection.flushSoon();
    for (const buffer of buffers) if (buffer instanceof RemoteCommandBuffer) buffer.uses = [];
  }

  writeBuffer(
    buffer: GPUBuffer,
    bufferOffset: GPUSize64,
    data: GPUAllowSharedBufferSource,
    dataOffset: GPUSize64 = 0,
    size?: GPUSize64,
  ): undefined {
    const id = idOf(buffer, "buffer", this.#connection);
    const to = size64(bufferOffset, "bufferOffset");
    const bytes = bytesOf(data, size64(dataOffset, "dataOffset"), optionalSize64(size, "size"));
    if (bytes.byteLength % 4 !== 0)
      throw new DOMException(
        `Cannot write ${bytes.byteLength} bytes: a multiple of 4 is wanted`,
        "OperationError",
      );
    // At least once, so that the owner sees what is wrong with writing nothing.
    for (let at = 0; at === 0 || at < bytes.byteLength; at += pieceBytes) {
      const attachment = this.#connection.attach(bytes.slice(at, at + pieceBytes));
      const words = this.#connection.begin(command.writeBuffer);
      words.word(id);
      words.long(to + at);
      words.word(attachment);
      this.#connection.end();
    }
  }

  /** Resolves on a lost device too: no work is left. */
  async onSubmittedWorkDone(): Promise<undefined> {
    try {
      await this.#connection.request(command.workDone, () => {});
    } catch (error) {
      if (!this.#connection.isLost) throw error;
    }
  }

  writeTexture(): never {
    return notSupported("write to a texture");
  }

  copyExternalImageToTexture(): never {
    return notSupported("copy to a texture");
  }
}

/** Offset and size count elements of typed arrays, and bytes of anything else. */
function bytesOf(data: GPUAllowSharedBufferSource, offset: number, size: number | undefined): Uint8Array {
  const isView = ArrayBuffer.isView(data);
  const elementBytes = isView && "BYTES_PER_ELEMENT" in data ? Number(data.BYTES_PER_ELEMENT) : 1;
  const all = isView ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
  const from = offset * elementBytes;
  const length = size === undefined ? all.byteLength - from : size * elementBytes;
  if (length < 0 || from + length > all.byteLength)
    throw new DOMException(
      `Cannot write ${length} bytes from ${from}: the data has ${all.byteLength}`,
      "OperationError",
    );
  return all.subarray(from, from + length);
}
