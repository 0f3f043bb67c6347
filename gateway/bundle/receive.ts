/**
 * An upload on its way into the store: streamed, hashed and limited as it arrives, never held in memory.
 * What the bytes are is found out afterwards, in detect.ts.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { Upload } from "../functions/functions.ts";
import type { StoredBlob } from "../store/blobs.ts";
import type { Store } from "../store/store.ts";

/**
 * Stores an upload's bytes as a blob. Nothing stays where it fails.
 * @throws DawnletError PAYLOAD_TOO_LARGE as soon as the limit is passed; INVALID_ARGUMENT where the body is
 * empty or breaks off; UNAVAILABLE where the disk refuses; what `onReceived` throws.
 * @param onReceived hears how many bytes have come, before they are stored.
 */
export async function receiveUpload(
  upload: Upload,
  store: Store,
  limits: { readonly uploadBytes: number },
  onReceived: (receivedBytes: number) => void = () => {},
): Promise<StoredBlob> {
  return store.blobs.putStream(readBody(upload.body, onReceived), { limitBytes: limits.uploadBytes });
}

async function* readBody(
  body: ReadableStream<Uint8Array>,
  onReceived: (receivedBytes: number) => void,
): AsyncGenerator<Uint8Array, void> {
  const reader = body.getReader();
  let received = 0;
  let isOver = false;
  try {
    for (;;) {
      const { done, value } = await nextChunk(reader, received);
      if (done) break;
      received += value.byteLength;
      onReceived(received);
      yield value;
    }
    isOver = true;
  } finally {
    // Left early by the reader's side, such as at the limit: the client need not send the rest.
    if (!isOver) await reader.cancel().catch(() => undefined);
    reader.releaseLock();
  }
  if (received === 0) throw new DawnletError("INVALID_ARGUMENT", "Cannot deploy as the body is empty");
}

async function nextChunk(reader: ReadableStreamDefaultReader<Uint8Array>, received: number) {
  try {
    return await reader.read();
  } catch (error) {
    if (error instanceof DawnletError) throw error;
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Cannot store the upload as it is truncated: it broke off after ${received} bytes. Send it again`,
      { cause: error },
    );
  }
}
