/**
 * Several calls as one run on a device, as far as their group has a Program that holds so many rows: what is left over
 * runs in smaller parts, alone at last. A merged run that fails is run again call by call, so that each gets the error
 * that is its own.
 */
import type { DeviceRunOptions } from "../../runtime/supervisor/device-process-options.ts";
import type { DeviceSet } from "../devices/device-set.ts";
import type { ManagedRun } from "../devices/managed-runs.ts";
import type { BatchGroup } from "../functions/prepared-call.ts";
import type { DispatchedCall } from "./dispatched-call.ts";
import type { Unit } from "./scheduled-units.ts";

/** @returns for each call, in their order, what it would have got from a run of its own. */
export function runBatch(
  devices: DeviceSet,
  device: number,
  unit: Unit,
  calls: readonly DispatchedCall[],
  options: DeviceRunOptions,
): readonly Promise<ManagedRun>[] {
  const runs: Promise<ManagedRun>[] = [];
  for (let at = 0; at < calls.length; ) {
    const part = partOf(calls.slice(at));
    runs.push(...(part.length === 1 ? [alone(part[0]!)] : together(part)));
    at += part.length;
  }
  return runs;

  function alone({ prepared, signal }: DispatchedCall): Promise<ManagedRun> {
    const { program, inputs, keep } = prepared;
    return devices.runPlaced(device, unit.owner, program, inputs, { ...options, keep, signal });
  }

  function together(part: readonly DispatchedCall[]): readonly Promise<ManagedRun>[] {
    const whole = merged(part).catch(() => undefined);
    return part.map(async (call, i) => {
      const parts = await whole;
      call.signal?.throwIfAborted();
      return parts?.[i] ?? alone(call);
    });
  }

  async function merged(part: readonly DispatchedCall[]): Promise<readonly ManagedRun[]> {
    const { prepared, own } = part[0]!;
    const { program, inputs, split } = prepared.batch!.group.merge(part.map((call) => call.prepared));
    own(program);
    unit.adds(program);
    return split(await devices.runPlaced(device, unit.owner, program, inputs, options));
  }
}

/** As many of the first as one run can hold now; one at least. */
function partOf(calls: readonly DispatchedCall[]): readonly DispatchedCall[] {
  const shares = calls.map(({ prepared }) => prepared.batch!);
  const { group } = shares[0]!;
  let rows = shares.reduce((sum, share) => sum + share.rows, 0);
  let { length } = calls;
  while (length > 1 && !holds(group, rows)) rows -= shares[--length]!.rows;
  return calls.slice(0, length);
}

function holds(group: BatchGroup, rows: number): boolean {
  return rows <= group.maxRows && group.sizeFor(rows) !== undefined;
}
