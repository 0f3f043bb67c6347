/**
 * Frames: how a message lies in a stream of bytes. Pure: no stream, no clock.
 *
 *     u32 bytes of the frame | u32 bytes of the header | header, JSON in UTF-8
 *     u32 number of attachments | u32 bytes of each | zeros up to a multiple of 8
 *     each attachment, followed by zeros up to a multiple of 8
 *
 * Integers are little-endian and unaligned. A frame's size is a multiple of 8, and attachments begin at
 * multiples of 8, so that any typed array can view them in place. frame-decoder.ts takes streams apart.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { Message } from "./port.ts";

export interface FrameLimits {
  /** Bytes of a whole frame; at most 4 GiB. */
  readonly maxFrameBytes: number;
  readonly maxHeaderBytes: number;
  readonly maxAttachments: number;
}

/** Room for the largest inputs that fit a WebGPU buffer, and for Programs as JSON in the header. */
export const defaultFrameLimits: FrameLimits = {
  maxFrameBytes: 1 << 30,
  maxHeaderBytes: 1 << 26,
  maxAttachments: 1 << 16,
};

/** Of a peer that is not to fill this process's memory, nor its time: a header is parsed in one go. */
export function frameLimits(maxFrameBytes: number): FrameLimits {
  return { maxFrameBytes, maxHeaderBytes: Math.min(1 << 24, maxFrameBytes), maxAttachments: 1 << 14 };
}

/** Bytes of the two sizes that begin a frame. */
export const prefixBytes = 8;

/** Attachments up to this size are copied beside the header: one piece to write is cheaper than three. */
const inlineBytes = 16 * 1024;

const padding = new Uint8Array(8);
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The pieces of a message's frame, to be written one after the other. Large attachments are not copied.
 * @throws DawnletError PAYLOAD_TOO_LARGE beyond the limits. TypeError where the header is no JSON.
 */
export function encodeFrame(
  message: Message,
  limits: FrameLimits = defaultFrameLimits,
): Uint8Array<ArrayBufferLike>[] {
  const { attachments } = message;
  const json = JSON.stringify(message.header);
  if (json === undefined) throw new TypeError("Cannot send a message whose header has no JSON");
  let attachedBytes = 0;
  for (const attachment of attachments) attachedBytes += alignTo8(attachment.byteLength);

  // UTF-8 takes at most 3 bytes for each UTF-16 unit: encoded in place where that is little, alone where it is much.
  const inline = attachedBytes <= inlineBytes;
  const tableBytes = 4 + 4 * attachments.length;
  const encoded = json.length > inlineBytes ? encoder.encode(json) : undefined;
  const room = prefixBytes + (encoded?.byteLength ?? 3 * json.length) + tableBytes + 8;
  const head = new Uint8Array(room + (inline ? attachedBytes : 0));
  let headerBytes: number;
  if (encoded) {
    headerBytes = encoded.byteLength;
    head.set(encoded, prefixBytes);
  } else {
    headerBytes = encoder.encodeInto(json, head.subarray(prefixBytes)).written;
  }
  const bodyOffset = alignTo8(prefixBytes + headerBytes + tableBytes);
  const totalBytes = bodyOffset + attachedBytes;
  checkSizes(totalBytes, headerBytes, attachments.length, limits);

  const view = new DataView(head.buffer);
  view.setUint32(0, totalBytes, true);
  view.setUint32(4, headerBytes, true);
  const tableOffset = prefixBytes + headerBytes;
  view.setUint32(tableOffset, attachments.length, true);
  attachments.forEach((attachment, index) => {
    view.setUint32(tableOffset + 4 + 4 * index, attachment.byteLength, true);
  });

  if (inline) {
    let offset = bodyOffset;
    for (const attachment of attachments) {
      head.set(attachment, offset);
      offset += alignTo8(attachment.byteLength);
    }
    return [head.subarray(0, totalBytes)];
  }
  const pieces: Uint8Array<ArrayBufferLike>[] = [head.subarray(0, bodyOffset)];
  for (const attachment of attachments) {
    if (attachment.byteLength > 0) pieces.push(attachment);
    const rest = alignTo8(attachment.byteLength) - attachment.byteLength;
    if (rest > 0) pieces.push(padding.subarray(0, rest));
  }
  return pieces;
}

/**
 * Checks what a frame's prefix announces, before anything is allocated for it.
 * @returns bytes of the whole frame.
 * @throws DawnletError PAYLOAD_TOO_LARGE, INVALID_ARGUMENT.
 */
export function readPrefix(prefix: Uint8Array, limits: FrameLimits): number {
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength);
  const totalBytes = view.getUint32(0, true);
  const headerBytes = view.getUint32(4, true);
  if (totalBytes % 8 !== 0 || totalBytes < alignTo8(prefixBytes + headerBytes + 4)) throw garbage();
  checkSizes(totalBytes, headerBytes, 0, limits);
  return totalBytes;
}

/**
 * Reads a whole frame. The attachments are views of it.
 * @throws DawnletError PAYLOAD_TOO_LARGE, INVALID_ARGUMENT where the bytes are no frame.
 */
export function decodeFrame(frame: Uint8Array, limits: FrameLimits = defaultFrameLimits): Message {
  if (frame.byteLength < prefixBytes || readPrefix(frame, limits) !== frame.byteLength) throw garbage();
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const headerBytes = view.getUint32(4, true);
  const tableOffset = prefixBytes + headerBytes;
  const count = view.getUint32(tableOffset, true);
  checkSizes(frame.byteLength, headerBytes, count, limits);
  let offset = alignTo8(tableOffset + 4 + 4 * count);
  if (offset > frame.byteLength) throw garbage();
  const attachments: Uint8Array[] = [];
  for (let index = 0; index < count; index++) {
    const sizeBytes = view.getUint32(tableOffset + 4 + 4 * index, true);
    if (offset + alignTo8(sizeBytes) > frame.byteLength) throw garbage();
    attachments.push(frame.subarray(offset, offset + sizeBytes));
    offset += alignTo8(sizeBytes);
  }
  if (offset !== frame.byteLength) throw garbage();
  return { header: parseHeader(frame.subarray(prefixBytes, prefixBytes + headerBytes)), attachments };
}

function parseHeader(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw new DawnletError("INVALID_ARGUMENT", "Cannot read a message as its header is no JSON", { cause });
  }
}

function checkSizes(totalBytes: number, headerBytes: number, attachments: number, limits: FrameLimits): void {
  const check = (what: string, value: number, limit: number): void => {
    if (value <= limit) return;
    throw new DawnletError(
      "PAYLOAD_TOO_LARGE",
      `Cannot pass a message of ${value} ${what}: the limit is ${limit}`,
    );
  };
  check("bytes", totalBytes, limits.maxFrameBytes);
  check("bytes of header", headerBytes, limits.maxHeaderBytes);
  check("attachments", attachments, limits.maxAttachments);
}

function garbage(): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", "Cannot read a message as its sizes contradict each other");
}

function alignTo8(sizeBytes: number): number {
  return Math.ceil(sizeBytes / 8) * 8;
}
