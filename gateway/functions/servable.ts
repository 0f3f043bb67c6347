/**
 * A version that can answer calls. One implementation a kind of function; the registry knows no more than this.
 */

import type { Program } from "../../kernels/program/program.ts";
import type { Compilers } from "../../runtime/supervisor/compilers.ts";
import type { SessionProcesses } from "../../runtime/supervisor/session-processes.ts";
import { type CallTensor, callTensor, largeOutputs } from "../devices/call-tensor.ts";
import type { DeviceSet } from "../devices/device-set.ts";
import type { FunctionDevice } from "../devices/function-device.ts";
import type { ManagedRun } from "../devices/managed-runs.ts";
import type { CpuLane } from "../dispatch/cpu-lane.ts";
import type { CallWishes } from "../dispatch/dispatched-call.ts";
import type { Dispatcher } from "../dispatch/dispatcher.ts";
import type { HandlerHost } from "../handlers/handler-host.ts";
import type { Store } from "../store/store.ts";
import type {
  Batching,
  Engine,
  FetchInvocation,
  FetchResult,
  HeldInvocation,
  HopTimings,
} from "./functions.ts";
import type { PreparedCall } from "./prepared-call.ts";

/** Where a version of a function runs, and where its bytes are. */
export interface Backends {
  readonly store: Store;
  readonly device: FunctionDevice;
  readonly compilers: Compilers;
  readonly sessions: SessionProcesses;
  readonly handlers: HandlerHost;
}

/** The same for all functions. */
export interface SharedBackends extends Omit<Backends, "device"> {
  readonly devices: DeviceSet;
  readonly lanes: readonly CpuLane[];
  readonly dispatcher: Dispatcher;
}

export type ServableCall = Pick<
  HeldInvocation,
  "inputs" | "parameters" | "outputs" | "signal" | "keep" | "deadlineMs" | "refuseLate"
> &
  Pick<CallWishes, "refusal">;

export type ServableFetch = Pick<FetchInvocation, "request" | "arriving" | "signal">;

export interface ServedCall {
  /** Bytes, unless the call keeps its outputs. */
  readonly outputs: ReadonlyArray<{ readonly name: string; readonly tensor: CallTensor }>;
  readonly timings: HopTimings;
  /** The device that ran it; left out where none did. */
  readonly device?: string;
}

export interface Servable {
  readonly engine: Engine;
  /** Another object only after it has changed. Left out where calls always run alone. */
  readonly batching?: Batching | undefined;
  /**
   * Of functions that take tensors: checks a call and finds what runs it, in one turn where that is there already.
   * @throws DawnletError, at once or by the promise.
   */
  prepare?(call: ServableCall): PreparedCall | Promise<PreparedCall>;
  /** `prepare`, and the run alone. @throws DawnletError */
  run(call: ServableCall): Promise<ServedCall>;
  /**
   * Of handlers. @param onEnd called once, when the answer has gone through whole, or has failed.
   * @throws DawnletError
   */
  fetch?(call: ServableFetch, onEnd: () => void): Promise<Pick<FetchResult, "response" | "timings">>;
  /** Set by who holds the version: to be told of what went wrong outside of calls, or in several of them at once. */
  onTrouble?: ((error: unknown) => void) | undefined;
  /** Brings the weights of all Programs that are known onto the device. @throws DawnletError OUT_OF_MEMORY, … */
  warm(): Promise<void>;
  /** For `dawnlet inspect`. */
  inspect(): Promise<unknown>;
  /** Frees what it holds on the device and in other processes. */
  dispose(): Promise<void>;
}

/** By position in `Program.outputs`, as a device takes it. */
export function keptOutputs(
  { outputs }: Pick<Program, "outputs">,
  call: ServableCall,
): readonly boolean[] | undefined {
  return call.keep === undefined ? undefined : largeOutputs(outputs, call.outputs);
}

/** The tensors of a run by name, in the Program's order or in the order that the caller asked for. */
export function nameOutputs(
  program: Pick<Program, "outputs">,
  run: ManagedRun,
  wanted: readonly string[] | undefined,
): ServedCall["outputs"] {
  const all = program.outputs.map((output, i) => ({
    name: output.name,
    tensor: callTensor(output, run.outputs[i]!),
  }));
  return wanted === undefined ? all : wanted.map((name) => all.find((output) => output.name === name)!);
}

export function deviceTimings({ timing, loadMs, waitMs = 0 }: ManagedRun): HopTimings {
  return [
    ["load", loadMs],
    ["queue", waitMs + timing.queueMs],
    ["encode", timing.encodeMs],
    ["execute", timing.executeMs],
    ["gpu", timing.gpuMs],
  ];
}
