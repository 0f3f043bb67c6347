/**
 * Writes Programs by hand: buffers and steps one after the other, their numbers kept by the sketch.
 * Runs in pages too.
 */
import {
  type BindingAccess,
  type BufferIndex,
  type ClearStep,
  type CopyStep,
  type DispatchStep,
  type Program,
  type ProgramBuffer,
  type ProgramPipeline,
  type ProgramTensor,
  type ProgramWithWeights,
  programFormat,
  type Step,
} from "../../kernels/program/program.ts";
import { alignTo4, type DataType, tensorBytes } from "../../kernels/tensor.ts";

export interface SketchBinding {
  readonly buffer: BufferIndex;
  readonly access: BindingAccess;
  readonly group?: number;
  /** Left out: its place in the list. */
  readonly binding?: number;
  readonly offset?: number;
  /** Left out: to the end of the buffer. */
  readonly sizeBytes?: number;
}

export interface SketchDispatch {
  readonly code: string;
  readonly entryPoint?: string;
  readonly constants?: Readonly<Record<string, number>>;
  readonly bindings: readonly SketchBinding[];
  readonly workgroups?: readonly [number, number, number];
}

export class Sketch {
  readonly #inputs: ProgramTensor[] = [];
  readonly #outputs: ProgramTensor[] = [];
  readonly #buffers: ProgramBuffer[] = [];
  readonly #shaders: string[] = [];
  readonly #pipelines: ProgramPipeline[] = [];
  readonly #steps: Step[] = [];
  readonly #features: string[] = [];
  readonly #weights = new Map<string, Uint8Array>();

  input(dataType: DataType, ...shape: readonly number[]): BufferIndex {
    const buffer = this.#add({ type: "input", sizeBytes: bufferBytes(dataType, shape) });
    this.#inputs.push({ name: `input${this.#inputs.length}`, dataType, shape, buffer });
    return buffer;
  }

  output(dataType: DataType, ...shape: readonly number[]): BufferIndex {
    const buffer = this.#add({ type: "output", sizeBytes: bufferBytes(dataType, shape) });
    this.#outputs.push({ name: `output${this.#outputs.length}`, dataType, shape, buffer });
    return buffer;
  }

  temporary(sizeBytes: number): BufferIndex {
    return this.#add({ type: "temporary", sizeBytes });
  }

  constant(data: Uint8Array): BufferIndex {
    return this.#add({ type: "constant", sizeBytes: data.byteLength, data: data.toBase64() });
  }

  async weight(data: Uint8Array): Promise<BufferIndex> {
    const hash = await crypto.subtle.digest("SHA-256", data.slice());
    const digest = new Uint8Array(hash).toHex();
    this.#weights.set(digest, data);
    return this.#add({ type: "weight", sizeBytes: data.byteLength, digest });
  }

  feature(name: string): void {
    this.#features.push(name);
  }

  dispatch(dispatch: SketchDispatch): void {
    this.#steps.push(this.dispatchStep(dispatch));
  }

  copy(from: BufferIndex, to: BufferIndex, sizeBytes: number, fromOffset = 0, toOffset = 0): void {
    this.#steps.push(copyStep(from, to, sizeBytes, fromOffset, toOffset));
  }

  clear(buffer: BufferIndex, offset: number, sizeBytes: number): void {
    this.#steps.push({ type: "clear", buffer, offset, sizeBytes });
  }

  repeat(count: number, steps: readonly (DispatchStep | CopyStep | ClearStep)[]): void {
    this.#steps.push({ type: "repeat", count, steps });
  }

  /** A step for `repeat`. */
  dispatchStep({ code, entryPoint = "main", constants, bindings, workgroups }: SketchDispatch): DispatchStep {
    const pipeline = { shader: this.#shader(code), entryPoint, ...(constants && { constants }) };
    return {
      type: "dispatch",
      pipeline: this.#pipeline(pipeline),
      bindings: bindings.map(({ buffer, access, group = 0, binding, offset = 0, sizeBytes }, index) => ({
        group,
        binding: binding ?? index,
        buffer,
        offset,
        sizeBytes: sizeBytes ?? this.#buffers[buffer]!.sizeBytes - offset,
        access,
      })),
      workgroups: workgroups ?? [1, 1, 1],
    };
  }

  finish(): ProgramWithWeights {
    const program: Program = {
      format: programFormat,
      inputs: this.#inputs,
      outputs: this.#outputs,
      buffers: this.#buffers,
      shaders: this.#shaders,
      pipelines: this.#pipelines,
      steps: this.#steps,
      features: this.#features,
    };
    return { program, weights: this.#weights };
  }

  #add(buffer: ProgramBuffer): BufferIndex {
    return this.#buffers.push(buffer) - 1;
  }

  #shader(code: string): number {
    const known = this.#shaders.indexOf(code);
    return known >= 0 ? known : this.#shaders.push(code) - 1;
  }

  #pipeline(pipeline: ProgramPipeline): number {
    const text = JSON.stringify(pipeline);
    const known = this.#pipelines.findIndex((each) => JSON.stringify(each) === text);
    return known >= 0 ? known : this.#pipelines.push(pipeline) - 1;
  }
}

/** A step for `repeat`. */
export function copyStep(
  from: BufferIndex,
  to: BufferIndex,
  sizeBytes: number,
  fromOffset = 0,
  toOffset = 0,
): CopyStep {
  return { type: "copy", from, fromOffset, to, toOffset, sizeBytes };
}

/** Binds buffers in order, in group 0. */
export function reads(buffer: BufferIndex): SketchBinding {
  return { buffer, access: "read" };
}

export function writes(buffer: BufferIndex): SketchBinding {
  return { buffer, access: "read_write" };
}

/**
 * WGSL that writes `expression` of `x` to each of the second binding's elements, `x` being that of the first.
 * One workgroup of 64 goes through all elements.
 */
export function mapShader(expression: string, type: "u32" | "f32" = "u32"): string {
  return `
@group(0) @binding(0) var<storage, read> source: array<${type}>;
@group(0) @binding(1) var<storage, read_write> target_: array<${type}>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_id) id: vec3u) {
  for (var i = id.x; i < arrayLength(&target_); i += 64u) {
    let x = source[i];
    target_[i] = ${expression};
  }
}`;
}

/** Little-endian bytes of 32-bit words. */
export function words(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

export function floatWords(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

/** `count` words that differ from each other and between seeds. */
export function noise(count: number, seed: number): Uint8Array {
  const values = Uint32Array.from(
    { length: count },
    (_, i) => Math.imul(i + 1, 0x9e3779b1) ^ (seed * 0x85ebca6b),
  );
  return new Uint8Array(values.buffer);
}

function bufferBytes(dataType: DataType, shape: readonly number[]): number {
  return Math.max(4, alignTo4(tensorBytes(dataType, shape)));
}
