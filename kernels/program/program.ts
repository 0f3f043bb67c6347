/**
 * Program: everything a GPU runs here, as plain data.
 *
 * A list of steps over numbered buffers, with the WGSL it needs. It holds no weights, only their
 * digests, and no GPU object: it can be written as JSON, sent to another process and run by any
 * WebGPU that has the features and limits that it names.
 * Parsing from unknown data is in parse.ts, what can be derived from it in analyze.ts.
 */
import type { TensorSpec } from "../tensor.ts";

export const programFormat = "dawnlet.program/1";

/** Position of a buffer in `Program.buffers`. */
export type BufferIndex = number;

export interface Program {
  readonly format: typeof programFormat;
  /** Tensors that the caller gives, each in a buffer of type `input`. */
  readonly inputs: readonly ProgramTensor[];
  /** Tensors that the caller gets, each in a buffer of type `output`. */
  readonly outputs: readonly ProgramTensor[];
  readonly buffers: readonly ProgramBuffer[];
  /** WGSL modules, each once. */
  readonly shaders: readonly string[];
  readonly pipelines: readonly ProgramPipeline[];
  readonly steps: readonly Step[];
  /** WebGPU features without which the shaders do not compile, such as `shader-f16`. */
  readonly features: readonly string[];
}

export interface ProgramTensor extends TensorSpec {
  readonly buffer: BufferIndex;
}

/**
 * A buffer, by what its bytes are. `sizeBytes` is a multiple of 4.
 * A binding covers exactly the range that it states, because shaders call `arrayLength`.
 */
export type ProgramBuffer =
  /** Written before the run with what the caller gives. Read-only for the steps. */
  | { readonly type: "input"; readonly sizeBytes: number }
  /** Read back after the run. */
  | { readonly type: "output"; readonly sizeBytes: number }
  /** Lives only while the Program runs; shares memory with others whose lifetimes do not overlap. */
  | { readonly type: "temporary"; readonly sizeBytes: number }
  /** Read-only bytes kept by digest (SHA-256, lower-case hex, of exactly `sizeBytes` bytes). */
  | { readonly type: "weight"; readonly sizeBytes: number; readonly digest: string }
  /** A few read-only bytes carried in the Program itself (base64): uniforms of recorded dispatches. */
  | { readonly type: "constant"; readonly sizeBytes: number; readonly data: string };

export interface ProgramPipeline {
  /** Position in `Program.shaders`. */
  readonly shader: number;
  readonly entryPoint: string;
  /** Values of `override` declarations, by name or numeric id. */
  readonly constants?: Readonly<Record<string, number>>;
}

/** How a shader sees a binding; decides the bind group layout and what may share a dispatch. */
export type BindingAccess = "uniform" | "read" | "read_write";

export interface Binding {
  readonly group: number;
  readonly binding: number;
  readonly buffer: BufferIndex;
  readonly offset: number;
  readonly sizeBytes: number;
  readonly access: BindingAccess;
}

export type Step = DispatchStep | CopyStep | ClearStep | RepeatStep;

export interface DispatchStep {
  readonly type: "dispatch";
  /** Position in `Program.pipelines`. */
  readonly pipeline: number;
  readonly bindings: readonly Binding[];
  readonly workgroups: readonly [number, number, number];
}

/** Offsets and size in bytes, multiples of 4. Source and target are different buffers. */
export interface CopyStep {
  readonly type: "copy";
  readonly from: BufferIndex;
  readonly fromOffset: number;
  readonly to: BufferIndex;
  readonly toOffset: number;
  readonly sizeBytes: number;
}

/** Writes zeros. Offset and size in bytes, multiples of 4. */
export interface ClearStep {
  readonly type: "clear";
  readonly buffer: BufferIndex;
  readonly offset: number;
  readonly sizeBytes: number;
}

/** Runs its steps `count` times: iterative solvers without a step an iteration. Does not nest. */
export interface RepeatStep {
  readonly type: "repeat";
  readonly count: number;
  readonly steps: readonly (DispatchStep | CopyStep | ClearStep)[];
}

/** A Program with the bytes of its weights, by digest: what a compiler hands over and a test runs. */
export interface ProgramWithWeights {
  readonly program: Program;
  readonly weights: ReadonlyMap<string, Uint8Array>;
}
