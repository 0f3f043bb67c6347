/**
 * A tensor that stays on a device, as others know it: plain data that names it. It goes with the process that holds it;
 * the next one knows nothing of it. Who keeps it releases it.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { RunInput, RunOutput } from "../device/api.ts";

export interface DeviceTensor {
  /** Which device holds it: `DeviceProcess.id`. */
  readonly device: string;
  /** Unique within its device process. */
  readonly id: string;
  readonly sizeBytes: number;
  /** Of the device process that holds it: see DeviceProcess.generation. */
  readonly generation: number;
}

/** An input or output of a run: bytes, or what stays on the device. */
export type DeviceValue = Uint8Array | DeviceTensor;

export function isDeviceTensor(value: DeviceValue): value is DeviceTensor {
  return !(value instanceof Uint8Array);
}

/** As DeviceApi takes it. */
export function runInput(value: DeviceValue): RunInput {
  return isDeviceTensor(value) ? { tensor: value.id } : value;
}

/** @param holder the device process that has run it. */
export function deviceValue(
  output: RunOutput,
  { device, generation }: Pick<DeviceTensor, "device" | "generation">,
): DeviceValue {
  if (output instanceof Uint8Array) return output;
  return { device, id: output.tensor, sizeBytes: output.sizeBytes, generation };
}

/** Nobody is to blame, and nothing was run. */
export function tensorGone(): DawnletError {
  return new DawnletError("DEVICE_LOST", "The tensor went with its device: call again");
}
