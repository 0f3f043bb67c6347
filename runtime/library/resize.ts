/** Images to other sizes: which part of the picture goes where, and alpha. The arithmetic is resample-rows.ts. */
import { DawnletError } from "../../kernels/errors.ts";
import { checkImage, checkSize, defaultMaxPixels, type Image } from "./image.ts";
import { type ResizeFilter, resample, type Span } from "./resample-rows.ts";

export interface ResizeOptions {
  /**
   * `fill` stretches the picture; `cover` cuts off what does not fit, evenly on both sides; `contain` shows all
   * of it in the middle, and beside it black, transparent where there is alpha. `fill` unless stated.
   */
  readonly fit?: "fill" | "contain" | "cover";
  /** `triangle` is smooth in both directions; `nearest` keeps pixels as they are. `triangle` unless stated. */
  readonly filter?: ResizeFilter;
}

/**
 * The image at exactly this size; itself where it has that. `triangle` gives what Pillow's `Image.resize` gives with `BILINEAR`.
 * @throws DawnletError INVALID_ARGUMENT for an image whose data does not fit its size, and for sizes that are
 * none or of more than 64 Mi pixels.
 */
export function resize(image: Image, width: number, height: number, options: ResizeOptions = {}): Image {
  const { fit = "fill", filter = "triangle" } = options;
  checkImage(image);
  checkSize(width, height);
  if (width * height > defaultMaxPixels) {
    const what = `${width} x ${height} pixels are more than ${defaultMaxPixels}`;
    throw new DawnletError("INVALID_ARGUMENT", `Cannot resize the image as ${what}`);
  }
  if (width === image.width && height === image.height) return image;
  if (fit === "contain") return contain(image, width, height, filter);
  const [across, down] =
    fit === "cover" ? middle(image, width / height) : [whole(image.width), whole(image.height)];
  // Blending must not bring up the colour of what is transparent.
  if (filter === "nearest" || isOpaque(image))
    return resample(image, across, down, { width, height, filter });
  return unmultiplied(resample(multiplied(image), across, down, { width, height, filter }));
}

function whole(size: number): Span {
  return { from: 0, to: size };
}

/** The largest part of the image of this ratio of width to height, from its middle. */
function middle({ width, height }: Image, ratio: number): readonly [Span, Span] {
  const isWider = width / height > ratio;
  const left = isWider ? (width - height * ratio) / 2 : 0;
  const top = isWider ? 0 : (height - width / ratio) / 2;
  return [
    { from: left, to: width - left },
    { from: top, to: height - top },
  ];
}

function contain(image: Image, width: number, height: number, filter: ResizeFilter): Image {
  const scale = Math.min(width / image.width, height / image.height);
  const inner = resize(
    image,
    Math.max(1, Math.round(image.width * scale)),
    Math.max(1, Math.round(image.height * scale)),
    { filter },
  );
  const { channels } = image;
  const left = Math.floor((width - inner.width) / 2);
  const top = Math.floor((height - inner.height) / 2);
  const data = new Uint8Array(width * height * channels);
  const rowBytes = inner.width * channels;
  for (let row = 0; row < inner.height; row++) {
    const from = inner.data.subarray(row * rowBytes, (row + 1) * rowBytes);
    data.set(from, ((top + row) * width + left) * channels);
  }
  return { width, height, channels, data };
}

function isOpaque({ channels, data }: Image): boolean {
  if (channels !== 4) return true;
  for (let at = 3; at < data.byteLength; at += 4) if (data[at] !== 255) return false;
  return true;
}

/** Colours times alpha, rounded as Pillow rounds them. */
function multiplied(image: Image): Image {
  const data = image.data.slice();
  for (let at = 0; at < data.byteLength; at += 4) {
    for (let channel = at; channel < at + 3; channel++) {
      const product = data[channel]! * data[at + 3]! + 128;
      data[channel] = ((product >> 8) + product) >> 8;
    }
  }
  return { ...image, data };
}

/** In place. */
function unmultiplied(image: Image): Image {
  const { data } = image;
  for (let at = 0; at < data.byteLength; at += 4) {
    const alpha = data[at + 3]!;
    if (alpha === 0 || alpha === 255) continue;
    for (let channel = at; channel < at + 3; channel++)
      data[channel] = Math.min(255, Math.trunc((255 * data[channel]!) / alpha));
  }
  return image;
}
