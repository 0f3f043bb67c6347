/**
 * What can be derived from a Program without running it: where each buffer is first and last used, which
 * buffers may share memory, what a device must offer, how many bytes move. Pure functions over data.
 */
import { alignTo4, tensorBytes } from "../tensor.ts";
import type { BufferIndex, ClearStep, CopyStep, DispatchStep, Program } from "./program.ts";

export type SimpleStep = DispatchStep | CopyStep | ClearStep;

export interface Touch {
  readonly buffer: BufferIndex;
  readonly reads: boolean;
  readonly writes: boolean;
  /** Every byte of the buffer is written, and none read: what was in it before is gone. */
  readonly overwrites: boolean;
}

/** A step at least can follow another one: a run can be cut there, and others let in. */
export function isDivisible({ steps }: Pick<Program, "steps">): boolean {
  const [first] = steps;
  return steps.length > 1 || (first?.type === "repeat" && first.count * first.steps.length > 1);
}

/** The buffers that a step reads or writes. A `read_write` binding counts as both, since its shader may do either. */
export function touches(program: Program, step: SimpleStep): Touch[] {
  const isWhole = (buffer: BufferIndex, sizeBytes: number) =>
    program.buffers[buffer]?.sizeBytes === sizeBytes;
  switch (step.type) {
    case "dispatch":
      return step.bindings.map((b) => ({
        buffer: b.buffer,
        reads: true,
        writes: b.access === "read_write",
        overwrites: false,
      }));
    case "copy":
      return [
        { buffer: step.from, reads: true, writes: false, overwrites: false },
        { buffer: step.to, reads: false, writes: true, overwrites: isWhole(step.to, step.sizeBytes) },
      ];
    case "clear":
      return [
        { buffer: step.buffer, reads: false, writes: true, overwrites: isWhole(step.buffer, step.sizeBytes) },
      ];
  }
}

export interface Lifetime {
  /** Position of the top-level step of the first use; 0 for inputs; -1 for a buffer that is never used. */
  readonly first: number;
  /** Position of the last use; the number of steps for outputs, which are read afterwards. */
  readonly last: number;
}

/**
 * Lifetimes by buffer. A repeat counts as one step: what it touches lives through all its rounds.
 */
export function lifetimes(program: Program): Lifetime[] {
  const result = program.buffers.map((b) => ({
    first: b.type === "input" ? 0 : -1,
    last: b.type === "input" ? 0 : -1,
  }));
  program.steps.forEach((step, position) => {
    for (const simple of step.type === "repeat" ? step.steps : [step]) {
      for (const { buffer } of touches(program, simple)) {
        const lifetime = result[buffer]!;
        if (lifetime.first < 0) lifetime.first = position;
        lifetime.last = position;
      }
    }
  });
  program.buffers.forEach((b, i) => {
    if (b.type !== "output") return;
    const lifetime = result[i]!;
    if (lifetime.first < 0) lifetime.first = program.steps.length;
    lifetime.last = program.steps.length;
  });
  return result;
}

/** The step at which each weight is read first: the order in which uploads unblock execution. Unused weights are absent. */
export function weightFirstUse(program: Program): Map<BufferIndex, number> {
  const order = new Map<BufferIndex, number>();
  lifetimes(program).forEach(({ first }, buffer) => {
    if (program.buffers[buffer]?.type === "weight" && first >= 0) order.set(buffer, first);
  });
  return new Map([...order].sort((a, b) => a[1] - b[1]));
}

export interface SlotPlan {
  /** Sizes in bytes, largest first. */
  readonly slotBytes: readonly number[];
  /** Slot of each input, output and temporary that is used; absent for all other buffers. */
  readonly slotOf: ReadonlyMap<BufferIndex, number>;
}

/**
 * Assigns activations (inputs, outputs, temporaries) to slots, so that buffers that live at the same time
 * never share one. Greedy by size: the largest buffer first, each into the first slot where nothing overlaps.
 * Slots come out sorted, so Programs that share a lane's slots waste little.
 */
export function planSlots(program: Program): SlotPlan {
  const alive = lifetimes(program);
  const activations = program.buffers
    .map((b, index) => ({ index, type: b.type, sizeBytes: b.sizeBytes, ...alive[index]! }))
    .filter((b) => b.type !== "weight" && b.type !== "constant" && b.first >= 0)
    .sort((a, b) => b.sizeBytes - a.sizeBytes || a.index - b.index);
  const slots: { sizeBytes: number; residents: Lifetime[] }[] = [];
  const slotOf = new Map<BufferIndex, number>();
  for (const activation of activations) {
    const overlaps = (other: Lifetime) => other.first <= activation.last && activation.first <= other.last;
    let slot = slots.findIndex((s) => !s.residents.some(overlaps));
    if (slot < 0) slot = slots.push({ sizeBytes: activation.sizeBytes, residents: [] }) - 1;
    slots[slot]!.residents.push(activation);
    slotOf.set(activation.index, slot);
  }
  return { slotBytes: slots.map((s) => s.sizeBytes), slotOf };
}

/**
 * Temporaries and outputs whose old bytes a Program could see or hand out, because nothing overwrites them
 * wholly before their first other use. Their memory is cleared before a run unless the Program was verified.
 */
export function buffersToClear(program: Program): BufferIndex[] {
  const settled = new Set<BufferIndex>();
  const toClear = new Set<BufferIndex>();
  for (const step of flatSteps(program)) {
    for (const touch of touches(program, step)) {
      if (settled.has(touch.buffer)) continue;
      settled.add(touch.buffer);
      const { type } = program.buffers[touch.buffer]!;
      if ((type === "temporary" || type === "output") && !touch.overwrites) toClear.add(touch.buffer);
    }
  }
  program.buffers.forEach((b, i) => {
    if (b.type === "output" && !settled.has(i)) toClear.add(i);
  });
  return [...toClear];
}

/** When the buffers of `buffersToClear` are cleared. */
export interface ClearPlan {
  /** Before the Program begins: nobody else used the memory before them. */
  readonly clearedFirst: readonly BufferIndex[];
  /** Before their first use: another buffer of the Program has the same slot earlier. */
  readonly clearedLater: readonly BufferIndex[];
}

export const noClears: ClearPlan = { clearedFirst: [], clearedLater: [] };

export function planClears(program: Program, { slotOf }: SlotPlan): ClearPlan {
  const alive = lifetimes(program);
  const firstInSlot = new Map<number, BufferIndex>();
  for (const [buffer, slot] of slotOf) {
    const other = firstInSlot.get(slot);
    if (other === undefined || alive[buffer]!.first < alive[other]!.first) firstInSlot.set(slot, buffer);
  }
  const toClear = buffersToClear(program);
  const isFirst = (buffer: BufferIndex) => firstInSlot.get(slotOf.get(buffer)!) === buffer;
  return {
    clearedFirst: toClear.filter(isFirst),
    clearedLater: toClear.filter((buffer) => !isFirst(buffer)),
  };
}

/** A part of a slot. */
export interface SlotRange {
  readonly slot: number;
  readonly offset: number;
  readonly sizeBytes: number;
}

/**
 * Where a run could see what another Program left in its slots: behind the tensor of an input, whose buffer may be
 * larger, and in all that is not cleared before each run anyway. No tensor of an input lies in these ranges.
 * @param isCleared `buffersToClear` are cleared before each run.
 */
export function planTakeover(
  program: Program,
  { slotBytes, slotOf }: SlotPlan,
  isCleared: boolean,
): SlotRange[] {
  const inputBytes = new Map<number, { readonly tensor: number; readonly buffer: number }>();
  for (const { buffer, dataType, shape } of program.inputs) {
    const slot = slotOf.get(buffer);
    if (slot === undefined) continue;
    const tensor = alignTo4(tensorBytes(dataType, shape));
    inputBytes.set(slot, { tensor, buffer: program.buffers[buffer]!.sizeBytes });
  }
  return slotBytes.flatMap((sizeBytes, slot) => {
    const input = inputBytes.get(slot);
    const offset = input?.tensor ?? 0;
    const end = isCleared ? (input?.buffer ?? 0) : sizeBytes;
    return end > offset ? [{ slot, offset, sizeBytes: end - offset }] : [];
  });
}

/** The limits of a GPUDevice that decide whether a Program can run on it, by their WebGPU names. */
export interface Requirements {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
  readonly maxUniformBufferBindingSize: number;
  readonly maxStorageBuffersPerShaderStage: number;
  readonly maxUniformBuffersPerShaderStage: number;
  readonly maxBindGroups: number;
  readonly maxComputeWorkgroupsPerDimension: number;
}

export function requirements(program: Program): Requirements {
  let maxStorageBufferBindingSize = 0;
  let maxUniformBufferBindingSize = 0;
  let maxStorageBuffersPerShaderStage = 0;
  let maxUniformBuffersPerShaderStage = 0;
  let maxBindGroups = 0;
  let maxComputeWorkgroupsPerDimension = 0;
  for (const step of flatSteps(program)) {
    if (step.type !== "dispatch") continue;
    let uniforms = 0;
    for (const b of step.bindings) {
      maxBindGroups = Math.max(maxBindGroups, b.group + 1);
      if (b.access === "uniform") {
        uniforms++;
        maxUniformBufferBindingSize = Math.max(maxUniformBufferBindingSize, b.sizeBytes);
      } else maxStorageBufferBindingSize = Math.max(maxStorageBufferBindingSize, b.sizeBytes);
    }
    maxUniformBuffersPerShaderStage = Math.max(maxUniformBuffersPerShaderStage, uniforms);
    maxStorageBuffersPerShaderStage = Math.max(
      maxStorageBuffersPerShaderStage,
      step.bindings.length - uniforms,
    );
    maxComputeWorkgroupsPerDimension = Math.max(maxComputeWorkgroupsPerDimension, ...step.workgroups);
  }
  return {
    maxBufferSize: Math.max(0, ...program.buffers.map((b) => b.sizeBytes)),
    maxStorageBufferBindingSize,
    maxUniformBufferBindingSize,
    maxStorageBuffersPerShaderStage,
    maxUniformBuffersPerShaderStage,
    maxBindGroups,
    maxComputeWorkgroupsPerDimension,
  };
}

export interface Traffic {
  readonly dispatches: number;
  readonly weightBytes: number;
  readonly activationBytes: number;
  /** Bytes that bindings and copies of one run cover: a lower bound of its time is this over the memory bandwidth. */
  readonly boundBytes: number;
}

export function traffic(program: Program): Traffic {
  let dispatches = 0;
  let boundBytes = 0;
  for (const step of program.steps) {
    const rounds = step.type === "repeat" ? step.count : 1;
    for (const simple of step.type === "repeat" ? step.steps : [step]) {
      if (simple.type === "dispatch") {
        dispatches += rounds;
        for (const b of simple.bindings) boundBytes += rounds * b.sizeBytes;
      } else boundBytes += rounds * simple.sizeBytes * (simple.type === "copy" ? 2 : 1);
    }
  }
  const weights = new Map<string, number>();
  for (const b of program.buffers) if (b.type === "weight") weights.set(b.digest, b.sizeBytes);
  return {
    dispatches,
    boundBytes,
    weightBytes: [...weights.values()].reduce((sum, bytes) => sum + bytes, 0),
    activationBytes: planSlots(program).slotBytes.reduce((sum, bytes) => sum + bytes, 0),
  };
}

/** All steps in order, those of a repeat once. */
export function flatSteps(program: Program): SimpleStep[] {
  return program.steps.flatMap((step) => (step.type === "repeat" ? step.steps : [step]));
}
