/** NumPy's .npy files to tensors in the handler's memory and back. The format itself is kernels/npy.ts. */
import { readNpy, writeNpy } from "../../kernels/npy.ts";
import type { HostTensor } from "./tensor.ts";
import { type NumericType, toBytes, toTypedArray } from "./typed-arrays.ts";

/**
 * @throws DawnletError INVALID_ARGUMENT for what is no .npy file, is cut off, or holds strings, objects, complex
 * numbers or records.
 */
export function decodeNpy(file: Uint8Array): HostTensor {
  const { dataType, shape, data } = readNpy(file);
  // The reader knows no .npy type for strings.
  return { dataType: dataType as NumericType, shape, data: toTypedArray(dataType, data) };
}

/** A file as `numpy.save` writes it. */
export function encodeNpy({ dataType, shape, data }: HostTensor): Uint8Array<ArrayBuffer> {
  return writeNpy({ dataType, shape, data: toBytes(data) });
}
