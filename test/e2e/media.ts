/** Pictures and sound that lie beside the project, as tensors of the models that take them. */
import { join } from "node:path";
import jpeg from "jpeg-js";
import type { Tensor } from "../../kernels/tensor.ts";
import { readShared, sharedFolder } from "../models/onnx/shared-files.ts";
import { floats } from "./tensors.ts";

/** A file of the folder `models` beside the project. */
export function modelFile(name: string): Uint8Array {
  return readShared(join(sharedFolder, "models", name));
}

/** A digit as MNIST's model was trained on it: 28×28, from 0 (the black ground) to 1 (the white stroke). */
export function digitPicture(digit: number): Tensor {
  const { width, height, data } = jpeg.decode(modelFile(`digit-${digit}.jpg`), { useTArray: true });
  // Grey: each of the three channels says the same.
  const values = Array.from({ length: width * height }, (_, i) => data[4 * i]! / 255);
  return floats([1, 1, height, width], values);
}

/** A picture for the face detector, from -1 to 1: coloured waves, since no photograph lies beside the project. */
export function wavePicture(height: number, width: number): Tensor {
  const values = [3, 5, 7].flatMap((frequency, channel) =>
    Array.from({ length: height * width }, (_, i) => {
      const [x, y] = [(i % width) / width, Math.floor(i / width) / height];
      return Math.sin(2 * Math.PI * frequency * x + channel) * Math.cos(2 * Math.PI * (frequency - 1) * y);
    }),
  );
  return floats([1, 3, height, width], values);
}

/** Samples of a RIFF file of one channel in 16 bits, from -1 to 1. */
export function readSpeech(name: string): Float32Array {
  const bytes = modelFile(name);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = (at: number) => new TextDecoder().decode(bytes.subarray(at, at + 4));
  for (let at = 12; at + 8 <= bytes.byteLength; ) {
    const sizeBytes = view.getUint32(at + 4, true);
    if (text(at) === "data")
      return Float32Array.from(
        { length: sizeBytes / 2 },
        (_, i) => view.getInt16(at + 8 + 2 * i, true) / 32768,
      );
    at += 8 + sizeBytes + (sizeBytes % 2);
  }
  throw new Error(`'${name}' has no samples`);
}
