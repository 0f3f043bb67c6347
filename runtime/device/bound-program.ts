/**
 * A Program bound to a lane: bind groups made, ready to be encoded again and again with as few calls as there are
 * commands. The hot path of every run; it allocates nothing.
 */

import { type SimpleStep, touches } from "../../kernels/program/analyze.ts";
import type { BufferIndex, Program, Step } from "../../kernels/program/program.ts";
import type { Layouts } from "./layouts.ts";

export interface BufferRange {
  readonly gpu: GPUBuffer;
  readonly offset: number;
}

interface BoundDispatch {
  readonly type: "dispatch";
  readonly pipeline: GPUComputePipeline;
  readonly groups: readonly GPUBindGroup[];
  readonly x: number;
  readonly y: number;
  readonly z: number;
}

/** Copies and clears, which end the current pass. */
interface BoundTransfer {
  readonly type: "copy" | "clear";
  readonly from: GPUBuffer | undefined;
  readonly fromOffset: number;
  readonly to: GPUBuffer;
  readonly toOffset: number;
  readonly sizeBytes: number;
}

type BoundStep = BoundDispatch | BoundTransfer;

export interface BoundProgramSource {
  readonly device: GPUDevice;
  readonly layouts: Layouts;
  readonly program: Program;
  readonly pipelines: readonly GPUComputePipeline[];
  readonly rangeOf: (buffer: BufferIndex) => BufferRange;
  readonly cleared: ReadonlySet<BufferIndex>;
  readonly laneVersion: number;
}

export class BoundProgram {
  readonly laneVersion: number;
  readonly inputs: readonly GPUBuffer[];
  readonly outputs: readonly GPUBuffer[];
  /** By position: a plain step is a list of one with `rounds` 1. */
  readonly #blocks: readonly { readonly rounds: number; readonly steps: readonly BoundStep[] }[];

  constructor(source: BoundProgramSource) {
    const { program, rangeOf } = source;
    this.laneVersion = source.laneVersion;
    this.inputs = program.inputs.map((tensor) => rangeOf(tensor.buffer).gpu);
    this.outputs = program.outputs.map((tensor) => rangeOf(tensor.buffer).gpu);
    const toClear = new Set(source.cleared);
    const groupCache = new Map<string, readonly GPUBindGroup[]>();
    const clearsBefore = (step: Step): BoundStep[] => {
      const simple = step.type === "repeat" ? step.steps : [step];
      return simple
        .flatMap((s) => touches(program, s))
        .filter(({ buffer }) => toClear.delete(buffer))
        .map(({ buffer }) => clearOf(rangeOf(buffer), 0, program.buffers[buffer]!.sizeBytes));
    };
    const blocks = [];
    for (const step of program.steps) {
      const clears = clearsBefore(step);
      if (clears.length > 0) blocks.push({ rounds: 1, steps: clears });
      const simple = step.type === "repeat" ? step.steps : [step];
      const steps = simple.map((s) => bindStep(source, s, groupCache));
      blocks.push({ rounds: step.type === "repeat" ? step.count : 1, steps });
    }
    // Outputs that no step writes are still handed out.
    const rest = [...toClear].filter((index) => program.buffers[index]!.type === "output");
    const clears = rest.map((index) => clearOf(rangeOf(index), 0, program.buffers[index]!.sizeBytes));
    if (clears.length > 0) blocks.push({ rounds: 1, steps: clears });
    this.#blocks = blocks;
  }

  encode(commands: CommandWriter): void {
    for (const { rounds, steps } of this.#blocks) {
      for (let round = 0; round < rounds; round++) {
        for (const step of steps) {
          if (step.type === "dispatch") commands.dispatch(step);
          else commands.transfer(step);
        }
      }
    }
  }
}

/** Writes steps into a command encoder; opens and closes compute passes as needed, sets only what changed. */
export class CommandWriter {
  readonly encoder: GPUCommandEncoder;
  #pass: GPUComputePassEncoder | undefined;
  #pipeline: GPUComputePipeline | undefined;

  constructor(encoder: GPUCommandEncoder) {
    this.encoder = encoder;
  }

  dispatch(step: BoundDispatch): void {
    let pass = this.#pass;
    if (pass === undefined) {
      pass = this.encoder.beginComputePass();
      this.#pass = pass;
      this.#pipeline = undefined;
    }
    if (this.#pipeline !== step.pipeline) {
      pass.setPipeline(step.pipeline);
      this.#pipeline = step.pipeline;
    }
    const { groups } = step;
    for (let i = 0; i < groups.length; i++) pass.setBindGroup(i, groups[i]);
    // Each argument that is left out is one conversion less.
    if (step.z !== 1) pass.dispatchWorkgroups(step.x, step.y, step.z);
    else if (step.y !== 1) pass.dispatchWorkgroups(step.x, step.y);
    else pass.dispatchWorkgroups(step.x);
  }

  transfer(step: BoundTransfer): void {
    this.endPass();
    if (step.from === undefined) this.encoder.clearBuffer(step.to, step.toOffset, step.sizeBytes);
    else this.encoder.copyBufferToBuffer(step.from, step.fromOffset, step.to, step.toOffset, step.sizeBytes);
  }

  endPass(): void {
    this.#pass?.end();
    this.#pass = undefined;
  }
}

function bindStep(
  { device, layouts, pipelines, rangeOf }: BoundProgramSource,
  step: SimpleStep,
  groupCache: Map<string, readonly GPUBindGroup[]>,
): BoundStep {
  switch (step.type) {
    case "dispatch": {
      const layout = layouts.of(step.bindings);
      const key = `${layout.key}#${step.bindings.map((b) => `${b.group}.${b.binding}=${b.buffer}+${b.offset}:${b.sizeBytes}`).join()}`;
      let groups = groupCache.get(key);
      if (groups === undefined) {
        groups = layout.groups.map((groupLayout, group) =>
          device.createBindGroup({
            layout: groupLayout,
            entries: step.bindings
              .filter((b) => b.group === group)
              .map((b) => {
                const { gpu, offset } = rangeOf(b.buffer);
                return {
                  binding: b.binding,
                  resource: { buffer: gpu, offset: offset + b.offset, size: b.sizeBytes },
                };
              }),
          }),
        );
        groupCache.set(key, groups);
      }
      const [x, y, z] = step.workgroups;
      return { type: "dispatch", pipeline: pipelines[step.pipeline]!, groups, x, y, z };
    }
    case "copy": {
      const from = rangeOf(step.from);
      const to = rangeOf(step.to);
      return {
        type: "copy",
        from: from.gpu,
        fromOffset: from.offset + step.fromOffset,
        to: to.gpu,
        toOffset: to.offset + step.toOffset,
        sizeBytes: step.sizeBytes,
      };
    }
    case "clear":
      return clearOf(rangeOf(step.buffer), step.offset, step.sizeBytes);
  }
}

function clearOf(range: BufferRange, offset: number, sizeBytes: number): BoundTransfer {
  return {
    type: "clear",
    from: undefined,
    fromOffset: 0,
    to: range.gpu,
    toOffset: range.offset + offset,
    sizeBytes,
  };
}
