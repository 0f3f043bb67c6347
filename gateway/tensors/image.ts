/**
 * PNG images as uint8 tensors of shape [height, width, 4], [height, width, 3], [height, width, 1] or
 * [height, width], and back. What is read is brought to the wanted channels: alpha is dropped, never blended.
 */
import { decode, encode } from "fast-png";
import { DawnletError } from "../../kernels/errors.ts";
import type { Tensor, TensorSignature } from "../../kernels/tensor.ts";
import { checkPng } from "./png-check.ts";
import { toRgba } from "./png-samples.ts";

export type Channels = 1 | 3 | 4;

/** How an image fits a tensor of this signature; undefined where none does. */
export function imageChannels(signature: TensorSignature): Channels | undefined {
  const { dataType, shape } = signature;
  if (dataType !== "uint8") return undefined;
  if (shape.length === 2) return 1;
  const last = shape[2];
  if (shape.length !== 3) return undefined;
  if (last === 1 || last === 3 || last === 4) return last;
  return typeof last === "string" ? 4 : undefined;
}

/** @throws DawnletError INVALID_ARGUMENT for a tensor that is no image. */
export function writePng(output: string, tensor: Tensor): Uint8Array {
  const { dataType, shape, data } = tensor;
  const [height = 0, width = 0, last] = shape;
  const channels = imageChannels({ name: output, dataType, shape });
  if (channels === undefined || height === 0 || width === 0) {
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Cannot write output '${output}' as PNG as it is ${dataType} of shape [${shape}]: expected uint8 of [height, width, 4], [height, width, 3] or [height, width]`,
    );
  }
  return encode({ width, height, data, channels: last === undefined ? 1 : channels, depth: 8 });
}

/**
 * An image for an input.
 * @param limitBytes of the pixels once unpacked, 4 bytes each.
 * @throws DawnletError INVALID_ARGUMENT where the input takes no image or the bytes are no PNG that can be
 * read; PAYLOAD_TOO_LARGE.
 */
export async function readPng(
  signature: TensorSignature,
  file: Uint8Array,
  limitBytes: number,
): Promise<Tensor> {
  const channels = imageChannels(signature);
  if (channels === undefined) {
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Cannot use an image as input '${signature.name}' as it is ${signature.dataType} of shape [${signature.shape}]`,
    );
  }
  const { width, height, essence } = await checkPng(file, limitBytes);
  const data = repacked(decodeRgba(essence), channels);
  const shape = signature.shape.length === 2 ? [height, width] : [height, width, channels];
  return { dataType: "uint8", shape, data };
}

function decodeRgba(essence: Uint8Array): Uint8Array {
  try {
    return toRgba(decode(essence, { checkCrc: true }));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DawnletError("INVALID_ARGUMENT", `Cannot read the PNG: ${reason}`, { cause });
  }
}

function repacked(rgba: Uint8Array, channels: Channels): Uint8Array {
  if (channels === 4) return rgba;
  const pixels = rgba.byteLength / 4;
  const result = new Uint8Array(pixels * channels);
  for (let pixel = 0; pixel < pixels; pixel++) {
    const red = rgba[pixel * 4]!;
    const green = rgba[pixel * 4 + 1]!;
    const blue = rgba[pixel * 4 + 2]!;
    // Rec. 601 luma; a grey pixel keeps its value exactly.
    if (channels === 1) result[pixel] = Math.round((red * 299 + green * 587 + blue * 114) / 1000);
    else result.set([red, green, blue], pixel * 3);
  }
  return result;
}
