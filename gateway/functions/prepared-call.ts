/**
 * A call between the checks of its inputs and its run: which Program on which bytes, and whether other calls can run with
 * it as one. When they do, somebody else decides; how several calls become one run is the matter of their `BatchGroup`.
 */
import type { Program } from "../../kernels/program/program.ts";
import type { Tensors } from "../../kernels/tensor.ts";
import type { ModelSource } from "../../runtime/compiler/protocol.ts";
import type { DeviceValue } from "../../runtime/supervisor/device-tensor.ts";
import type { FunctionDevice } from "../devices/function-device.ts";
import type { ManagedRun } from "../devices/managed-runs.ts";
import type { OwnedProgram } from "../devices/owner.ts";
import { deviceTimings, nameOutputs, type Servable, type ServableCall, type ServedCall } from "./servable.ts";

export type PreparedCall = PreparedProgram | PreparedSession;

/** A run on the device. */
export interface PreparedProgram {
  readonly type: "program";
  readonly program: OwnedProgram;
  /** By position in the Program's inputs. */
  readonly inputs: readonly DeviceValue[];
  /** By position in `outputs`: those that stay on the device. Undefined: none. */
  readonly keep: readonly boolean[] | undefined;
  readonly outputs: Program["outputs"];
  /** Names of the outputs that the caller gets, in order. Undefined: all. */
  readonly wanted: readonly string[] | undefined;
  /** Undefined where the call runs alone whatever happens. */
  readonly batch: BatchShare | undefined;
  /** The same call for the model's session on the CPU. Left out where it may not run there. */
  readonly onCpu?: CpuCall | undefined;
}

export interface CpuCall {
  readonly model: CpuModel;
  /** By name, as the model takes them. */
  readonly inputs: Tensors;
}

/** A model that ONNX Runtime's CPU provider may run; the same object for all calls of a version. */
export interface CpuModel {
  /** Models with equal ids share a session. */
  readonly id: string;
  readonly sizeBytes: number;
  /** @throws DawnletError CORRUPT_DATA, NOT_FOUND where it is damaged. */
  source(): Promise<ModelSource>;
}

/** What the device has no part in. */
export interface PreparedSession {
  readonly type: "session";
  run(): Promise<ServedCall>;
}

/** A call's part in a batch. */
export interface BatchShare {
  readonly group: BatchGroup;
  readonly rows: number;
}

/** Calls of one version that differ in nothing but their rows. Groups with equal keys are the same. */
export interface BatchGroup {
  /** Unique in this gateway. May take a hash of inputs to find: ask only where calls are to be joined. */
  readonly key: string;
  /** Most rows that a run will ever have; smaller than 2 once it has shown that there is to be none. */
  readonly maxRows: number;
  /** Rows that runs can have now, ascending; "any": all up to `maxRows`. */
  readySizes(): readonly number[] | "any";
  /** The rows of the run that a merge of so many would make; undefined where none that is ready holds them. */
  sizeFor(rows: number): number | undefined;
  /**
   * Has a size compiled that holds so many rows, where that takes time. One is compiled at a time for a function: wishes
   * meanwhile are dropped, as load that lasts will wish again. Resolves when nothing is under way any more; never rejects.
   */
  want(rows: number): Promise<void>;
  /**
   * @param calls at least one, of groups with this key, with at most as many rows in all as are ready.
   * @throws RangeError where there are more. @throws DawnletError where no Program can have so many: the calls can still
   * run each alone.
   */
  merge(calls: readonly PreparedProgram[]): MergedCall;
}

/** Several calls as one run. */
export interface MergedCall {
  readonly program: OwnedProgram;
  readonly inputs: readonly Uint8Array[];
  /** Of the run, those that only fill it up included. */
  readonly rows: number;
  /** What each call would have got from a run of its own, in the order of the calls, in memory of its own. */
  split(run: ManagedRun): readonly ManagedRun[];
}

/** What the caller gets of a run that was its own, or of its part in one. */
export function servedBy({ outputs, wanted }: PreparedProgram, run: ManagedRun): ServedCall {
  return {
    outputs: nameOutputs({ outputs }, run, wanted),
    timings: deviceTimings(run),
    device: run.device,
  };
}

/** Prepares a call and has it run, by itself or with others. @throws DawnletError */
export async function runPrepared(
  servable: Pick<Required<Servable>, "prepare">,
  device: FunctionDevice,
  call: ServableCall,
): Promise<ServedCall> {
  const prepared = servable.prepare(call);
  // What is there already costs no turn.
  const ready = prepared instanceof Promise ? await prepared : prepared;
  if (ready.type === "session") return ready.run();
  return servedBy(ready, await device.submit(ready, call));
}

let scopes = 0;

/** The beginning of the keys of one version's groups: no other version's begin so, whatever its name. */
export function newBatchScope(): string {
  return `batch${++scopes}`;
}
