/**
 * A recorded stream → a Program. The heart of it is renaming: a run reuses GPUBuffers for many values, so each
 * time old bytes are surely gone (host write, whole clear, whole copy) a new version of the buffer begins, and each
 * version becomes a buffer of the Program. What is read before it is written, and is no input, is a weight.
 */
import { DawnletError } from "../../kernels/errors.ts";
import {
  type Binding,
  type BufferIndex,
  type Program,
  type ProgramBuffer,
  type ProgramTensor,
  programFormat,
  type Step,
} from "../../kernels/program/program.ts";
import { alignTo4, type TensorSpec, tensorBytes } from "../../kernels/tensor.ts";
import { bindingAccess, requiredFeatures } from "./shader.ts";
import type { RecordedBuffer, RecordedPipeline, Stream, StreamEvent } from "./stream.ts";

export interface RecordedTensor {
  readonly spec: TensorSpec;
  readonly buffer: RecordedBuffer;
}

/** A weight whose bytes are still on the device. */
export interface RecordedWeight {
  readonly buffer: RecordedBuffer;
  readonly sizeBytes: number;
}

export interface ProgramDraft {
  readonly weights: readonly RecordedWeight[];
  /** @param digests by position in `weights`. */
  finish(digests: readonly string[]): Program;
}

interface Version {
  type: ProgramBuffer["type"];
  readonly source: RecordedBuffer | undefined;
  /** End of the furthest range that a step uses. */
  extent: number;
  /** Of a constant: what the host wrote. */
  data?: Uint8Array;
  /** Of a constant: a step has used it, so its bytes are settled. */
  isUsed: boolean;
}

export function buildProgram(
  stream: Stream,
  inputs: readonly RecordedTensor[],
  outputs: readonly RecordedTensor[],
): ProgramDraft {
  const builder = new Builder(inputs);
  for (const event of stream.events) builder.add(event);
  const outputTensors = outputs.map(({ spec, buffer }) => builder.output(spec, buffer));
  return builder.draft(outputTensors);
}

class Builder {
  readonly #versions: Version[] = [];
  readonly #current = new Map<RecordedBuffer, BufferIndex>();
  readonly #inputs: ProgramTensor[];
  readonly #steps: Step[] = [];
  readonly #shaders: string[] = [];
  readonly #pipelines: RecordedPipeline[] = [];
  readonly #accessOf = new Map<string, ReturnType<typeof bindingAccess>>();

  constructor(inputs: readonly RecordedTensor[]) {
    this.#inputs = inputs.map(({ spec, buffer }) => {
      const index = this.#begin("input", buffer);
      this.#use(index, alignTo4(tensorBytes(spec.dataType, spec.shape)));
      return { ...spec, buffer: index };
    });
  }

  add(event: StreamEvent): void {
    switch (event.type) {
      case "write":
        this.#write(event.buffer, event.offset, event.data);
        return;
      case "clear": {
        const isWhole = event.offset === 0 && event.sizeBytes >= event.buffer.sizeBytes;
        // What a whole clear leaves are zeros nobody put there: the executor clears, unless verification shows
        // that nobody reads them.
        if (isWhole) this.#begin("temporary", event.buffer);
        else {
          const buffer = this.#writable(event.buffer);
          this.#use(buffer, event.offset + event.sizeBytes);
          this.#steps.push({ type: "clear", buffer, offset: event.offset, sizeBytes: event.sizeBytes });
        }
        return;
      }
      case "copy": {
        const from = this.#readable(event.from);
        const isWhole = event.toOffset === 0 && event.sizeBytes >= event.to.sizeBytes;
        const to = isWhole ? this.#begin("temporary", event.to) : this.#writable(event.to);
        this.#copy(from, event.fromOffset, to, event.toOffset, event.sizeBytes);
        return;
      }
      case "dispatch":
        this.#dispatch(event);
        return;
      default:
        event satisfies never;
    }
  }

  /** The Program's output for a tensor that the run left in `source`. */
  output(spec: TensorSpec, source: RecordedBuffer): ProgramTensor {
    const sizeBytes = Math.max(4, alignTo4(tensorBytes(spec.dataType, spec.shape)));
    const index = this.#readable(source);
    const version = this.#versions[index]!;
    if (version.type === "temporary") {
      version.type = "output";
      this.#use(index, sizeBytes);
      return { ...spec, buffer: index };
    }
    // An input, a weight, a constant, or another output handed out once more.
    const copy = this.#push("output", undefined);
    this.#copy(index, 0, copy, 0, sizeBytes);
    return { ...spec, buffer: copy };
  }

  draft(outputs: readonly ProgramTensor[]): ProgramDraft {
    const weights = this.#versions.filter((v) => v.type === "weight");
    return {
      weights: weights.map((v) => ({ buffer: v.source!, sizeBytes: alignTo4(v.extent) })),
      finish: (digests) => this.#finish(outputs, new Map(weights.map((v, i) => [v, digests[i]!]))),
    };
  }

  #finish(outputs: readonly ProgramTensor[], digestOf: ReadonlyMap<Version, string>): Program {
    // Unused versions go, equal constants and equal weights become one.
    const buffers: ProgramBuffer[] = [];
    const indexOf = new Map<string, number>();
    const renamed = this.#versions.map((version, i) => {
      if (version.extent === 0) return -1;
      const sizeBytes = Math.max(4, alignTo4(version.extent));
      const buffer = toBuffer(version, sizeBytes, digestOf);
      const isShared = buffer.type === "constant" || buffer.type === "weight";
      const key = isShared ? JSON.stringify(buffer) : `${i}`;
      let index = indexOf.get(key);
      if (index === undefined) {
        index = buffers.push(buffer) - 1;
        indexOf.set(key, index);
      }
      return index;
    });
    const rename = (index: BufferIndex) => renamed[index]!;
    const renameTensor = (tensor: ProgramTensor) => ({ ...tensor, buffer: rename(tensor.buffer) });
    return {
      format: programFormat,
      inputs: this.#inputs.map(renameTensor),
      outputs: outputs.map(renameTensor),
      buffers,
      shaders: this.#shaders,
      pipelines: this.#pipelines.map(({ code, entryPoint, constants }) => ({
        shader: this.#shaders.indexOf(code),
        entryPoint,
        ...(Object.keys(constants).length > 0 ? { constants } : {}),
      })),
      steps: this.#steps.map((step) => renameStep(step, rename)),
      features: [...new Set(this.#shaders.flatMap(requiredFeatures))].sort(),
    };
  }

  #dispatch(event: Extract<StreamEvent, { type: "dispatch" }>): void {
    if (event.workgroups.includes(0)) return;
    const { code } = event.pipeline;
    let access = this.#accessOf.get(code);
    if (access === undefined) {
      access = bindingAccess(code);
      this.#accessOf.set(code, access);
      this.#shaders.push(code);
    }
    const bindings: Binding[] = [];
    // Reads first: a buffer that is read here and written elsewhere in this step must not begin as a temporary.
    for (const recorded of event.bindings) {
      const kind = access.get(`${recorded.group}.${recorded.binding}`);
      if (kind === undefined) continue;
      const { group, binding, offset, sizeBytes } = recorded;
      const buffer =
        kind === "read_write" ? this.#writable(recorded.buffer) : this.#readable(recorded.buffer);
      this.#use(buffer, offset + sizeBytes);
      bindings.push({ group, binding, buffer, offset, sizeBytes, access: kind });
    }
    let pipeline = this.#pipelines.indexOf(event.pipeline);
    if (pipeline < 0) pipeline = this.#pipelines.push(event.pipeline) - 1;
    this.#steps.push({ type: "dispatch", pipeline, bindings, workgroups: event.workgroups });
  }

  #write(buffer: RecordedBuffer, offset: number, data: Uint8Array): void {
    const index = this.#current.get(buffer);
    const version = index === undefined ? undefined : this.#versions[index]!;
    const coversAll = offset === 0 && data.byteLength >= buffer.sizeBytes;
    const isPartOfConstant = version?.type === "constant";
    if (version !== undefined && !isPartOfConstant && !coversAll && version.type !== "input" && offset > 0) {
      // The GPU wrote the rest: put the host's bytes into the middle by a copy.
      const constant = this.#push("constant", undefined);
      this.#versions[constant]!.data = data;
      this.#copy(constant, 0, this.#writable(buffer), offset, data.byteLength);
      return;
    }
    const bytes = new Uint8Array(buffer.sizeBytes);
    if (isPartOfConstant && !coversAll && version.data !== undefined) bytes.set(version.data);
    bytes.set(data, offset);
    if (isPartOfConstant && !version.isUsed) version.data = bytes;
    else this.#versions[this.#begin("constant", buffer)]!.data = bytes;
  }

  #copy(from: BufferIndex, fromOffset: number, to: BufferIndex, toOffset: number, sizeBytes: number): void {
    this.#use(from, fromOffset + sizeBytes);
    this.#use(to, toOffset + sizeBytes);
    this.#steps.push({ type: "copy", from, fromOffset, to, toOffset, sizeBytes });
  }

  #use(index: BufferIndex, end: number): void {
    const version = this.#versions[index]!;
    version.extent = Math.max(version.extent, end);
    version.isUsed = true;
  }

  /** The version that a read sees; bytes from before the run are a weight. */
  #readable(buffer: RecordedBuffer): BufferIndex {
    return this.#current.get(buffer) ?? this.#begin("weight", buffer);
  }

  /** A version that steps may write, with the bytes that are there now. */
  #writable(buffer: RecordedBuffer): BufferIndex {
    const index = this.#current.get(buffer);
    if (index === undefined) return this.#begin("temporary", buffer);
    const version = this.#versions[index]!;
    if (version.type === "temporary" || version.type === "output") return index;
    const sizeBytes = Math.floor(buffer.sizeBytes / 4) * 4;
    const copy = this.#begin("temporary", buffer);
    this.#copy(index, 0, copy, 0, sizeBytes);
    return copy;
  }

  #begin(type: Version["type"], source: RecordedBuffer): BufferIndex {
    const index = this.#push(type, source);
    this.#current.set(source, index);
    return index;
  }

  #push(type: Version["type"], source: RecordedBuffer | undefined): BufferIndex {
    return this.#versions.push({ type, source, extent: 0, isUsed: false }) - 1;
  }
}

function toBuffer(
  version: Version,
  sizeBytes: number,
  digestOf: ReadonlyMap<Version, string>,
): ProgramBuffer {
  switch (version.type) {
    case "weight":
      return { type: "weight", sizeBytes, digest: digestOf.get(version)! };
    case "constant": {
      const bytes = new Uint8Array(sizeBytes);
      bytes.set((version.data ?? bytes).subarray(0, sizeBytes));
      return { type: "constant", sizeBytes, data: bytes.toBase64() };
    }
    case "input":
    case "output":
    case "temporary":
      return { type: version.type, sizeBytes };
  }
}

function renameStep(step: Step, rename: (index: BufferIndex) => BufferIndex): Step {
  switch (step.type) {
    case "dispatch":
      return { ...step, bindings: step.bindings.map((b) => ({ ...b, buffer: rename(b.buffer) })) };
    case "copy":
      return { ...step, from: rename(step.from), to: rename(step.to) };
    case "clear":
      return { ...step, buffer: rename(step.buffer) };
    case "repeat":
      throw new DawnletError("INTERNAL", "A recorded run has no repeats");
  }
}
