/**
 * Inputs of a call as a model's Program takes them: exporters give token ids as int64, and some Programs take int32 in
 * their place.
 */
import type { Program } from "../../kernels/program/program.ts";
import { narrowTensor } from "../../kernels/tensor.ts";
import type { DeviceValue } from "../../runtime/supervisor/device-tensor.ts";
import {
  asBytes,
  asDeviceValue,
  type CallTensor,
  isHeld,
  type TensorSource,
} from "../devices/call-tensor.ts";

/** Whether any is to be converted whose bytes are on the device. */
export function needsBytes(specs: Program["inputs"], tensors: readonly CallTensor[]): boolean {
  return tensors.some((tensor, i) => isHeld(tensor) && tensor.dataType !== specs[i]!.dataType);
}

/**
 * The inputs as the Program takes them: some int64 inputs as int32, for which their bytes must be here.
 * @returns undefined where a value does not fit, so that only the session can take it.
 */
export function programInputs(
  specs: Program["inputs"],
  tensors: readonly CallTensor[],
): readonly DeviceValue[] | undefined {
  const values: DeviceValue[] = [];
  for (const [i, tensor] of tensors.entries()) {
    const isFitting = isHeld(tensor) || tensor.dataType === specs[i]!.dataType;
    const fitting = isFitting ? tensor : narrowTensor(tensor);
    if (fitting === undefined) return undefined;
    values.push(asDeviceValue(fitting));
  }
  return values;
}

/** Brings those from the device that are of another type than the Program takes. @throws DawnletError as `asBytes`. */
export function readOthers(
  specs: Program["inputs"],
  tensors: readonly CallTensor[],
  device: TensorSource,
): Promise<readonly CallTensor[]> {
  return Promise.all(
    tensors.map((tensor, i) => (tensor.dataType === specs[i]!.dataType ? tensor : asBytes(tensor, device))),
  );
}
