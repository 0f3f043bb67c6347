/**
 * A manifest and its shaders, matched: which buffer each variable of each dispatch sees, which uniform
 * blocks a call packs, and what decides a Program's structure. All names are resolved here and every
 * mistake that does not depend on a call is found here.
 */
import { checkOutputsAreWritten, checkReadsFollowWrites, invalid } from "./data-flow.ts";
import type { Expression } from "./expression.ts";
import { plainName } from "./expression.ts";
import { checkAccess, checkElement, checkSharing, isWritable, unfit } from "./fit.ts";
import { planBlock, type UniformBlock } from "./literals.ts";
import type { KernelDeclaration, LiteralBlock, Manifest, ManifestStep, ShaderDataType } from "./manifest.ts";
import type { EntryPoint, ShaderBinding, ShaderModule } from "./reflect.ts";
import { parameterProblem } from "./scope.ts";

export type BufferRole = "input" | "output" | "temporary" | "constant";

export interface PlannedBuffer {
  readonly name: string;
  readonly role: BufferRole;
  readonly dataType: ShaderDataType;
  readonly shape: readonly Expression[];
}

export interface PlannedKernel {
  readonly name: string;
  readonly module: ShaderModule;
  readonly entryPoint: EntryPoint;
  readonly constants: ReadonlyMap<string, Expression>;
}

export interface PlannedBinding {
  readonly layout: ShaderBinding;
  readonly target:
    | { readonly type: "buffer"; readonly buffer: PlannedBuffer }
    /** Position in `Plan.blocks`. */
    | { readonly type: "block"; readonly block: number };
}

export interface PlannedDispatch {
  readonly type: "dispatch";
  /** Path in the manifest, such as `steps[1].steps[0]`. */
  readonly where: string;
  readonly kernel: PlannedKernel;
  readonly bindings: readonly PlannedBinding[];
  readonly workgroups: readonly Expression[];
}

export type PlannedSimpleStep =
  | PlannedDispatch
  | {
      readonly type: "copy";
      readonly where: string;
      readonly from: PlannedBuffer;
      readonly to: PlannedBuffer;
    }
  | { readonly type: "clear"; readonly where: string; readonly buffer: PlannedBuffer };

export type PlannedStep =
  | PlannedSimpleStep
  | {
      readonly type: "repeat";
      readonly where: string;
      readonly count: Expression;
      readonly steps: readonly PlannedSimpleStep[];
    };

export interface Plan {
  /** In the order of the manifest: inputs, outputs, temporaries, constants. */
  readonly buffers: readonly PlannedBuffer[];
  readonly blocks: readonly UniformBlock[];
  readonly steps: readonly PlannedStep[];
  /** Two calls with equal values of these have the same Program. Each source once. */
  readonly structure: readonly Expression[];
}

/**
 * @param modules by file name.
 * @throws DawnletError INVALID_BUNDLE for the manifest alone, INVALID_SHADER where a shader does not fit it.
 */
export function planManifest(manifest: Manifest, modules: ReadonlyMap<string, ShaderModule>): Plan {
  return new Planner(manifest, modules).plan();
}

class Planner {
  readonly #manifest: Manifest;
  readonly #modules: ReadonlyMap<string, ShaderModule>;
  readonly #buffers = new Map<string, PlannedBuffer>();
  readonly #kernels = new Map<string, PlannedKernel>();
  readonly #blocks: UniformBlock[] = [];
  readonly #blockBySource = new Map<string, number>();
  readonly #structure = new Map<string, Expression>();
  readonly #names: ReadonlySet<string>;

  constructor(manifest: Manifest, modules: ReadonlyMap<string, ShaderModule>) {
    this.#manifest = manifest;
    this.#modules = modules;
    const dimensions = [...manifest.inputs.values()].flatMap(({ shape }) => shape.map(plainName));
    this.#names = new Set([
      ...dimensions.filter((name) => name !== undefined),
      ...manifest.parameters.keys(),
    ]);
  }

  plan(): Plan {
    if (this.#manifest.outputs.size === 0) throw invalid("outputs", "a function has at least one output");
    this.#checkParameters();
    this.#addBuffers("input", "inputs");
    this.#addBuffers("output", "outputs");
    this.#addBuffers("temporary", "temporaries");
    this.#addBuffers("constant", "constants");
    for (const [name, kernel] of this.#manifest.kernels) this.#addKernel(name, kernel);
    const steps = this.#manifest.steps.map((step, i) => this.#planStep(`steps[${i}]`, step));
    const buffers = [...this.#buffers.values()];
    checkOutputsAreWritten(buffers, steps);
    checkReadsFollowWrites(steps);
    return { buffers, blocks: this.#blocks, steps, structure: [...this.#structure.values()] };
  }

  #checkParameters(): void {
    for (const [name, signature] of this.#manifest.parameters) {
      if (this.#manifest.inputs.has(name)) throw invalid(`parameters.${name}`, "an input has the same name");
      if (signature.default === undefined) continue;
      const problem = parameterProblem(signature, signature.default);
      if (problem !== undefined) {
        throw invalid(`parameters.${name}.default`, `it is ${signature.default}: expected ${problem}`);
      }
    }
  }

  #addBuffers(role: BufferRole, key: "inputs" | "outputs" | "temporaries" | "constants"): void {
    for (const [name, { type, shape }] of this.#manifest[key]) {
      const where = `${key}.${name}`;
      if (this.#buffers.has(name)) throw invalid(where, "another tensor has the same name");
      shape.forEach((dimension, i) => {
        if (role !== "constant") this.#addStructure(`${where}.shape[${i}]`, dimension);
        else if (dimension.names.size > 0)
          throw invalid(`${where}.shape[${i}]`, "constants have a fixed shape");
      });
      this.#buffers.set(name, { name, role, dataType: type, shape });
    }
  }

  #addKernel(name: string, { file, entryPoint, constants }: KernelDeclaration): void {
    const where = `kernels.${name}`;
    const module = this.#modules.get(file);
    if (module === undefined) throw invalid(`${where}.file`, `the bundle has no file '${file}'`);
    const names = [...module.entryPoints.keys()].join(", ");
    const [only] = module.entryPoints.values();
    if (entryPoint === undefined && module.entryPoints.size > 1) {
      throw invalid(where, `'${file}' has the entry points ${names}: choose one with 'entryPoint'`);
    }
    const found = entryPoint === undefined ? only : module.entryPoints.get(entryPoint);
    if (found === undefined) {
      throw invalid(
        `${where}.entryPoint`,
        `'${file}' has no compute entry point '${entryPoint}', only ${names}`,
      );
    }
    for (const [constant, value] of constants) {
      if (!module.overrides.has(constant)) {
        throw invalid(`${where}.constants.${constant}`, `'${file}' has no 'override ${constant}'`);
      }
      this.#addStructure(`${where}.constants.${constant}`, value);
    }
    this.#kernels.set(name, { name, module, entryPoint: found, constants });
  }

  #planStep(where: string, step: ManifestStep): PlannedStep {
    if (step.type !== "repeat") return this.#planSimpleStep(where, step);
    this.#addStructure(`${where}.repeat`, step.count);
    const steps = step.steps.map((inner, i) => {
      const innerWhere = `${where}.steps[${i}]`;
      if (inner.type === "repeat") throw invalid(innerWhere, "a repeat does not hold another");
      return this.#planSimpleStep(innerWhere, inner);
    });
    return { type: "repeat", where, count: step.count, steps };
  }

  #planSimpleStep(where: string, step: Exclude<ManifestStep, { type: "repeat" }>): PlannedSimpleStep {
    switch (step.type) {
      case "copy": {
        const from = this.#buffer(`${where}.copy.from`, step.from);
        const to = this.#writable(`${where}.copy.to`, step.to);
        if (from === to) throw invalid(`${where}.copy`, "it copies a tensor to itself");
        return { type: "copy", where, from, to };
      }
      case "clear":
        return { type: "clear", where, buffer: this.#writable(`${where}.clear`, step.buffer) };
      case "dispatch": {
        const kernel = this.#kernels.get(step.kernel);
        if (kernel === undefined) throw invalid(`${where}.kernel`, `there is no kernel '${step.kernel}'`);
        step.workgroups.forEach((count, i) => {
          this.#addStructure(`${where}.workgroups[${i}]`, count);
        });
        const bindings = this.#planBindings(where, kernel, step.bind);
        return { type: "dispatch", where, kernel, bindings, workgroups: step.workgroups };
      }
      default:
        return step satisfies never;
    }
  }

  #planBindings(
    where: string,
    { name, entryPoint, module }: PlannedKernel,
    bind: ReadonlyMap<string, string | LiteralBlock>,
  ): PlannedBinding[] {
    const variables = entryPoint.bindings.map((layout) => layout.variable);
    for (const variable of bind.keys()) {
      if (variables.includes(variable)) continue;
      const known = variables.join(", ") || "none";
      throw unfit(
        `${where}.bind.${variable}`,
        `kernel '${name}' (${module.file}) uses no such variable, only ${known}`,
      );
    }
    const bindings = entryPoint.bindings.map((layout): PlannedBinding => {
      const path = `${where}.bind.${layout.variable}`;
      const target = bind.get(layout.variable);
      if (target === undefined) {
        throw unfit(
          path,
          `kernel '${name}' (${module.file}) uses the variable '${layout.variable}', which nothing is bound to`,
        );
      }
      if (typeof target !== "string")
        return { layout, target: { type: "block", block: this.#block(path, layout, target) } };
      const buffer = this.#buffer(path, target);
      checkAccess(path, layout, buffer);
      checkElement(path, layout, buffer);
      return { layout, target: { type: "buffer", buffer } };
    });
    checkSharing(where, bindings);
    return bindings;
  }

  /** Equal literals for equal layouts are one block. */
  #block(where: string, layout: ShaderBinding, literals: LiteralBlock): number {
    if (layout.access === "read_write") {
      throw unfit(where, `variable '${layout.variable}' is read_write: literals can only be read`);
    }
    const block = planBlock(where, layout, literals);
    for (const { member, expression } of block.fields) this.#checkNames(`${where}.${member}`, expression);
    const fields = block.fields.map(({ offset, scalar, expression }) => [offset, scalar, expression.source]);
    const source = JSON.stringify([block.sizeBytes, fields]);
    const known = this.#blockBySource.get(source);
    if (known !== undefined) return known;
    this.#blockBySource.set(source, this.#blocks.length);
    return this.#blocks.push(block) - 1;
  }

  #buffer(where: string, name: string): PlannedBuffer {
    const buffer = this.#buffers.get(name);
    if (buffer === undefined) throw invalid(where, `there is no tensor '${name}'`);
    return buffer;
  }

  #writable(where: string, name: string): PlannedBuffer {
    const buffer = this.#buffer(where, name);
    if (isWritable(buffer)) return buffer;
    throw invalid(where, `only outputs and temporaries are written, and '${name}' is neither`);
  }

  #addStructure(where: string, expression: Expression): void {
    this.#checkNames(where, expression);
    this.#structure.set(expression.source, expression);
  }

  #checkNames(where: string, expression: Expression): void {
    for (const name of expression.names) {
      if (this.#names.has(name)) continue;
      throw invalid(where, `'${name}' is no parameter, and no input has it alone as a dimension`);
    }
  }
}
