/**
 * What the owner of a GPUDevice does for others: the contract between a gateway (or a page) and a
 * device process, worker or thread. Plain data only; GPU objects stay with their owner.
 */
import type { Program } from "../../kernels/program/program.ts";
import type { LaneLimit } from "./lane-limits.ts";
import type { UploadChoice } from "./upload-path.ts";

export interface AdapterDescription {
  readonly adapter: {
    readonly vendor: string;
    readonly architecture: string;
    readonly device: string;
    readonly description: string;
    /** A CPU behind a Vulkan driver: right results, no speed. */
    readonly isSoftware: boolean;
    /** Which implementation of WebGPU: `dawn`, `wgpu`, `browser`. */
    readonly implementation: string;
    /** Dawn's null backend computes nothing; it measures host cost. */
    readonly backend: string;
  };
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
}

export interface DeviceDescription extends AdapterDescription {
  /** Whose clock says how long work took on the GPU: its own, or the host's, which sees waiting as work. */
  readonly timing: "gpu" | "wall";
}

/** Where the time of a load went, in milliseconds. */
export interface LoadTiming {
  readonly pipelinesMs: number;
  readonly uploadMs: number;
  readonly totalMs: number;
  readonly uploadedBytes: number;
}

/** Where the time of a run went, in milliseconds; the device's own clock. */
export interface RunTiming {
  /** Waiting for weights to come in; 0 where they were there. Part of no other. */
  readonly loadMs: number;
  /** From the arrival of the message to the first command. */
  readonly queueMs: number;
  /** Writing inputs and encoding commands. */
  readonly encodeMs: number;
  /** From submit to mapped outputs. */
  readonly executeMs: number;
  /**
   * Its share of the GPU's time, by the clock that `DeviceDescription.timing` names. The time of a round is split in
   * proportion to what its runs take alone. Of tiny runs few are timed, and the others charged what their Program took
   * then: right on average.
   */
  readonly gpuMs: number;
}

/** Bytes, or the id of a tensor that an earlier run has left on the device. */
export type RunInput = Uint8Array | { readonly tensor: string };

/** Bytes, or a tensor that stays on the device until `releaseTensors`. Its id is never given again by this device. */
export type RunOutput = Uint8Array | { readonly tensor: string; readonly sizeBytes: number };

export interface RunRequest {
  /** Id given to `load`. */
  readonly program: string;
  /** By position in `Program.inputs`; each exactly the tensor's size. */
  readonly inputs: readonly RunInput[];
  /** By position in `Program.outputs`: which of them stay on the device. Left out, or too short: none. */
  readonly keep?: readonly boolean[] | undefined;
  /**
   * When its answer should be there, in milliseconds from its arrival at the device: of the runs that wait, those due
   * first go first. Left out: no hurry. It is no limit.
   */
  readonly urgencyMs?: number | undefined;
  /**
   * Weight of its Program where more runs wait than a round takes, a positive number; left out: 1. Where runs of a Program
   * differ, the last that came decides.
   */
  readonly share?: number | undefined;
}

/** What it took to bring in the weights that a run waits for. */
export type RunLoad = Pick<LoadTiming, "uploadMs" | "uploadedBytes">;

/** Hears of it when they are there. */
export type OnLoaded = (load: RunLoad) => void;

/** A run whose outputs all come back. */
export interface PlainRunRequest extends RunRequest {
  readonly keep?: undefined;
}

export interface RunResult<Output extends RunOutput = Uint8Array> {
  /** By position in `Program.outputs`. */
  readonly outputs: readonly Output[];
  readonly timing: RunTiming;
}

export interface LoadOptions {
  /**
   * True where it was verified that no output depends on what temporaries and outputs held before the run.
   * Otherwise each is cleared before its first use.
   */
  readonly writesBeforeReads: boolean;
  /** How long one run may take on the device, in milliseconds. Left out: without limit. */
  readonly timeLimitMs?: number | undefined;
}

/** An error of the WGSL compiler; lines and columns count from 1. */
export interface ShaderError {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** All methods throw DawnletError. */
export interface DeviceApi {
  describe(): Promise<DeviceDescription>;
  /** What the device's compiler finds wrong with a WGSL module; nothing where it compiles. */
  checkShader(code: string): Promise<readonly ShaderError[]>;
  /** Builds pipelines and uploads weights. Loading an id again while it is loaded does nothing. Concurrent calls for one id share one load. */
  load(id: string, program: Program, options: LoadOptions): Promise<LoadTiming>;
  /**
   * Brings the weights of a loaded Program in again where they were evicted, from host memory if they are there.
   * @throws NOT_FOUND for ids that were not loaded; OUT_OF_MEMORY as `run`.
   */
  reload(id: string): Promise<LoadTiming>;
  /**
   * Gives the device memory of a loaded Program's weights back once its runs are done. The Program stays known: the
   * next run, or `reload`, brings them in again. Unknown ids are ignored.
   */
  evict(id: string): Promise<void>;
  /**
   * Lets the copies of these weights in host memory go. What is on the device stays there, what is being read comes in;
   * a later load reads from the store again. Unknown digests are ignored.
   */
  dropHost(digests: readonly string[]): Promise<void>;
  /** Forgets a Program, and frees what no other one uses. Unknown ids are ignored. */
  unload(id: string): Promise<void>;
  /**
   * Runs a loaded Program, bringing its weights in where they were evicted. Tensors that it reads may be released once
   * it was called: they stay until it has them.
   * @param onLoaded called once where weights had to come in, before the run ends. A device in a worker does not call it.
   * @throws NOT_FOUND for ids that were not loaded, and for those of tensors, which the detail `tensor` names;
   *   OUT_OF_MEMORY, whose details have `neededBytes` where evicting others would help; TIME_LIMIT_EXCEEDED, whose
   *   detail `isAlone` says whether nothing else was in the round that hangs: the device does not recover from it.
   */
  run(request: PlainRunRequest, onLoaded?: OnLoaded): Promise<RunResult>;
  run(request: RunRequest, onLoaded?: OnLoaded): Promise<RunResult<RunOutput>>;
  /** The bytes of a tensor that stays on the device, which it goes on to do. @throws NOT_FOUND, OUT_OF_MEMORY. */
  readTensor(id: string): Promise<Uint8Array>;
  /** Gives the memory of tensors back. Unknown ids are ignored. */
  releaseTensors(ids: readonly string[]): Promise<void>;
  /**
   * Measures how bytes reach this device fastest, and uploads weights that way from now on. Takes tens of milliseconds
   * and some memory: not while somebody waits. @throws OUT_OF_MEMORY where the budget has no room for it now.
   */
  measureUpload(): Promise<UploadChoice>;
  memory(): Promise<DeviceMemory>;
}

/** Bytes of GPUBuffers that exist now, by what they hold. Counted at creation and destruction. */
export interface DeviceMemory {
  readonly budgetBytes: number;
  readonly weightBytes: number;
  readonly activationBytes: number;
  readonly constantBytes: number;
  readonly stagingBytes: number;
  /** Of tensors that stay between runs. */
  readonly tensorBytes: number;
  /** What GPU sessions hold, or have let go and the GPU still uses. */
  readonly sessionBytes: number;
  readonly totalBytes: number;
  readonly loadedPrograms: number;
  /** Ids of those whose weights are on the device. */
  readonly residentPrograms: readonly string[];
  /** Ids of those whose weights are coming in. */
  readonly loadingPrograms: readonly string[];
  /** Bytes of weights that are placed; `weightBytes` counts the slabs around them. */
  readonly placedBytes: number;
  readonly lanes: number;
  /** How many runs a round may have, by what they take alone: found by what pays. */
  readonly laneLimits: readonly LaneLimit[];
  /** Weights in host memory: bytes that are held and may be. */
  readonly hostBytes: number;
  readonly hostBudgetBytes: number;
  readonly pipelines: number;
}

/** Where a device process reads weights from: a folder of blobs, a fetch, a map in a test. */
export interface WeightSource {
  /**
   * Fills `target` with the blob's bytes from `offset` on.
   * @throws DawnletError NOT_FOUND, CORRUPT_DATA when the blob is shorter than asked.
   */
  read(digest: string, offset: number, target: Uint8Array): Promise<void>;
}
