/**
 * Request bodies within a limit: read whole for calls, handed on as a stream for deploys.
 * The limit holds for `Content-Length` and again for the bytes that really arrive, after decompression,
 * so neither a lie in a header nor a compressed bomb gets past it. What is read whole counts against the budget of all
 * bodies while it arrives, and what stops arriving is given up.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { Exchange } from "./exchange.ts";

/**
 * The whole body, decompressed. The exchange holds its bytes.
 * @throws DawnletError PAYLOAD_TOO_LARGE; QUEUE_FULL where bodies hold all that they may; REQUEST_TIMEOUT;
 * INVALID_ARGUMENT for a body that breaks off or whose encoding is broken; UNSUPPORTED for an encoding other than gzip
 * and deflate.
 */
export async function readBody(
  request: Request,
  limitBytes: number,
  exchange: Exchange,
): Promise<Uint8Array> {
  const small = smallLength(request, limitBytes);
  if (small === undefined) return gather(request, limitBytes, exchange);
  const bytes = await whole(request.arrayBuffer(), exchange);
  if (bytes.byteLength !== small) throw truncated(bytes.byteLength, small);
  exchange.hold(small);
  return new Uint8Array(bytes);
}

/**
 * As `readBody`, for a body that is text: spares a copy of the bytes on the way of small calls.
 * @throws DawnletError INVALID_ARGUMENT also for what is no UTF-8.
 */
export async function readText(request: Request, limitBytes: number, exchange: Exchange): Promise<string> {
  const small = smallLength(request, limitBytes);
  if (small === undefined) return decodeUtf8(await gather(request, limitBytes, exchange));
  const text = await whole(request.text(), exchange);
  exchange.hold(small);
  // ASCII, as nearly always: a server's parser gives no more bytes than were declared.
  if (text.length === small && !text.includes("\ufffd")) return text;
  // Bytes that were no UTF-8 became U+FFFD, which in nearly all cases has another length.
  const arrived = encoder.encode(text).byteLength;
  if (arrived !== small) throw truncated(arrived, small);
  return text;
}

/** As many as a connection reads ahead anyway: such a body comes in one piece or two, and counts once it is there. */
const smallBytes = 64 * 1024;

/** Of a body that is read in one go. The server's parser holds it to its Content-Length. */
function smallLength(request: Request, limitBytes: number): number | undefined {
  const declared = declaredLength(request);
  if (declared === undefined || declared > smallBytes) return undefined;
  if (request.headers.get("content-encoding") !== null) return undefined;
  if (declared > limitBytes) throw tooLarge(limitBytes);
  return declared;
}

/** What a small body gives: all of it has to come in the time that a larger one has for each piece. */
async function whole<T>(body: Promise<T>, exchange: Exchange): Promise<T> {
  try {
    return await exchange.intake.stalls.wait(body);
  } catch (error) {
    exchange.closesOnError = true;
    return brokenOff(error);
  }
}

/** What a piece takes beside its bytes, so that a flood of tiny ones counts as what it is. */
const pieceOverheadBytes = 256;

async function gather(request: Request, limitBytes: number, exchange: Exchange): Promise<Uint8Array> {
  const body = arrivingBody(request, limitBytes, exchange);
  const pieces: Uint8Array[] = [];
  try {
    for (;;) {
      const piece = await body.next();
      if (piece === undefined) return concatenate(pieces);
      exchange.hold(piece.byteLength + pieceOverheadBytes);
      pieces.push(piece);
    }
  } catch (error) {
    exchange.closesOnError = true;
    // At once: else what it holds would have others refused that are read in the same turn.
    exchange.release();
    body.cancel();
    throw error;
  }
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

/** The body as it arrives, decompressed. Its reader meets the errors of `readBody`, but for QUEUE_FULL. */
export function streamBody(
  request: Request,
  limitBytes: number,
  exchange: Exchange,
): ReadableStream<Uint8Array> {
  return streamOf(arrivingBody(request, limitBytes, exchange));
}

/** A body piece by piece, each undefined once it is over. */
interface ArrivingBody {
  next(): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** The rest is of no use, and its failure to stop of no interest. */
  cancel(): void;
}

function arrivingBody(request: Request, limitBytes: number, { intake }: Exchange): ArrivingBody {
  const declared = declaredLength(request);
  if (declared !== undefined && declared > limitBytes) throw tooLarge(limitBytes);
  const encoding = contentEncoding(request);
  const received = counted(request.body ?? new Blob([]).stream(), {
    limitBytes,
    declared,
    read: (reader) => intake.stalls.wait(reader.read()).catch(brokenOff),
  });
  if (encoding === undefined) return received;
  const decompressed = streamOf(received).pipeThrough(new DecompressionStream(encoding));
  return counted(decompressed, {
    limitBytes,
    read: (reader) =>
      reader.read().catch((cause: unknown) => {
        if (cause instanceof DawnletError) throw cause;
        const message = `Cannot read the body as it is not valid ${encoding}`;
        throw new DawnletError("INVALID_ARGUMENT", message, { cause });
      }),
  });
}

type PieceReader = ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;

interface CountOptions {
  readonly limitBytes: number;
  readonly declared?: number | undefined;
  readonly read: (reader: PieceReader) => ReturnType<PieceReader["read"]>;
}

function counted(
  source: ReadableStream<Uint8Array<ArrayBuffer>>,
  { limitBytes, declared, read }: CountOptions,
): ArrivingBody {
  const reader = source.getReader();
  let total = 0;
  return {
    async next() {
      const { done, value } = await read(reader);
      if (!done) {
        total += value.byteLength;
        if (total > limitBytes) throw tooLarge(limitBytes);
        return value;
      }
      if (declared !== undefined && total !== declared) throw truncated(total, declared);
      return undefined;
    },
    cancel() {
      reader.cancel().catch(() => {});
    },
  };
}

function streamOf(body: ArrivingBody): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    async pull(controller) {
      try {
        const piece = await body.next();
        if (piece === undefined) controller.close();
        else controller.enqueue(piece);
      } catch (error) {
        body.cancel();
        throw error;
      }
    },
    cancel: () => body.cancel(),
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
  if (cause instanceof DawnletError) throw cause;
  throw new DawnletError(
    "INVALID_ARGUMENT",
    "Cannot read the body as it was truncated: the connection broke off",
    {
      cause,
    },
  );
}
