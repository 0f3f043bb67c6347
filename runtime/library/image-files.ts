/** Image files to images in memory and back: PNG and JPEG. */
import { DawnletError } from "../../kernels/errors.ts";
import { checkImage, defaultMaxPixels, type Image, toRgba } from "./image.ts";
import { decodeJpeg, encodeJpegPixels } from "./jpeg.ts";
import { decodePng, encodePngPixels } from "./png.ts";

export interface DecodeImageOptions {
  /** Larger images are refused before memory is taken for them; 64 Mi unless stated. */
  readonly maxPixels?: number;
}

/**
 * A PNG or JPEG file, told apart by how it begins, as RGBA. Decoding a JPEG takes up to 28 bytes a pixel.
 * @throws DawnletError UNSUPPORTED for other kinds of files; INVALID_ARGUMENT for damaged ones;
 * PAYLOAD_TOO_LARGE for more pixels than the maximum.
 */
export async function decodeImage(
  file: Uint8Array | ArrayBuffer,
  { maxPixels = defaultMaxPixels }: DecodeImageOptions = {},
): Promise<Image> {
  const bytes = file instanceof Uint8Array ? file : new Uint8Array(file);
  const { width, height, rgba } = isPng(bytes)
    ? await decodePng(bytes, maxPixels)
    : decodeJpeg(expectJpeg(bytes), maxPixels);
  return { width, height, channels: 4, data: rgba };
}

/** @throws DawnletError INVALID_ARGUMENT for an image whose data does not fit its size. */
export function encodePng(image: Image): Uint8Array<ArrayBuffer> {
  checkImage(image);
  return encodePngPixels(image.width, image.height, image.channels, image.data);
}

export interface EncodeJpegOptions {
  /** From 1 (small) to 100 (good); 85 unless stated. */
  readonly quality?: number;
}

/**
 * A baseline JPEG. Alpha is dropped.
 * @throws DawnletError INVALID_ARGUMENT as `encodePng`, for a side of more than 65,535 pixels, and for a
 * quality that is none.
 */
export function encodeJpeg(image: Image, { quality = 85 }: EncodeJpegOptions = {}): Uint8Array<ArrayBuffer> {
  const { width, height, data } = toRgba(image);
  if (Math.max(width, height) > 65_535)
    throw failure(`its size is ${width} x ${height}: at most 65535 a side`);
  if (!(quality >= 1 && quality <= 100)) throw failure(`the quality is ${quality}: expected 1 to 100`);
  return encodeJpegPixels(width, height, data, quality);
}

function isPng(bytes: Uint8Array): boolean {
  return bytes[0] === 0x89 && bytes[1] === 0x50 && bytes[2] === 0x4e && bytes[3] === 0x47;
}

function expectJpeg(bytes: Uint8Array): Uint8Array {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return bytes;
  throw new DawnletError("UNSUPPORTED", "Cannot read the image as it is neither PNG nor JPEG");
}

function failure(what: string): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot write the JPEG as ${what}`);
}
