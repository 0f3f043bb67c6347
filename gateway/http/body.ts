/**
 * Request bodies within a limit: read whole for calls, handed on as a stream for deploys.
 * The limit holds for `Content-Length` and again for the bytes that really arrive, after decompression,
 * so neither a lie in a header nor a compressed bomb gets past it.
 */
import { DawnletError } from "../../kernels/errors.ts";

/** Largest request bodies in bytes, counted after decompression. */
export interface BodyLimits {
  readonly callBytes: number;
  readonly deployBytes: number;
}

export const defaultBodyLimits: BodyLimits = { callBytes: 64 * 2 ** 20, deployBytes: 4 * 2 ** 30 };

/**
 * The whole body, decompressed.
 * @throws DawnletError PAYLOAD_TOO_LARGE; INVALID_ARGUMENT for a body that breaks off or whose encoding
 * is broken; UNSUPPORTED for an encoding other than gzip and deflate.
 */
export async function readBody(request: Request, limitBytes: number): Promise<Uint8Array> {
  const declared = declaredLength(request);
  const isPlain = request.headers.get("content-encoding") === null;
  // The server's parser holds a plain body to its Content-Length, so this one cannot grow past the limit.
  if (declared !== undefined && isPlain) {
    if (declared > limitBytes) throw tooLarge(limitBytes);
    const bytes = await request.arrayBuffer().catch(brokenOff);
    if (bytes.byteLength !== declared) throw truncated(bytes.byteLength, declared);
    return new Uint8Array(bytes);
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of streamBody(request, limitBytes)) chunks.push(chunk);
  return concatenate(chunks);
}

/**
 * As `readBody`, for a body that is text: spares a copy of the bytes on the way of small calls.
 * @throws DawnletError INVALID_ARGUMENT also for what is no UTF-8.
 */
export async function readText(request: Request, limitBytes: number): Promise<string> {
  const declared = declaredLength(request);
  if (declared === undefined || request.headers.get("content-encoding") !== null) {
    return decodeUtf8(await readBody(request, limitBytes));
  }
  if (declared > limitBytes) throw tooLarge(limitBytes);
  const text = await request.text().catch(brokenOff);
  // ASCII, as nearly always: a server's parser gives no more bytes than were declared.
  if (text.length === declared && !text.includes("\ufffd")) return text;
  // Bytes that were no UTF-8 became U+FFFD, which in nearly all cases has another length.
  const arrived = encoder.encode(text).byteLength;
  if (arrived !== declared) throw truncated(arrived, declared);
  return text;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new DawnletError("INVALID_ARGUMENT", "Cannot read the body as it is not UTF-8", { cause });
  }
}

/** The body as it arrives, decompressed. Its reader meets the errors of `readBody`. */
export function streamBody(request: Request, limitBytes: number): ReadableStream<Uint8Array> {
  const declared = declaredLength(request);
  if (declared !== undefined && declared > limitBytes) throw tooLarge(limitBytes);
  const encoding = contentEncoding(request);
  if (request.body === null) return new Blob([]).stream();
  const received = counted(request.body, {
    limitBytes,
    brokenOff,
    ...(declared !== undefined && { declared }),
  });
  if (encoding === undefined) return received;
  return counted(received.pipeThrough(new DecompressionStream(encoding)), {
    limitBytes,
    brokenOff: (cause) => {
      if (cause instanceof DawnletError) throw cause;
      throw new DawnletError("INVALID_ARGUMENT", `Cannot read the body as it is not valid ${encoding}`, {
        cause,
      });
    },
  });
}

interface CountOptions {
  readonly limitBytes: number;
  readonly declared?: number;
  readonly brokenOff: (cause: unknown) => never;
}

function counted(source: ReadableStream<Uint8Array<ArrayBuffer>>, options: CountOptions) {
  const reader = source.getReader();
  let total = 0;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const { done, value } = await reader.read().catch(options.brokenOff);
      total += value?.byteLength ?? 0;
      if (total > options.limitBytes) {
        // What the source still holds is of no use, and its failure to stop of no interest.
        reader.cancel().catch(() => {});
        throw tooLarge(options.limitBytes);
      }
      if (!done) return controller.enqueue(value);
      if (options.declared !== undefined && total !== options.declared)
        throw truncated(total, options.declared);
      controller.close();
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

function declaredLength(request: Request): number | undefined {
  const text = request.headers.get("content-length");
  if (text === null) return undefined;
  const length = Number(text);
  if (text !== "" && Number.isSafeInteger(length) && length >= 0) return length;
  throw new DawnletError("INVALID_ARGUMENT", `Cannot read the body as its Content-Length is '${text}'`);
}

function contentEncoding(request: Request): "gzip" | "deflate" | undefined {
  const encoding = request.headers.get("content-encoding")?.trim().toLowerCase() ?? "identity";
  if (encoding === "identity") return undefined;
  if (encoding === "gzip" || encoding === "x-gzip") return "gzip";
  if (encoding === "deflate") return "deflate";
  throw new DawnletError(
    "UNSUPPORTED",
    `Cannot read a body with Content-Encoding '${encoding}': send gzip, deflate or none`,
  );
}

function concatenate(chunks: readonly Uint8Array[]): Uint8Array {
  if (chunks.length === 1) return chunks[0]!;
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0));
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}

function tooLarge(limitBytes: number): DawnletError {
  return new DawnletError(
    "PAYLOAD_TOO_LARGE",
    `Cannot read the body as it exceeds the maximum of ${limitBytes} bytes`,
  );
}

function truncated(received: number, declared: number): DawnletError {
  return new DawnletError(
    "INVALID_ARGUMENT",
    `Cannot read the body as ${received} bytes of it arrived or are valid: Content-Length is ${declared}`,
  );
}

function brokenOff(cause: unknown): never {
  throw new DawnletError(
    "INVALID_ARGUMENT",
    "Cannot read the body as it was truncated: the connection broke off",
    {
      cause,
    },
  );
}
