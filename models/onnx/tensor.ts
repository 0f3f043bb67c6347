/**
 * TensorProto ⇄ Tensor: wherever the bytes are (raw, in typed fields, in an external file), they come out as
 * little-endian row-major bytes. Raw and external bytes are views, not copies.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { encodeElements, splitElements } from "../../kernels/strings.ts";
import { type DataType, elementBytes, elementCount, type Tensor } from "../../kernels/tensor.ts";
import { makeTensor, noTensor } from "./build.ts";
import { dataTypeOf, onnxTypeCode, onnxTypeName } from "./data-types.ts";
import { type FileLookup, isExternal, readExternal } from "./external.ts";
import type { TensorProto } from "./proto.ts";

const noFiles: FileLookup = () => undefined;

/**
 * @throws DawnletError UNSUPPORTED_MODEL for element types that Tensor does not have, INVALID_MODEL where shape
 * and bytes disagree or external bytes are missing.
 */
export function readTensor(proto: TensorProto, files: FileLookup = noFiles): Tensor {
  const dataType = dataTypeOf(proto.dataType);
  if (dataType === undefined) {
    const name = onnxTypeName(proto.dataType);
    throw new DawnletError(
      "UNSUPPORTED_MODEL",
      `Cannot read the tensor '${proto.name ?? ""}' as it is ${name}`,
    );
  }
  if (proto.segment !== undefined) throw invalid(proto, "it is one segment of a larger tensor");
  const shape = shapeOf(proto);
  const count = elementsOf(proto, shape);
  if (dataType === "string") return { dataType, shape, data: packStrings(proto, count) };
  const data = bytesOf(proto, dataType, files);
  const expected = count * elementBytes[dataType];
  if (data.length !== expected) {
    throw invalid(
      proto,
      `it has ${data.length} bytes: its shape [${shape}] of ${dataType} takes ${expected}`,
    );
  }
  return { dataType, shape, data };
}

/** A TensorProto of the same value. Its bytes are those of `tensor`, not copied. */
export function writeTensor(name: string, tensor: Tensor): TensorProto {
  const { dataType, shape, data } = tensor;
  if (dataType !== "string") return makeTensor(name, dataType, shape, data);
  const stringData = splitElements(name, data, elementCount(shape));
  return { ...noTensor, name, dims: shape.map(BigInt), dataType: onnxTypeCode(dataType), stringData };
}

/** @throws DawnletError INVALID_MODEL for negative dimensions and for more elements than can be counted. */
export function shapeOf(proto: TensorProto): readonly number[] {
  const shape = proto.dims.map(Number);
  if (shape.some((size) => size < 0 || !Number.isSafeInteger(size))) {
    throw invalid(proto, `its shape is [${proto.dims}]`);
  }
  return shape;
}

/** Elements of a tensor of this shape. @throws DawnletError INVALID_MODEL for more than can be counted. */
export function elementsOf(proto: TensorProto, shape: readonly number[]): number {
  let count = 1;
  for (const size of shape) count *= size;
  if (!Number.isSafeInteger(count)) throw invalid(proto, `its shape is [${shape}]`);
  return count;
}

function bytesOf(proto: TensorProto, dataType: Exclude<DataType, "string">, files: FileLookup): Uint8Array {
  if (isExternal(proto)) return readExternal(proto, files);
  if (proto.rawData !== undefined) return proto.rawData;
  switch (dataType) {
    case "float32":
      return bytes(proto.floatData);
    case "float64":
      return bytes(proto.doubleData);
    case "int64":
      return bytes(proto.int64Data);
    case "uint64":
      return bytes(proto.uint64Data);
    case "uint32":
      return bytes(Uint32Array.from(proto.uint64Data, Number));
    case "int32":
      return bytes(proto.int32Data);
    // ONNX keeps all smaller types in int32_data, float16 by its bits.
    case "int16":
    case "uint16":
    case "float16":
      return bytes(Uint16Array.from(proto.int32Data));
    case "int8":
    case "uint8":
      return Uint8Array.from(proto.int32Data);
    case "bool":
      return Uint8Array.from(proto.int32Data, (value) => (value === 0 ? 0 : 1));
    default:
      return dataType satisfies never;
  }
}

function bytes(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** Bytes of a Tensor of strings. */
function packStrings(proto: TensorProto, count: number): Uint8Array {
  const strings = proto.stringData;
  if (strings.length !== count)
    throw invalid(proto, `it has ${strings.length} strings: its shape takes ${count}`);
  return encodeElements(strings);
}

function invalid(proto: TensorProto, why: string): DawnletError {
  return new DawnletError("INVALID_MODEL", `Cannot read the tensor '${proto.name ?? ""}' as ${why}`);
}
