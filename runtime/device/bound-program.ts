/**
 * A Program bound to a lane: bind groups made, ready to be encoded again and again with as few calls as there are
 * commands. The hot path of every run; it allocates nothing.
 */

import { type SimpleStep, touches } from "../../kernels/program/analyze.ts";
import type { BufferIndex, Program } from "../../kernels/program/program.ts";
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
  readonly needs: number;
}

/** Copies and clears, which end the current pass. */
interface BoundTransfer {
  readonly type: "copy" | "clear";
  readonly from: GPUBuffer | undefined;
  readonly fromOffset: number;
  readonly to: GPUBuffer;
  readonly toOffset: number;
  readonly sizeBytes: number;
  /** Weights, in the order of first use, that must be there before. */
  readonly needs: number;
}

type BoundStep = BoundDispatch | BoundTransfer;

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
  /** By step of the Program: weights, in the order of first use, that must be there before it. */
  readonly needs: readonly number[];
  readonly laneVersion: number;
  readonly weightsVersion: number;
}

interface Block {
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

  constructor(source: BoundProgramSource) {
    const { program, rangeOf } = source;
    this.laneVersion = source.laneVersion;
    this.weightsVersion = source.weightsVersion;
    this.inputs = program.inputs.map((tensor) => rangeOf(tensor.buffer).gpu);
    this.outputs = program.outputs.map((tensor) => rangeOf(tensor.buffer).gpu);
    const clear = (buffer: BufferIndex, needs: number) =>
      clearOf(rangeOf(buffer), 0, program.buffers[buffer]!.sizeBytes, needs);
    const waiting = new Set(source.clearedLater);
    this.prologue = source.clearedFirst.map((buffer) => clear(buffer, 0));
    const groupCache = new Map<string, readonly GPUBindGroup[]>();
    const blocks: Block[] = [];
    // Steps that follow each other form one block, which a run goes through without looking left or right.
    let plain: BoundStep[] = [];
    const endPlain = () => {
      if (plain.length > 0) blocks.push({ rounds: 1, steps: plain });
      plain = [];
    };
    for (const [position, step] of program.steps.entries()) {
      const needs = source.needs[position]!;
      const simple = step.type === "repeat" ? step.steps : [step];
      for (const { buffer } of simple.flatMap((s) => touches(program, s))) {
        if (waiting.delete(buffer)) plain.push(clear(buffer, needs));
      }
      const steps = simple.map((s) => bindStep(source, s, needs, groupCache));
      if (step.type === "repeat") {
        endPlain();
        blocks.push({ rounds: step.count, steps });
      } else plain.push(...steps);
    }
    // Outputs that no step writes are handed out all the same.
    for (const buffer of waiting) plain.push(clear(buffer, 0));
    endPlain();
    this.blocks = blocks;
    this.groupCount = [...groupCache.values()].reduce((sum, groups) => sum + groups.length, 0);
  }
}

/**
 * Encodes the runs of a round: their clears first, then their steps in lockstep. Dispatches of different runs touch
 * different buffers, so no barrier stands between them and small kernels fill the GPU together.
 */
export function encodeRound(commands: CommandWriter, programs: readonly BoundProgram[]): void {
  for (const { prologue } of programs) for (const clear of prologue) commands.transfer(clear);
  if (programs.length === 1) {
    encodeAlone(commands, programs[0]!);
    return;
  }
  let cursors = programs.map(({ blocks }) => new Cursor(blocks));
  while (cursors.length > 0) {
    const going: Cursor[] = [];
    for (const cursor of cursors) {
      const step = cursor.next();
      if (step === undefined) continue;
      commands.step(step);
      going.push(cursor);
    }
    cursors = going;
  }
}

function encodeAlone(commands: CommandWriter, { blocks }: BoundProgram): void {
  for (const { rounds, steps } of blocks) {
    for (let round = 0; round < rounds; round++) {
      for (const step of steps) commands.step(step);
    }
  }
}

/** One run, encoded in parts while its weights come in. */
export class StepStream {
  readonly #bound: BoundProgram;
  readonly #cursor: Cursor;
  #next: BoundStep | undefined;
  #isBegun = false;

  constructor(bound: BoundProgram) {
    this.#bound = bound;
    this.#cursor = new Cursor(bound.blocks);
    this.#next = this.#cursor.next();
  }

  /** Weights that must be there before it can go on; undefined where all steps were encoded. */
  get needs(): number | undefined {
    return this.#next?.needs;
  }

  /** Encodes the steps whose weights are among the first `written`. @returns how many those were. */
  encode(commands: CommandWriter, written: number): number {
    if (!this.#isBegun) for (const clear of this.#bound.prologue) commands.transfer(clear);
    this.#isBegun = true;
    let count = 0;
    for (; this.#next !== undefined && this.#next.needs <= written; count++) {
      commands.step(this.#next);
      this.#next = this.#cursor.next();
    }
    return count;
  }
}

/** A place in a Program's steps. */
class Cursor {
  readonly #blocks: readonly Block[];
  #block = 0;
  #round = 0;
  #step = 0;

  constructor(blocks: readonly Block[]) {
    this.#blocks = blocks;
  }

  next(): BoundStep | undefined {
    for (;;) {
      const block = this.#blocks[this.#block];
      if (block === undefined) return undefined;
      if (this.#step < block.steps.length && this.#round < block.rounds) return block.steps[this.#step++];
      this.#step = 0;
      if (++this.#round >= block.rounds) {
        this.#round = 0;
        this.#block++;
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

  step(step: BoundStep): void {
    if (step.type === "dispatch") this.#dispatch(step);
    else this.transfer(step);
  }

  #dispatch(step: BoundDispatch): void {
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
  needs: number,
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
      return { type: "dispatch", pipeline: pipelines[step.pipeline]!, groups, x, y, z, needs };
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
        needs,
      };
    }
    case "clear":
      return clearOf(rangeOf(step.buffer), step.offset, step.sizeBytes, needs);
  }
}

function clearOf(range: BufferRange, offset: number, sizeBytes: number, needs: number): BoundTransfer {
  return {
    type: "clear",
    from: undefined,
    fromOffset: 0,
    to: range.gpu,
    toOffset: range.offset + offset,
    sizeBytes,
    needs,
  };
}
