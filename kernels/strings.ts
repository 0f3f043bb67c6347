/**
 * Tensors of strings: each element is a little-endian u32 length and as many bytes of UTF-8. The layout is that of
 * BYTES in the Open Inference Protocol, whose clients may send any bytes: only who needs text asks for UTF-8.
 */
import { DawnletError } from "./errors.ts";

const lengthBytes = 4;
const encoder = new TextEncoder();
/** A byte order mark is a character like others. */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function encodeStrings(texts: readonly string[]): Uint8Array {
  return encodeElements(texts.map((text) => encoder.encode(text)));
}

/** As `encodeStrings`, for elements that may be any bytes. */
export function encodeElements(elements: readonly Uint8Array[]): Uint8Array {
  const total = elements.reduce((sum, element) => sum + lengthBytes + element.byteLength, 0);
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  let offset = 0;
  for (const element of elements) {
    view.setUint32(offset, element.byteLength, true);
    bytes.set(element, offset + lengthBytes);
    offset += lengthBytes + element.byteLength;
  }
  return bytes;
}

/**
 * Views of each element.
 * @throws DawnletError INVALID_ARGUMENT where the bytes do not end with an element, or there are not `count` of them.
 */
export function splitElements(name: string, bytes: Uint8Array, count: number): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const elements: Uint8Array[] = [];
  let offset = 0;
  while (offset < bytes.byteLength) {
    const start = offset + lengthBytes;
    const end = start > bytes.byteLength ? Number.POSITIVE_INFINITY : start + view.getUint32(offset, true);
    if (end > bytes.byteLength)
      throw failure(name, `its element ${elements.length} reaches past its last byte`);
    elements.push(bytes.subarray(start, end));
    offset = end;
  }
  if (elements.length !== count)
    throw failure(name, `it has ${elements.length} elements: its shape needs ${count}`);
  return elements;
}

/**
 * @param remedy what to do about an element that is no UTF-8, or why it is not taken.
 * @throws DawnletError INVALID_ARGUMENT as `splitElements`, and where an element is no UTF-8.
 */
export function decodeStrings(name: string, bytes: Uint8Array, count: number, remedy: string): string[] {
  return splitElements(name, bytes, count).map((element, index) => {
    try {
      return decoder.decode(element);
    } catch {
      throw failure(name, `its element ${index} is not UTF-8: ${remedy}`);
    }
  });
}

function failure(name: string, what: string): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot use tensor '${name}' as ${what}`);
}
