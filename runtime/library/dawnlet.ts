/**
 * What handlers import from "dawnlet": types of what they are given, and small tools for tensors, images, sound
 * and NumPy files. Web-standard code only: it runs in a sealed process, without files or network.
 */
export { DawnletError, type ErrorCode } from "../../kernels/errors.ts";
export type { DataType, Dimension, TensorSignature } from "../../kernels/tensor.ts";
export type { Channels } from "./channels.ts";
export { type Image, toGrey, toRgb, toRgba } from "./image.ts";
export {
  type DecodeImageOptions,
  decodeImage,
  type EncodeJpegOptions,
  encodeJpeg,
  encodePng,
} from "./image-files.ts";
export {
  type ImageLayout,
  type ImageToTensorOptions,
  imageToTensor,
  type TensorToImageOptions,
  tensorToImage,
} from "./image-tensor.ts";
export { decodeNpy, encodeNpy } from "./npy.ts";
export { resample } from "./resample.ts";
export type { ResizeFilter } from "./resample-rows.ts";
export { type ResizeOptions, resize } from "./resize.ts";
export { argmax, cosineSimilarity, type Numbers, softmax } from "./scores.ts";
export { type HostTensor, tensor } from "./tensor.ts";
export type { ArrayTypes, NumericType, TypedArray } from "./typed-arrays.ts";
export type {
  DawnletFunction,
  DeviceTensor,
  Handler,
  HandlerContext,
  HandlerLog,
  LogFields,
  OutputTypes,
  RunOptions,
  TensorData,
  TensorLike,
} from "./types.ts";
export {
  type Audio,
  type DecodedAudio,
  decodeWav,
  type EncodeWavOptions,
  encodeWav,
  mixToMono,
} from "./wav.ts";
