/**
 * Images to other sizes, one axis at a time, with the arithmetic of Pillow's `Image.resize`: weights of 22 bits
 * after the point, and bytes between the two passes, so that results are the same to the bit. Alpha and the
 * shape of the picture are no concern here.
 */
import type { Image } from "./image.ts";

/** A part of an axis, in pixels; its ends may lie within pixels. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** `nearest` takes one pixel; `triangle` blends all those that a new pixel covers, and linearly when growing. */
export type ResizeFilter = "triangle" | "nearest";

/** The part `across` x `down` of an image, as `width` x `height` pixels. */
export function resample(
  image: Image,
  across: Span,
  down: Span,
  {
    width,
    height,
    filter,
  }: { readonly width: number; readonly height: number; readonly filter: ResizeFilter },
): Image {
  const { channels } = image;
  const weigh = filter === "nearest" ? nearestWeights : triangleWeights;
  const rowBytes = image.width * channels;
  let { data } = image;
  if (!isWhole(across, image.width, width)) {
    const weights = weigh(image.width, across, width);
    const result = new Uint8Array(width * image.height * channels);
    for (let row = 0; row < image.height; row++) {
      const place = { from: row * rowBytes, to: row * width * channels };
      blend(data, result, weights, { ...place, step: channels, lanes: channels });
    }
    data = result;
  }
  if (!isWhole(down, image.height, height)) {
    const lanes = width * channels;
    const result = new Uint8Array(lanes * height);
    blend(data, result, weigh(image.height, down, height), { from: 0, to: 0, step: lanes, lanes });
    data = result;
  }
  return { width, height, channels, data };
}

function isWhole({ from, to }: Span, before: number, after: number): boolean {
  return from === 0 && to === before && before === after;
}

/** What each new pixel takes: `counts[i]` old ones from `starts[i]` on, `stride` weights apart. */
interface Weights {
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  readonly values: Int32Array;
  readonly stride: number;
}

const precisionBits = 22;
const one = 2 ** precisionBits;

/** A triangle as wide as two old pixels, or as two new ones where these are larger. */
function triangleWeights(before: number, { from, to }: Span, after: number): Weights {
  const scale = (to - from) / after;
  const support = Math.max(scale, 1);
  const stride = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(after);
  const counts = new Int32Array(after);
  const values = new Int32Array(after * stride);
  const shares = new Float64Array(stride);
  for (let index = 0; index < after; index++) {
    const center = from + (index + 0.5) * scale;
    const start = Math.max(Math.trunc(center - support + 0.5), 0);
    const count = Math.min(Math.trunc(center + support + 0.5), before) - start;
    let total = 0;
    for (let i = 0; i < count; i++) {
      const distance = Math.abs((i + start - center + 0.5) * (1 / support));
      shares[i] = distance < 1 ? 1 - distance : 0;
      total += shares[i]!;
    }
    starts[index] = start;
    counts[index] = count;
    for (let i = 0; i < count; i++) values[index * stride + i] = Math.trunc(0.5 + (shares[i]! / total) * one);
  }
  return { starts, counts, values, stride };
}

/** All of the old pixel in which the middle of the new one lies. */
function nearestWeights(before: number, { from, to }: Span, after: number): Weights {
  const scale = (to - from) / after;
  const starts = Int32Array.from({ length: after }, (_, index) =>
    Math.min(Math.trunc(from + (index + 0.5) * scale), before - 1),
  );
  const ones = new Int32Array(after).fill(1);
  return { starts, counts: ones, values: new Int32Array(after).fill(one), stride: 1 };
}

/** Where a pass reads and writes: `lanes` bytes side by side are blended alike, `step` bytes a pixel apart. */
interface Pass {
  readonly from: number;
  readonly to: number;
  readonly step: number;
  readonly lanes: number;
}

function blend(
  source: Uint8Array,
  target: Uint8Array,
  weights: Weights,
  { from, to, step, lanes }: Pass,
): void {
  const { starts, counts, values, stride } = weights;
  for (let index = 0; index < starts.length; index++) {
    const first = from + starts[index]! * step;
    const count = counts[index]!;
    for (let lane = 0; lane < lanes; lane++) {
      // Bytes times weights that add up to 2 ** 22 stay below 2 ** 31.
      let sum = one / 2;
      for (let i = 0; i < count; i++) sum += source[first + i * step + lane]! * values[index * stride + i]!;
      target[to + index * step + lane] = Math.min(sum >> precisionBits, 255);
    }
  }
}
