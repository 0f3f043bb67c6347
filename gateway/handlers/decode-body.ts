/**
 * The body of an answer as `fetch` gives it: decompressed, within a limit, and with word of when it is over. A coding
 * that the runtime cannot undo stays, and so does the header that names it.
 */
import { DawnletError } from "../../kernels/errors.ts";

type Body = ReadableStream<Uint8Array<ArrayBuffer>>;

/** Fed in pieces of this size, as some runtimes decompress a piece at once, and 1 byte may become 1,000. */
const pieceBytes = 4096;

const formats: Readonly<Record<string, string>> = {
  gzip: "gzip",
  "x-gzip": "gzip",
  deflate: "deflate",
  // Not in every runtime yet.
  br: "brotli",
};

/**
 * The body without its `content-encoding`, and the headers that then fit it.
 * @param headers is changed.
 */
export function decodeBody(body: Body, headers: Headers): Body {
  const format = formats[(headers.get("content-encoding") ?? "").trim().toLowerCase()];
  const decompressor = format === undefined ? undefined : openDecompressor(format);
  if (decompressor === undefined) return body;
  headers.delete("content-encoding");
  headers.delete("content-length");
  return body.pipeThrough(inPieces()).pipeThrough(decompressor);
}

/** @returns undefined where the runtime does not know the format. */
function openDecompressor(
  format: string,
): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> | undefined {
  try {
    return new DecompressionStream(format as CompressionFormat) as TransformStream<
      Uint8Array<ArrayBuffer>,
      Uint8Array<ArrayBuffer>
    >;
  } catch {
    return undefined;
  }
}

function inPieces(): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  return new TransformStream({
    transform(bytes, controller) {
      for (let at = 0; at < bytes.byteLength; at += pieceBytes)
        controller.enqueue(bytes.subarray(at, at + pieceBytes));
    },
  });
}

export interface BodyWatch {
  readonly limitBytes: number;
  /** What the body ends with where it is longer. */
  tooLarge(): DawnletError;
  /** What it ends with where it breaks off, unless that is a DawnletError already. */
  broken(cause: unknown): DawnletError;
  /** Called once, when the body has ended, failed or been cancelled. */
  over(): void;
}

export function watchBody(body: Body, watch: BodyWatch): Body {
  const reader = body.getReader();
  let leftBytes = watch.limitBytes;
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (done) {
            watch.over();
            return controller.close();
          }
          leftBytes -= value.byteLength;
          if (leftBytes < 0) throw watch.tooLarge();
          controller.enqueue(value);
        } catch (cause) {
          watch.over();
          const error = cause instanceof DawnletError ? cause : watch.broken(cause);
          controller.error(error);
          reader.cancel(error).catch(() => {});
        }
      },
      cancel(reason) {
        watch.over();
        return reader.cancel(reason);
      },
    },
    // Read when asked for: the connection reads ahead.
    { highWaterMark: 0 },
  );
}
