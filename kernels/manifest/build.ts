/**
 * A plan and the values of a call's dimensions → Program. Uniform blocks become inputs of the Program
 * after the real ones, so that a parameter which only goes into a block never makes a new Program.
 */
import { DawnletError } from "../errors.ts";
import {
  type Binding,
  type BufferIndex,
  type ClearStep,
  type CopyStep,
  type DispatchStep,
  type Program,
  type ProgramBuffer,
  type ProgramPipeline,
  type ProgramTensor,
  programFormat,
  type Step,
} from "../program/program.ts";
import { alignTo4, tensorBytes } from "../tensor.ts";
import { type Expression, evaluate, type Scope } from "./expression.ts";
import type {
  Plan,
  PlannedBuffer,
  PlannedDispatch,
  PlannedKernel,
  PlannedSimpleStep,
  PlannedStep,
} from "./plan.ts";

/** What WebGPU guarantees in each dimension of a dispatch, and what nearly all devices have. */
const mostWorkgroups = 65_535;

/** A bound on what one call may ask for; a day of iterations is no request. */
const mostRepeats = 1_000_000;

/**
 * @param digests of constants, by name.
 * @throws DawnletError INVALID_ARGUMENT for sizes that no tensor has, LIMIT_EXCEEDED for too many workgroups.
 */
export function buildProgram(plan: Plan, digests: ReadonlyMap<string, string>, scope: Scope): Program {
  return new Builder(plan, digests, scope).build();
}

class Builder {
  readonly #plan: Plan;
  readonly #digests: ReadonlyMap<string, string>;
  readonly #scope: Scope;
  readonly #buffers: ProgramBuffer[] = [];
  readonly #tensors = new Map<PlannedBuffer, ProgramTensor>();
  readonly #blocks: ProgramTensor[] = [];
  readonly #shaders: string[] = [];
  readonly #features = new Set<string>();
  readonly #pipelines: ProgramPipeline[] = [];
  readonly #pipelineOf = new Map<PlannedKernel, number>();

  constructor(plan: Plan, digests: ReadonlyMap<string, string>, scope: Scope) {
    this.#plan = plan;
    this.#digests = digests;
    this.#scope = scope;
  }

  build(): Program {
    const inputs = this.#addTensors("input");
    this.#plan.blocks.forEach(({ sizeBytes }, i) => {
      const buffer = this.#buffers.push({ type: "input", sizeBytes }) - 1;
      this.#blocks.push({ name: `$uniforms${i}`, dataType: "uint8", shape: [sizeBytes], buffer });
    });
    const outputs = this.#addTensors("output");
    this.#addTensors("temporary");
    this.#addTensors("constant");
    const steps = this.#plan.steps.flatMap((step) => this.#step(step));
    return {
      format: programFormat,
      inputs: [...inputs, ...this.#blocks],
      outputs,
      buffers: this.#buffers,
      shaders: this.#shaders,
      pipelines: this.#pipelines,
      steps,
      features: [...this.#features],
    };
  }

  #addTensors(role: PlannedBuffer["role"]): ProgramTensor[] {
    const planned = this.#plan.buffers.filter((buffer) => buffer.role === role);
    return planned.map((buffer) => {
      const { name, dataType } = buffer;
      const shape = buffer.shape.map((size) => this.#size(`${role} '${name}'`, size));
      const sizeBytes = alignTo4(tensorBytes(dataType, shape));
      if (!Number.isSafeInteger(sizeBytes)) {
        throw new DawnletError(
          "LIMIT_EXCEEDED",
          `Cannot make ${role} '${name}' of shape [${shape}]: it has ${sizeBytes} bytes`,
        );
      }
      const index = this.#buffers.push(this.#bufferOf(buffer, sizeBytes)) - 1;
      const tensor = { name, dataType, shape, buffer: index };
      this.#tensors.set(buffer, tensor);
      return tensor;
    });
  }

  #bufferOf({ name, role }: PlannedBuffer, sizeBytes: number): ProgramBuffer {
    if (role !== "constant") return { type: role, sizeBytes };
    return { type: "weight", sizeBytes, digest: this.#digests.get(name) ?? "" };
  }

  #step(step: PlannedStep): Step[] {
    if (step.type !== "repeat") return this.#simpleStep(step);
    const count = this.#count(`${step.where}.repeat`, step.count, mostRepeats);
    const steps = count === 0 ? [] : step.steps.flatMap((inner) => this.#simpleStep(inner));
    return steps.length === 0 ? [] : [{ type: "repeat", count, steps }];
  }

  #simpleStep(step: PlannedSimpleStep): (DispatchStep | CopyStep | ClearStep)[] {
    switch (step.type) {
      case "dispatch":
        return this.#dispatch(step);
      case "copy": {
        const from = this.#index(step.from);
        const to = this.#index(step.to);
        const sizeBytes = this.#bytes(from);
        if (sizeBytes !== this.#bytes(to)) {
          throw new DawnletError(
            "INVALID_BUNDLE",
            `Cannot copy '${step.from.name}' (${sizeBytes} bytes) to '${step.to.name}' (${this.#bytes(to)} bytes) at ${step.where}`,
          );
        }
        return [{ type: "copy", from, fromOffset: 0, to, toOffset: 0, sizeBytes }];
      }
      case "clear": {
        const buffer = this.#index(step.buffer);
        return [{ type: "clear", buffer, offset: 0, sizeBytes: this.#bytes(buffer) }];
      }
      default:
        return step satisfies never;
    }
  }

  /** A dispatch of no workgroups does nothing and is left out: that is how a step depends on a size. */
  #dispatch(step: PlannedDispatch): DispatchStep[] {
    const counts = step.workgroups.map((count, i) =>
      this.#count(`${step.where}.workgroups[${i}]`, count, mostWorkgroups),
    );
    if (counts.includes(0)) return [];
    const [x = 1, y = 1, z = 1] = counts;
    const bindings = step.bindings.map(({ layout, target }): Binding => {
      const buffer =
        target.type === "block" ? this.#blocks[target.block]!.buffer : this.#index(target.buffer);
      const { group, binding, access, minimumBytes, variable } = layout;
      const sizeBytes = this.#bytes(buffer);
      if (target.type === "buffer" && sizeBytes < minimumBytes) {
        throw new DawnletError(
          "INVALID_ARGUMENT",
          `Cannot bind '${target.buffer.name}' of ${sizeBytes} bytes at ${step.where}: variable '${variable}' of kernel '${step.kernel.name}' takes at least ${minimumBytes}`,
        );
      }
      return { group, binding, buffer, offset: 0, sizeBytes, access };
    });
    return [{ type: "dispatch", pipeline: this.#pipeline(step.kernel), bindings, workgroups: [x, y, z] }];
  }

  #pipeline(kernel: PlannedKernel): number {
    const known = this.#pipelineOf.get(kernel);
    if (known !== undefined) return known;
    const { source, features } = kernel.module;
    let shader = this.#shaders.indexOf(source);
    if (shader < 0) shader = this.#shaders.push(source) - 1;
    for (const feature of features) this.#features.add(feature);
    const values = [...kernel.constants].map(
      ([name, value]) => [name, evaluate(value, this.#scope)] as const,
    );
    const constants = values.length === 0 ? {} : { constants: Object.fromEntries(values) };
    const pipeline = this.#pipelines.push({ shader, entryPoint: kernel.entryPoint.name, ...constants }) - 1;
    this.#pipelineOf.set(kernel, pipeline);
    return pipeline;
  }

  #size(what: string, expression: Expression): number {
    const size = evaluate(expression, this.#scope);
    if (Number.isSafeInteger(size) && size >= 1) return size;
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Cannot make ${what} as its dimension '${expression.source}' is ${size}: expected an integer from 1`,
    );
  }

  #count(where: string, expression: Expression, most: number): number {
    const count = evaluate(expression, this.#scope);
    if (!Number.isSafeInteger(count) || count < 0) {
      throw new DawnletError(
        "INVALID_ARGUMENT",
        `Cannot use ${where} ('${expression.source}') as it is ${count}: expected an integer from 0`,
      );
    }
    if (count > most) {
      throw new DawnletError(
        "LIMIT_EXCEEDED",
        `Cannot use ${where} ('${expression.source}') as it is ${count}: at most ${most} are allowed`,
      );
    }
    // -0 would survive into the Program.
    return count + 0;
  }

  #index(buffer: PlannedBuffer): BufferIndex {
    return this.#tensors.get(buffer)!.buffer;
  }

  #bytes(index: BufferIndex): number {
    return this.#buffers[index]!.sizeBytes;
  }
}
