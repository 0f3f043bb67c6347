/** Bodies between web streams and node:http, both ways, each held back by who reads it. Used by Node and Deno. */
import type { ClientRequest, IncomingMessage } from "node:http";
import { setImmediate as nextTurn } from "node:timers/promises";
import { DawnletError } from "../../kernels/errors.ts";

/** What is read ahead of who reads the answer. */
const readAheadBytes = 64 * 1024;

/**
 * Sends a body and ends the request. A body that is there at once, or whose length the caller has declared, states
 * its length; others go in chunks. Returns early where the request is closed.
 * @param declared the caller's `content-length`.
 * @throws DawnletError INVALID_ARGUMENT where the body is not of the declared length; what reading the body throws.
 */
export async function sendBody(
  outgoing: ClientRequest,
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  declared: string | null,
): Promise<void> {
  const reader = body.getReader();
  // What is being read then is at its end.
  const stop = (): void => void reader.cancel().catch(() => {});
  outgoing.once("close", stop);
  try {
    let next = await reader.read();
    let following = readAhead(reader);
    const isWhole = await Promise.race([following.then(({ done }) => done), nextTurn(false)]);
    const knownBytes = isWhole ? (next.value?.byteLength ?? 0) : declaredBytes(declared);
    if (outgoing.destroyed) return;
    // Said either way: for some methods node:http would send a body that nothing delimits.
    if (knownBytes === undefined) outgoing.setHeader("transfer-encoding", "chunked");
    else outgoing.setHeader("content-length", knownBytes);
    let sentBytes = 0;
    while (!next.done) {
      sentBytes += next.value.byteLength;
      if (knownBytes !== undefined && sentBytes > knownBytes) throw wrongLength(knownBytes, "more");
      if (next.value.byteLength > 0 && !outgoing.write(next.value)) await drained(outgoing);
      next = await following;
      following = readAhead(reader);
    }
    if (outgoing.destroyed) return;
    if (knownBytes !== undefined && sentBytes < knownBytes) throw wrongLength(knownBytes, "fewer");
    outgoing.end();
  } finally {
    stop();
  }
}

/** What fails before it is waited for fails when it is. */
function readAhead<T>(reader: ReadableStreamDefaultReader<T>): Promise<ReadableStreamReadResult<T>> {
  const following = reader.read();
  following.catch(() => {});
  return following;
}

function drained(outgoing: ClientRequest): Promise<void> {
  if (outgoing.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      outgoing.off("drain", done).off("close", done);
      resolve();
    };
    outgoing.on("drain", done).on("close", done);
  });
}

function declaredBytes(text: string | null): number | undefined {
  const known = text !== null && /^\d{1,15}$/.test(text);
  return known ? Number(text) : undefined;
}

function wrongLength(declared: number, than: string): DawnletError {
  const message = `Cannot send the body as it has ${than} bytes than its content-length of ${declared} says`;
  return new DawnletError("INVALID_ARGUMENT", message);
}

/**
 * The body of an answer.
 * @param failure what a body ends with that ends too early.
 */
export function receivedBody(
  incoming: IncomingMessage,
  failure: (cause?: Error) => DawnletError,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let hasEnded = false;
  const end = (finish: () => void): void => {
    if (!hasEnded) finish();
    hasEnded = true;
  };
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      start(controller) {
        incoming.on("data", (piece: Uint8Array) => {
          if (hasEnded) return;
          // A copy, because pieces share the buffer of their connection, and who reads may transfer them.
          controller.enqueue(new Uint8Array(piece));
          if ((controller.desiredSize ?? 0) <= 0) incoming.pause();
        });
        incoming.pause();
        incoming.once("end", () => end(() => controller.close()));
        incoming.on("error", (error) => end(() => controller.error(failure(error))));
        incoming.once("close", () => end(() => controller.error(failure())));
      },
      pull() {
        incoming.resume();
      },
      cancel() {
        hasEnded = true;
        incoming.destroy();
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: readAheadBytes }),
  );
}
