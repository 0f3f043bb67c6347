/** Images to tensors that models take, and tensors back to images. */
import { DawnletError } from "../../kernels/errors.ts";
import type { Channels } from "./channels.ts";
import { type Image, withChannels } from "./image.ts";
import { type ResizeOptions, resize } from "./resize.ts";
import { type HostTensor, tensor } from "./tensor.ts";
import { dataTypeOf } from "./typed-arrays.ts";
import type { TensorData } from "./types.ts";

/** Which axis the channels are: `nchw` as PyTorch and ONNX models have it, `nhwc` as TensorFlow's. */
export type ImageLayout = "nchw" | "nhwc";

export interface ImageToTensorOptions extends ResizeOptions {
  /** The image's own unless stated. */
  readonly width?: number;
  readonly height?: number;
  /** `nchw` unless stated. */
  readonly layout?: ImageLayout;
  /** 3 unless stated. */
  readonly channels?: Channels;
  /** Factor to bytes, before mean and deviation: 1/255 unless stated, so that values go from 0 to 1. */
  readonly scale?: number;
  /** Subtracted then: one number, or one a channel. */
  readonly mean?: number | readonly number[];
  /** Divides then: one number, or one a channel. */
  readonly std?: number | readonly number[];
}

/**
 * A float32 tensor of shape [1, channels, height, width] or [1, height, width, channels], of values
 * `(byte * scale - mean) / std`.
 * @throws DawnletError INVALID_ARGUMENT as `resize`, and where mean or std are not one a channel.
 */
export function imageToTensor(
  image: Image,
  options: ImageToTensorOptions = {},
): HostTensor<Float32Array<ArrayBuffer>> {
  const { width = image.width, height = image.height, layout = "nchw", channels = 3 } = options;
  const { scale = 1 / 255, mean = 0, std = 1 } = options;
  const means = perChannel("mean", mean, channels);
  const deviations = perChannel("std", std, channels);
  const { data } = withChannels(resize(image, width, height, options), channels);
  const pixels = width * height;
  const values = new Float32Array(data.byteLength);
  const [pixelStep, channelStep] = layout === "nchw" ? [1, pixels] : [channels, 1];
  for (let channel = 0; channel < channels; channel++) {
    const factor = scale / deviations[channel]!;
    const shift = means[channel]! / deviations[channel]!;
    for (let pixel = 0; pixel < pixels; pixel++) {
      values[pixel * pixelStep + channel * channelStep] = data[pixel * channels + channel]! * factor - shift;
    }
  }
  const shape = layout === "nchw" ? [1, channels, height, width] : [1, height, width, channels];
  return tensor(values, shape);
}

/** How to read a tensor as an image: what `imageToTensor` was given to make it. */
export type TensorToImageOptions = Pick<ImageToTensorOptions, "layout" | "scale" | "mean" | "std">;

/**
 * The image that a tensor holds. Bytes (uint8) are taken as they are, of shape [height, width] or
 * [height, width, channels]. Floats are of a shape that `imageToTensor` gives, with or without the 1 before it,
 * and are brought back to bytes: rounded, and what lies outside them cut off.
 * @throws DawnletError INVALID_ARGUMENT for other types and shapes.
 */
export function tensorToImage({ data, shape }: TensorData, options: TensorToImageOptions = {}): Image {
  const dataType = dataTypeOf(data);
  const { layout = "nchw", scale = 1 / 255, mean = 0, std = 1 } = options;
  const isBytes = dataType === "uint8";
  const { width, height, channels } = imageSize(shape, isBytes ? "nhwc" : layout);
  const pixels = width * height;
  if (data.length !== pixels * channels)
    throw failure(`it has ${data.length} elements: its shape [${shape}] needs ${pixels * channels}`);
  if (isBytes) return { width, height, channels, data: new Uint8Array(data as Uint8Array) };
  if (dataType !== "float32" && dataType !== "float64" && dataType !== "float16")
    throw failure(`it is ${dataType}: expected uint8 or floats`);
  const values = data as Float32Array | Float64Array | Float16Array;
  const means = perChannel("mean", mean, channels);
  const deviations = perChannel("std", std, channels);
  // It rounds to even, and cuts off what lies outside a byte.
  const bytes = new Uint8ClampedArray(values.length);
  const [pixelStep, channelStep] = layout === "nchw" ? [1, pixels] : [channels, 1];
  for (let channel = 0; channel < channels; channel++) {
    for (let pixel = 0; pixel < pixels; pixel++) {
      const value = values[pixel * pixelStep + channel * channelStep]!;
      bytes[pixel * channels + channel] = (value * deviations[channel]! + means[channel]!) / scale;
    }
  }
  return { width, height, channels, data: new Uint8Array(bytes.buffer) };
}

/** Width, height and channels by a shape, which may begin with a batch of one. */
function imageSize(shape: readonly number[], layout: ImageLayout): Omit<Image, "data"> {
  const own = shape.length === 4 && shape[0] === 1 ? shape.slice(1) : shape;
  const [first = 0, second = 0, third = 1] = own;
  const isPlanar = layout === "nchw" && own.length === 3;
  const [height, width, channels] = isPlanar ? [second, third, first] : [first, second, third];
  const isImage = own.length === 2 || own.length === 3;
  if (isImage && height > 0 && width > 0 && (channels === 1 || channels === 3 || channels === 4))
    return { width, height, channels };
  const expected = layout === "nchw" ? "[1, channels, height, width]" : "[height, width, channels]";
  throw failure(`its shape is [${shape}]: expected ${expected} with 1, 3 or 4 channels`);
}

function perChannel(name: string, value: number | readonly number[], channels: Channels): readonly number[] {
  if (typeof value === "number") return new Array<number>(channels).fill(value);
  if (value.length === channels) return value;
  const what = `${name} has ${value.length} values: expected one, or one for each of ${channels} channels`;
  throw new DawnletError("INVALID_ARGUMENT", `Cannot convert the image as ${what}`);
}

function failure(what: string): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot use the tensor as an image as ${what}`);
}
