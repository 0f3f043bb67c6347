/**
 * PNG images as uint8 tensors of shape [height, width, 4], [height, width, 3], [height, width, 1] or
 * [height, width], and back. What is read is brought to the wanted channels: alpha is dropped, never blended.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { Tensor, TensorSignature } from "../../kernels/tensor.ts";
import { type Channels, convertChannels } from "../../runtime/library/channels.ts";
import { decodePng, encodePngPixels } from "../../runtime/library/png.ts";

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
  return encodePngPixels(width, height, last === undefined ? 1 : channels, data);
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
  const { width, height, rgba } = await decodePng(file, Math.floor(limitBytes / 4));
  const data = convertChannels(rgba, 4, channels);
  const shape = signature.shape.length === 2 ? [height, width] : [height, width, channels];
  return { dataType: "uint8", shape, data };
}
