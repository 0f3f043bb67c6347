/**
 * A Program bound to a lane: bind groups made, ready to be encoded again and again with as few calls as there are
 * commands. It encodes nothing: command-writer.ts does, in the order of step-cursor.ts.
 */

import { type SimpleStep, type SlotRange, touches } from "../../kernels/program/analyze.ts";
import type { BufferIndex, Program } from "../../kernels/program/program.ts";
import type { Lane, LaneUser } from "./lane.ts";
import type { Layouts } from "./layouts.ts";

export interface BufferRange {
  readonly gpu: GPUBuffer;
  readonly offset: number;
}

export interface BoundDispatch {
  readonly type: "dispatch";
  readonly pipeline: GPUComputePipeline;
  readonly groups: readonly GPUBindGroup[];
  readonly x: number;
  readonly y: number;
  readonly z: number;
  readonly needs: number;
  readonly at: number;
}

/** Copies and clears, which end the current pass. */
export interface BoundTransfer {
  readonly type: "copy" | "clear";
  readonly from: GPUBuffer | undefined;
  readonly fromOffset: number;
  readonly to: GPUBuffer;
  readonly toOffset: number;
  readonly sizeBytes: number;
  /** Weights, in the order of first use, that must be there before. */
  readonly needs: number;
  /** Its place in `flatSteps(program)`; of a clear that is ours, that of the step it comes before. */
  readonly at: number;
}

type StepPlace = Pick<BoundTransfer, "needs" | "at">;

export type BoundStep = BoundDispatch | BoundTransfer;

export interface BoundProgramSource {
  readonly device: GPUDevice;
  readonly layouts: Layouts;
  readonly program: Program;
  readonly pipelines: readonly GPUComputePipeline[];
  readonly rangeOf: (buffer: BufferIndex) => BufferRange;
  /** Buffers whose memory is cleared before the Program begins. */
  readonly clearedFirst: readonly BufferIndex[];
  /** Buffers whose memory is cleared just before their first use, since others used it before them. */
  readonly clearedLater: readonly BufferIndex[];
  /** What is cleared where another Program used the lane before. */
  readonly takeover: readonly SlotRange[];
  /** By step of the Program: weights, in the order of first use, that must be there before it. */
  readonly needs: readonly number[];
  readonly lane: Lane;
  readonly user: LaneUser;
  readonly weightsVersion: number;
}

export interface Block {
  /** 1 for plain steps. */
  readonly rounds: number;
  readonly steps: readonly BoundStep[];
}

export class BoundProgram {
  readonly laneVersion: number;
  readonly weightsVersion: number;
  readonly groupCount: number;
  readonly inputs: readonly GPUBuffer[];
  readonly outputs: readonly GPUBuffer[];
  /** Clears that need not wait for an earlier step: all runs of a round do theirs together. */
  readonly prologue: readonly BoundTransfer[];
  readonly blocks: readonly Block[];
  readonly #lane: Lane;
  readonly #user: LaneUser;
  readonly #takeover: readonly BoundTransfer[];

  constructor(source: BoundProgramSource) {
    const { program, rangeOf, lane } = source;
    this.#lane = lane;
    this.#user = source.user;
    this.#takeover = source.takeover.map(({ slot, offset, sizeBytes }) =>
      clearOf({ gpu: lane.slot(slot), offset }, 0, sizeBytes, { needs: 0, at: 0 }),
    );
    this.laneVersion = lane.version;
    this.weightsVersion = source.weightsVersion;
    this.inputs = program.inputs.map((tensor) => rangeOf(tensor.buffer).gpu);
    this.outputs = program.outputs.map((tensor) => rangeOf(tensor.buffer).gpu);
    const clear = (buffer: BufferIndex, place: StepPlace) =>
      clearOf(rangeOf(buffer), 0, program.buffers[buffer]!.sizeBytes, place);
    const waiting = new Set(source.clearedLater);
    this.prologue = source.clearedFirst.map((buffer) => clear(buffer, { needs: 0, at: 0 }));
    const groupCache = new Map<string, readonly GPUBindGroup[]>();
    const blocks: Block[] = [];
    // Steps that follow each other form one block, which a run goes through without looking left or right.
    let plain: BoundStep[] = [];
    const endPlain = () => {
      if (plain.length > 0) blocks.push({ rounds: 1, steps: plain });
      plain = [];
    };
    let first = 0;
    for (const [position, step] of program.steps.entries()) {
      const needs = source.needs[position]!;
      const simple = step.type === "repeat" ? step.steps : [step];
      for (const { buffer } of simple.flatMap((s) => touches(program, s))) {
        if (waiting.delete(buffer)) plain.push(clear(buffer, { needs, at: first }));
      }
      const steps = simple.map((s, i) => bindStep(source, s, { needs, at: first + i }, groupCache));
      first += simple.length;
      if (step.type === "repeat") {
        endPlain();
        blocks.push({ rounds: step.count, steps });
      } else plain.push(...steps);
    }
    // Outputs that no step writes are handed out all the same.
    for (const buffer of waiting) plain.push(clear(buffer, { needs: 0, at: Math.max(0, first - 1) }));
    endPlain();
    this.blocks = blocks;
    this.groupCount = [...groupCache.values()].reduce((sum, groups) => sum + groups.length, 0);
  }

  /** To be called before anything of a run is written into its lane. */
  enter(): void {
    this.#lane.enter(this.#user);
  }

  /** Clears that must come before all else in what is submitted next; none where nobody else used the lane meanwhile. */
  get takeover(): readonly BoundTransfer[] {
    return this.#lane.isLeftByOthers(this.#user) ? this.#takeover : [];
  }

  /** To be called when what begins with its takeover was submitted. */
  submitted(): void {
    this.#lane.submitted(this.#user);
  }
}

function bindStep(
  { device, layouts, pipelines, rangeOf }: BoundProgramSource,
  step: SimpleStep,
  place: StepPlace,
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
      return { type: "dispatch", pipeline: pipelines[step.pipeline]!, groups, x, y, z, ...place };
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
        ...place,
      };
    }
    case "clear":
      return clearOf(rangeOf(step.buffer), step.offset, step.sizeBytes, place);
  }
}

function clearOf(range: BufferRange, offset: number, sizeBytes: number, place: StepPlace): BoundTransfer {
  return {
    type: "clear",
    from: undefined,
    fromOffset: 0,
    to: range.gpu,
    toOffset: range.offset + offset,
    sizeBytes,
    ...place,
  };
}
