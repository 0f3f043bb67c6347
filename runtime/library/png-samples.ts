/**
 * What a PNG decoder gives (1 to 16 bits a sample, grey, colour or palette, transparency beside it) to
 * 8-bit RGBA.
 */
import { convertIndexedToRgb, type DecodedPng } from "fast-png";

/** Four bytes a pixel, row by row. 16-bit samples keep their high byte. */
export function toRgba(image: DecodedPng): Uint8Array<ArrayBuffer> {
  if (image.palette !== undefined && image.channels === 1) {
    const colours = convertIndexedToRgb({ ...image, palette: image.palette, depth: indexDepth(image.depth) });
    return expand(colours, image.palette[0]?.length ?? 3, image);
  }
  return expand(samples(image), image.channels, image);
}

function indexDepth(depth: number): 1 | 2 | 4 | 8 {
  if (depth === 1 || depth === 2 || depth === 4 || depth === 8) return depth;
  throw new Error(`its palette has indices of ${depth} bits`);
}

/** One entry a sample, at the image's own depth. */
function samples(image: DecodedPng): Uint8Array | Uint16Array {
  const { data, depth, width, height, channels } = image;
  if (depth >= 8) return data instanceof Uint8ClampedArray ? new Uint8Array(data.buffer) : data;
  // Only grey has less than 8 bits; rows begin on whole bytes, the leftmost sample in the high bits.
  const rowBytes = Math.ceil((width * depth) / 8);
  const unpacked = new Uint8Array(width * height * channels);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const bit = column * depth;
      const byte = data[row * rowBytes + (bit >> 3)]!;
      unpacked[row * width + column] = (byte >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
    }
  }
  return unpacked;
}

function expand(
  from: Uint8Array | Uint16Array,
  channels: number,
  image: DecodedPng,
): Uint8Array<ArrayBuffer> {
  const hasAlpha = channels === 2 || channels === 4;
  const hasColour = channels >= 3;
  // A palette's colours are 8 bits whatever the depth of its indices.
  const depth = image.palette !== undefined ? 8 : image.depth;
  const maximum = 2 ** depth - 1;
  const scale = (sample: number): number =>
    depth === 16 ? sample >> 8 : Math.round((sample * 255) / maximum);
  const pixels = image.width * image.height;
  const rgba = new Uint8Array(pixels * 4);
  for (let pixel = 0; pixel < pixels; pixel++) {
    const at = pixel * channels;
    const first = from[at]!;
    rgba[pixel * 4] = scale(first);
    rgba[pixel * 4 + 1] = scale(hasColour ? from[at + 1]! : first);
    rgba[pixel * 4 + 2] = scale(hasColour ? from[at + 2]! : first);
    rgba[pixel * 4 + 3] = hasAlpha ? scale(from[at + channels - 1]!) : 255;
  }
  if (!hasAlpha && image.transparency !== undefined) clearKeyed(rgba, from, channels, image.transparency);
  return rgba;
}

/** A PNG without an alpha channel may name one colour that is transparent. */
function clearKeyed(
  rgba: Uint8Array,
  from: Uint8Array | Uint16Array,
  channels: number,
  key: Uint16Array,
): void {
  if (key.length !== channels) return;
  for (let pixel = 0; pixel * 4 < rgba.byteLength; pixel++) {
    if (key.every((value, channel) => from[pixel * channels + channel] === value)) rgba[pixel * 4 + 3] = 0;
  }
}
