/** Inputs and outputs of runs where a test knows that they are bytes. */
import type { RunInput } from "../../../runtime/device/api.ts";

export function bytesOf(value: RunInput | undefined): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`Not bytes, but ${JSON.stringify(value)}`);
}
