/** Inputs of a run that lie on several devices: which device has the most of them, and how the others come there. */
import {
  type DeviceTensor,
  type DeviceValue,
  isDeviceTensor,
} from "../../runtime/supervisor/device-tensor.ts";

/** The id of the device that holds most bytes of the inputs; undefined where none is on a device. */
export function holderOf(inputs: readonly DeviceValue[]): string | undefined {
  let holder: string | undefined;
  let most = -1;
  const bytes = new Map<string, number>();
  for (const input of inputs) {
    if (!isDeviceTensor(input)) continue;
    const held = (bytes.get(input.device) ?? 0) + input.sizeBytes;
    bytes.set(input.device, held);
    if (held <= most) continue;
    most = held;
    holder = input.device;
  }
  return holder;
}

/** Whether all that are on a device are on this one. */
export function areOn(inputs: readonly DeviceValue[], device: string): boolean {
  return inputs.every((input) => !isDeviceTensor(input) || input.device === device);
}

/** Those of other devices as bytes. @throws DawnletError as `read`. */
export function moved(
  inputs: readonly DeviceValue[],
  device: string,
  read: (tensor: DeviceTensor) => Promise<Uint8Array>,
): Promise<readonly DeviceValue[]> {
  return Promise.all(
    inputs.map((input) => (isDeviceTensor(input) && input.device !== device ? read(input) : input)),
  );
}
