/**
 * What the gateway knows and does about functions: the contract between the HTTP protocols, the command
 * line and the part that runs things. Types only.
 */
import type { FunctionSettingsPatch } from "../../kernels/manifest/function-settings.ts";
import type { MemorySettings } from "../../kernels/manifest/memory-settings.ts";
import type { CallSchedule } from "../../kernels/manifest/schedule-settings.ts";
import type { ParameterSignature } from "../../kernels/manifest/signature.ts";
import type { Tensor, TensorSignature, Tensors } from "../../kernels/tensor.ts";
import type { PlainRequest, PlainResponse } from "../../runtime/port/fetch/heads.ts";
import type { CallTensor, CallTensors } from "../devices/call-tensor.ts";
import type { Misfit } from "../devices/misfits.ts";

export interface FunctionSignature {
  readonly inputs: readonly TensorSignature[];
  readonly outputs: readonly TensorSignature[];
  readonly parameters: readonly ParameterSignature[];
}

export type FunctionKind = "wgsl" | "onnx" | "handler";

/** How calls of a version are answered. */
export type Engine =
  /** A Program on the GPU. For models: its measured difference from ORT's CPU provider. */
  | { readonly type: "program"; readonly maxAbsoluteError?: number }
  /** An ONNX Runtime session in a process of its own, and why. */
  | { readonly type: "fallback"; readonly reason: string }
  /** Code of the bundle, in processes of its own. */
  | { readonly type: "handler" };

/** Whether calls of a version can run together, as rows of one batch. */
export type Batching =
  /** As far as its signature tells; a batch is compiled, and the rows compared with single calls, when load asks for it. */
  | { readonly type: "untried"; readonly maxRows: number }
  /** A row was shown to give what it gives alone. */
  | {
      readonly type: "proven";
      /** Of a run. */
      readonly maxRows: number;
      /** Of models: for how many rows there are Programs. Of shaders any number runs, and this is left out. */
      readonly sizes?: readonly number[];
    }
  | { readonly type: "none"; readonly reason: string };

/** What a handler is made of and may use, as its manifest says. */
export interface HandlerDescription {
  /** The file whose default export answers. */
  readonly entry: string;
  /** Functions by their names in `env`. */
  readonly uses: Readonly<Record<string, { readonly name: string; readonly version?: string }>>;
  readonly hosts: readonly string[];
  /** Names. */
  readonly secrets: readonly string[];
}

/** One deployed version of a function. */
export interface FunctionVersion {
  readonly name: string;
  /** Whose it is; left out where it is the operator's. */
  readonly tenant?: string;
  /** Counts up from 1 within a name; what Open Inference clients call the version. */
  readonly version: number;
  /** SHA-256 of the deployed bytes, lower-case hex. */
  readonly digest: string;
  readonly kind: FunctionKind;
  readonly createdAt: string;
  readonly sizeBytes: number;
  readonly signature: FunctionSignature;
  readonly engine: Engine;
  /** Of models, and of shaders whose manifest states it. */
  readonly batching?: Batching;
  /** Of handlers. */
  readonly handler?: HandlerDescription;
  /** Left out where the version may be called. */
  readonly quarantine?: Quarantine;
  /** Left out where nothing damaged was noticed since the gateway started. */
  readonly damage?: VersionDamage;
  /** Devices that cannot run it, where others can; left out where none was met. */
  readonly misfits?: readonly Misfit[];
}

/** A version that has lost its device too often is not called any more. */
export interface Quarantine {
  /** ISO 8601. */
  readonly since: string;
  readonly strikes: number;
  /** What the last strike was. */
  readonly reason: string;
  /** When it ends by itself, as that of all functions of a tenant does; ISO 8601. Left out: when it is lifted. */
  readonly until?: string;
}

/**
 * Stored bytes that a version needs are missing or have changed. It is still called: what is in memory serves. A deploy
 * of the same bytes heals it.
 */
export interface VersionDamage {
  readonly reason: string;
  /** Of the blob or Program, as it should be. */
  readonly digest: string;
  /** When it was noticed; ISO 8601. */
  readonly since: string;
}

/** A deployed function: the version that answers by default and the older ones that are kept. */
export interface FunctionStatus {
  readonly name: string;
  /** That of all versions. */
  readonly tenant?: string;
  readonly current: FunctionVersion;
  /** Oldest first; the current one is the last. */
  readonly versions: readonly FunctionVersion[];
  /** How it is kept in device memory. */
  readonly memory: MemorySettings;
  /** Why it is not pinned though `memory` says so; left out where that is in force. */
  readonly unpinned?: string;
  /** When its calls run, of the current version; an older one has what its own bundle says, where nobody has set it. */
  readonly schedule: CallSchedule;
}

export interface Invocation {
  readonly name: string;
  /** Version number or digest (at least 8 hex digits of it). Left out: the current one. */
  readonly version?: string;
  readonly inputs: Tensors;
  readonly parameters: Readonly<Record<string, number>>;
  /** Names of the outputs that are wanted, in order. Left out: all. */
  readonly outputs?: readonly string[];
  readonly signal: AbortSignal;
  /** From now to its answer; left out: as its function says. */
  readonly deadlineMs?: number;
  /** Where it would be late, DEADLINE_EXCEEDED at once. */
  readonly refuseLate?: boolean;
}

/** A request for a handler. */
export interface FetchInvocation {
  readonly name: string;
  /** As in Invocation. */
  readonly version?: string;
  /** As the handler gets it: its URL is the handler's own. */
  readonly request: PlainRequest;
  /** Its body, where that is short and still under way; the request has none then. */
  readonly arriving?: Promise<Uint8Array>;
  /** Ends the call, also while its response streams. */
  readonly signal: AbortSignal;
}

export interface FetchResult {
  readonly version: FunctionVersion;
  readonly response: PlainResponse;
  readonly timings: HopTimings;
}

/** Milliseconds by hop, in the order of the way: `queue`, `load`, `encode`, `execute`, … For headers, metrics and traces. */
export type HopTimings = ReadonlyArray<readonly [hop: string, milliseconds: number]>;

/** Where a call was computed. */
export interface CallPlace {
  /** Id of the device; left out where none had a part. */
  readonly device?: string;
}

export interface InvocationResult extends CallPlace {
  readonly version: FunctionVersion;
  readonly outputs: ReadonlyArray<{ readonly name: string; readonly tensor: Tensor }>;
  readonly timings: HopTimings;
}

/** A call from inside the gateway: its tensors may stay on the device. */
export interface HeldInvocation extends Omit<Invocation, "inputs"> {
  /** Those on the device must not be released before the call has ended. */
  readonly inputs: CallTensors;
  /**
   * Outputs of more than `inlineBytes` stay on the device where the function runs there; who calls releases them.
   * Left out: all come back as bytes.
   */
  readonly keep?: "all";
}

export interface HeldResult extends Omit<InvocationResult, "outputs"> {
  readonly outputs: ReadonlyArray<{ readonly name: string; readonly tensor: CallTensor }>;
}

/** What is deployed: bytes of unknown type, as they arrive. */
export interface Upload {
  readonly body: ReadableStream<Uint8Array>;
  /** What the client says it is: `application/zip`, `text/wgsl`, `application/octet-stream`. Only a hint. */
  readonly contentType?: string;
  /** Whose function it is. Left out: the operator's, who may deploy everybody's; a new name becomes the operator's. */
  readonly tenant?: string;
}

export type DeployPhase = "upload" | "unpack" | "compile" | "verify" | "store";

export interface DeployProgress {
  readonly phase: DeployPhase;
  /** A sentence for people. */
  readonly message: string;
}

export interface DeployResult {
  readonly function: FunctionStatus;
  /** False where exactly these bytes were deployed already. */
  readonly changed: boolean;
}

/** All methods throw DawnletError. */
export interface Functions {
  list(): readonly FunctionStatus[];
  /** @throws NOT_FOUND */
  get(name: string): FunctionStatus;
  /** @throws NOT_FOUND when the name or the version is unknown. */
  version(name: string, version?: string): FunctionVersion;
  /** @throws NAME_TAKEN where the function is another tenant's; INVALID_BUNDLE, … */
  deploy(
    name: string,
    upload: Upload,
    onProgress?: (progress: DeployProgress) => void,
  ): Promise<DeployResult>;
  remove(name: string): Promise<void>;
  /**
   * Changes how a function is kept in device memory, and when its calls run; pinning loads it. Nothing has changed where
   * this throws. Calls that wait keep their deadline.
   * @throws NOT_FOUND, OUT_OF_MEMORY where there is no room to pin it.
   */
  configure(name: string, patch: FunctionSettingsPatch): Promise<FunctionStatus>;
  /** Lets the versions of a function be called again. @throws NOT_FOUND where none is in quarantine. */
  liftQuarantine(name: string): Promise<void>;
  invoke(invocation: Invocation): Promise<InvocationResult>;
  /** As `invoke`, for calls whose tensors may stay on the device. */
  invokeHeld(invocation: HeldInvocation): Promise<HeldResult>;
  /** Asks a handler. @throws UNSUPPORTED where the function is none. */
  fetch(invocation: FetchInvocation): Promise<FetchResult>;
  /** A Program's steps, bytes and memory, as plain data for `dawnlet inspect`. */
  inspect(name: string, version?: string): Promise<unknown>;
  /** True once deployed functions can be called. */
  readonly ready: boolean;
}
