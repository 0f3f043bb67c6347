/**
 * Tensors of calls that come from inside the gateway: bytes, or what stays on the device. The protocols know only bytes.
 */
import { type DataType, type Tensor, tensorBytes } from "../../kernels/tensor.ts";
import {
  type DeviceTensor,
  type DeviceValue,
  isDeviceTensor,
} from "../../runtime/supervisor/device-tensor.ts";

/** A tensor whose bytes are on the device. */
export interface HeldTensor {
  readonly dataType: DataType;
  readonly shape: readonly number[];
  readonly held: DeviceTensor;
}

export type CallTensor = Tensor | HeldTensor;

/** Values by tensor name. */
export type CallTensors = Readonly<Record<string, CallTensor>>;

/** Who can read what stays on the device. */
export interface TensorSource {
  readTensor(tensor: DeviceTensor): Promise<Uint8Array>;
}

export function isHeld(tensor: CallTensor): tensor is HeldTensor {
  return "held" in tensor;
}

export function isTensor(tensor: CallTensor): tensor is Tensor {
  return "data" in tensor;
}

export function sizeBytesOf(tensor: CallTensor): number {
  return isHeld(tensor) ? tensor.held.sizeBytes : tensor.data.byteLength;
}

/** As a device takes it. */
export function asDeviceValue(tensor: CallTensor): DeviceValue {
  return isHeld(tensor) ? tensor.held : tensor.data;
}

/** As a device gives it. */
export function callTensor(
  { dataType, shape }: Pick<Tensor, "dataType" | "shape">,
  value: DeviceValue,
): CallTensor {
  return isDeviceTensor(value) ? { dataType, shape, held: value } : { dataType, shape, data: value };
}

/** The same as bytes. @throws DawnletError DEVICE_LOST, OUT_OF_MEMORY, NOT_FOUND where it was released. */
export async function asBytes(tensor: CallTensor, device: TensorSource): Promise<Tensor> {
  if (!isHeld(tensor)) return tensor;
  const { dataType, shape, held } = tensor;
  return { dataType, shape, data: await device.readTensor(held) };
}

/** @throws DawnletError as `asBytes`. */
export async function allAsBytes(
  tensors: CallTensors,
  device: TensorSource,
): Promise<Readonly<Record<string, Tensor>>> {
  const entries = Object.entries(tensors).map(
    async ([name, tensor]) => [name, await asBytes(tensor, device)] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}

/** Outputs of at most this come back with the call: to ask for them would take longer than to send them. */
export const inlineBytes = 16 * 1024;

/**
 * Which outputs of a Program stay on the device where a call keeps all that are large.
 * @param wanted names of those that the caller gets. Left out: all.
 */
export function largeOutputs(
  outputs: ReadonlyArray<Pick<Tensor, "dataType" | "shape"> & { readonly name: string }>,
  wanted: readonly string[] | undefined,
): readonly boolean[] {
  return outputs.map(
    ({ name, dataType, shape }) =>
      (wanted === undefined || wanted.includes(name)) && tensorBytes(dataType, shape) > inlineBytes,
  );
}
