/** Images in memory: bytes of 8 bits, row by row, 1, 3 or 4 a pixel. Files are image-files.ts, sizes resize.ts. */
import { DawnletError } from "../../kernels/errors.ts";
import { type Channels, convertChannels } from "./channels.ts";

export interface Image {
  readonly width: number;
  readonly height: number;
  /** Grey, RGB or RGBA. Alpha is not multiplied into the colours. */
  readonly channels: Channels;
  /** `width * height * channels` bytes, the channels of a pixel side by side, the top row first. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** Four bytes a pixel; what has no alpha becomes opaque. */
export function toRgba(image: Image): Image {
  return withChannels(image, 4);
}

/** Three bytes a pixel. Alpha is dropped, not blended: what is transparent shows the colour below. */
export function toRgb(image: Image): Image {
  return withChannels(image, 3);
}

/** One byte a pixel: the luma of Rec. 601. Alpha is dropped, as by `toRgb`. */
export function toGrey(image: Image): Image {
  return withChannels(image, 1);
}

/** @throws DawnletError INVALID_ARGUMENT as `checkImage`, and for channels that no image has. */
export function withChannels(image: Image, channels: Channels): Image {
  checkImage(image);
  if (channels !== 1 && channels !== 3 && channels !== 4)
    throw failure(`it cannot have ${channels} channels: 1, 3 or 4`);
  return { ...image, channels, data: convertChannels(image.data, image.channels, channels) };
}

/** @throws DawnletError INVALID_ARGUMENT where size, channels and data do not fit each other. */
export function checkImage({ width, height, channels, data }: Image): void {
  checkSize(width, height);
  if (channels !== 1 && channels !== 3 && channels !== 4)
    throw failure(`it has ${channels} channels: expected 1, 3 or 4`);
  const expected = width * height * channels;
  if (data.byteLength !== expected) {
    throw failure(
      `it has ${data.byteLength} bytes: ${width} x ${height} of ${channels} channels has ${expected}`,
    );
  }
}

/** Pixels that images may have where nobody states another maximum: 256 MiB as RGBA. */
export const defaultMaxPixels = 64 * 2 ** 20;

/** @throws DawnletError INVALID_ARGUMENT for sizes that no image has. */
export function checkSize(width: number, height: number): void {
  for (const side of [width, height]) {
    if (!Number.isSafeInteger(side) || side < 1)
      throw failure(`its size is ${width} x ${height}: whole numbers from 1 on`);
  }
}

function failure(what: string): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot use the image as ${what}`);
}
