/**
 * Several calls as the rows of one run, and the outputs of that run divided among them again. Rows that only fill a run
 * up are cut off, and each call gets its bytes in memory of its own: nothing of one call can reach another.
 */

import type { Program } from "../../kernels/program/program.ts";
import { joinRows, rowBytesOf, splitRows } from "../../kernels/tensor-rows.ts";
import { isDeviceTensor } from "../../runtime/supervisor/device-tensor.ts";
import type { ManagedRun } from "../devices/managed-runs.ts";
import type { PreparedProgram } from "./prepared-call.ts";

/** @throws TypeError for a call that has no part in this group, RangeError for none. */
export function sharesOf(calls: readonly PreparedProgram[], key: string): readonly number[] {
  if (calls.length === 0) throw new RangeError("There is no call to merge");
  return calls.map(({ batch }) => {
    if (batch?.group.key !== key) throw new TypeError("A call is merged with calls of another group");
    return batch.rows;
  });
}

/** One input of all calls, by its position. @param spec of the merged run. */
export function mergeInput(
  calls: readonly PreparedProgram[],
  position: number,
  spec: Program["inputs"][number],
): Uint8Array {
  const parts = calls.map(({ inputs }) => bytesOf(inputs[position]));
  return joinRows(parts, rowBytesOf(spec), spec.shape[0]!);
}

/** @param specs of the merged run's outputs. @param shares rows of the calls, in the order of their inputs. */
export function splitRun(
  run: ManagedRun,
  specs: Program["outputs"],
  shares: readonly number[],
): readonly ManagedRun[] {
  const parts = specs.map((spec, i) => splitRows(bytesOf(run.outputs[i]), rowBytesOf(spec), shares));
  return shares.map((_, call) => ({ ...run, outputs: parts.map((part) => part[call]!) }));
}

function bytesOf(value: ManagedRun["outputs"][number] | undefined): Uint8Array {
  if (value === undefined || isDeviceTensor(value))
    throw new TypeError("Tensors of the device have no part in a batch");
  return value;
}
