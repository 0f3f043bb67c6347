/**
 * What the owner of a GPUDevice does for others: the contract between a gateway (or a page) and a
 * device process, worker or thread. Plain data only; GPU objects stay with their owner.
 */
import type { Program } from "../../kernels/program/program.ts";

export interface DeviceDescription {
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

/** Where the time of a load went, in milliseconds. */
export interface LoadTiming {
  readonly pipelinesMs: number;
  readonly uploadMs: number;
  readonly totalMs: number;
  readonly uploadedBytes: number;
}

/** Where the time of a run went, in milliseconds; the device's own clock. */
export interface RunTiming {
  /** From the arrival of the message to the first command. */
  readonly queueMs: number;
  /** Writing inputs and encoding commands. */
  readonly encodeMs: number;
  /** From submit to mapped outputs. */
  readonly executeMs: number;
}

export interface RunRequest {
  /** Id given to `load`. */
  readonly program: string;
  /** Bytes by position in `Program.inputs`; each exactly the tensor's size. */
  readonly inputs: readonly Uint8Array[];
}

export interface RunResult {
  /** Bytes by position in `Program.outputs`. */
  readonly outputs: readonly Uint8Array[];
  readonly timing: RunTiming;
}

export interface LoadOptions {
  /**
   * True where it was verified that no output depends on what temporaries and outputs held before the run.
   * Otherwise each is cleared before its first use.
   */
  readonly writesBeforeReads: boolean;
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
  /** Frees what no other loaded Program uses. Unknown ids are ignored. */
  unload(id: string): Promise<void>;
  run(request: RunRequest): Promise<RunResult>;
  memory(): Promise<DeviceMemory>;
}

/** Bytes of GPUBuffers that exist now, by what they hold. Counted at creation and destruction. */
export interface DeviceMemory {
  readonly budgetBytes: number;
  readonly weightBytes: number;
  readonly activationBytes: number;
  readonly constantBytes: number;
  readonly stagingBytes: number;
  readonly totalBytes: number;
  readonly loadedPrograms: number;
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
