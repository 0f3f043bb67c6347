/**
 * Where a run goes, of several devices: the contract between who decides and the DeviceSet, which obeys. A policy is
 * pure: what it sees is read while it is asked, and not later. Types only.
 */

import type { DeviceRunOptions } from "../../../runtime/supervisor/device-process-options.ts";
import type { DeviceValue } from "../../../runtime/supervisor/device-tensor.ts";
import type { OwnedProgram, ProgramOwner } from "../../devices/owner.ts";

/** Which of `devices`, by its `index`. Another number, or one that is not among them, is a mistake: RangeError. */
export type Place = (request: PlaceRequest, devices: readonly PlacedDevice[]) => number;

/** A run, or a load where there are neither inputs nor options. */
export interface PlaceRequest {
  readonly program: OwnedProgram;
  readonly owner: ProgramOwner;
  /** Bytes: a run that reads tensors of a device goes there, and is not asked about. */
  readonly inputs: readonly DeviceValue[];
  readonly options: DeviceRunOptions;
  /** Where the scheduler wants it, by `index`. It is asked about where it cannot run there. */
  readonly device?: number;
}

/** A GPU, or a CPU that stands in for one. */
export type DeviceKind = "gpu" | "software";

/** One that can run the Program. */
export interface PlacedDevice {
  /** Counts from 0 in the order in which the gateway has them; stays. */
  readonly index: number;
  /** `gpu0`, `software1`: the same after a restart on the same adapters. */
  readonly id: string;
  readonly kind: DeviceKind;
  /** A run goes there at once. Otherwise it waits for another process, some tenths of a second, or longer. */
  readonly isUp: boolean;
  /** Runs that were placed there and have no answer yet. */
  readonly queued: number;
  /** Milliseconds that those are expected to take in all, loads included. */
  readonly queuedMs: number;
  /** Of weights: what they take, and may take. */
  readonly usedBytes: number;
  readonly budgetBytes: number;
  /** Where the Program's weights are: on the device, on their way, or neither. */
  stateOf(program: string): "absent" | "loading" | "resident";
  /** Milliseconds that a swap-in of it takes, as measured, or guessed from the rate of others. */
  loadMs(program: OwnedProgram): number;
  /** Milliseconds that a run of it takes; undefined where none was measured. */
  executeMs(program: OwnedProgram): number | undefined;
}
