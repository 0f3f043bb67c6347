/**
 * What a handler answers, as plain data. The endpoint wrapper turns it into the one `Response` of the
 * request, so that headers that every answer carries are added without touching a `Headers` object.
 */

export interface Reply {
  readonly status: number;
  /** Lower-case names. As `Headers`, which become the answer's own, where a name may come several times. */
  readonly headers: Readonly<Record<string, string>> | Headers;
  readonly body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null;
}

const jsonHeaders = { "content-type": "application/json" };

/** `text` is JSON already. */
export function jsonTextReply(text: string, status = 200): Reply {
  return { status, headers: jsonHeaders, body: text };
}

export function jsonReply(value: unknown, status = 200): Reply {
  return jsonTextReply(JSON.stringify(value), status);
}

export function bytesReply(body: Uint8Array, headers: Readonly<Record<string, string>>): Reply {
  return { status: 200, headers, body: ownedBytes(body) };
}

export function emptyReply(status: number): Reply {
  return { status, headers: {}, body: null };
}

/** A `Response` refuses bytes of a SharedArrayBuffer: those are copied. */
function ownedBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return isOwned(bytes) ? bytes : new Uint8Array(bytes);
}

function isOwned(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer;
}
