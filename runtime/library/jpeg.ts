/**
 * JPEG files to RGBA and back, by jpeg-js behind checks of our own. Colour profiles and a camera's note of
 * which side is up are not applied.
 */
import { decode, encode } from "jpeg-js";
import { DawnletError } from "../../kernels/errors.ts";
import { checkJpeg } from "./jpeg-check.ts";

export interface JpegPixels {
  readonly width: number;
  readonly height: number;
  /** Four bytes a pixel, row by row. */
  readonly rgba: Uint8Array<ArrayBuffer>;
}

/**
 * @param maxPixels checked before anything of that size is allocated.
 * @throws DawnletError INVALID_ARGUMENT for what is no JPEG that can be read; PAYLOAD_TOO_LARGE.
 */
export function decodeJpeg(file: Uint8Array, maxPixels: number): JpegPixels {
  const { isYcc, paddedPixels, ...stated } = checkJpeg(file, maxPixels);
  try {
    const { width, height, data } = decode(file, {
      useTArray: true,
      // The decoder may read damaged files otherwise than the check did. One more, as it multiplies in floats.
      maxResolutionInMP: (stated.width * stated.height + 1) / 1e6,
      maxMemoryUsageInMB: 1 + (paddedPixels * decoderBytes) / 2 ** 20,
      // Left out where it is true: what the file says of four components counts then.
      ...(!isYcc && { colorTransform: false }),
    });
    return { width, height, rgba: new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.length) };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DawnletError("INVALID_ARGUMENT", `Cannot read the JPEG: ${reason}`, { cause });
  }
}

/** What the decoder counts a pixel at most: four components of 4 + 1 + 1 bytes, and RGBA. */
const decoderBytes = 28;

/** @param quality from 1 to 100. */
export function encodeJpegPixels(
  width: number,
  height: number,
  rgba: Uint8Array,
  quality: number,
): Uint8Array<ArrayBuffer> {
  return withBuffer(() => new Uint8Array(encode({ width, height, data: rgba }, quality).data));
}

/** jpeg-js 0.4.4 asks for Node's `Buffer` to give its bytes: sealed processes and browsers have none. */
function withBuffer<Result>(work: () => Result): Result {
  if ("Buffer" in globalThis) return work();
  const host: { Buffer?: unknown } = globalThis;
  host.Buffer = { from: (bytes: readonly number[]) => Uint8Array.from(bytes) };
  try {
    return work();
  } finally {
    delete host.Buffer;
  }
}
