/**
 * Compute pipelines by content, shared by all Programs of a device: the same WGSL, entry point, constants and
 * layout is compiled once, whichever function brought it. Compilation runs in the driver's threads; concurrent
 * requests for one pipeline share one flight. A pipeline goes when the last Program that holds it is unloaded.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { Program, ProgramPipeline } from "../../kernels/program/program.ts";
import type { ShaderError } from "./api.ts";
import type { PipelineLayout } from "./layouts.ts";

/** A hold on a pipeline. */
export interface PipelineLease extends Disposable {
  readonly gpu: GPUComputePipeline;
}

interface Entry {
  readonly pipeline: Promise<GPUComputePipeline>;
  holders: number;
}

export class Pipelines {
  readonly #device: GPUDevice;
  readonly #modules = new Map<string, { readonly gpu: GPUShaderModule; holders: number }>();
  readonly #entries = new Map<string, Entry>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * @throws DawnletError INVALID_SHADER with the compiler's messages, by line and column.
   */
  async acquire(program: Program, pipeline: ProgramPipeline, layout: PipelineLayout): Promise<PipelineLease> {
    const code = program.shaders[pipeline.shader]!;
    const key = `${layout.key}\n${pipeline.entryPoint}\n${JSON.stringify(pipeline.constants ?? {})}\n${code}`;
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { pipeline: this.#compile(code, pipeline, layout), holders: 0 };
      this.#entries.set(key, entry);
    }
    entry.holders++;
    const release = () => {
      if (--entry.holders === 0 && this.#entries.get(key) === entry) this.#entries.delete(key);
    };
    try {
      const gpu = await entry.pipeline;
      return { gpu, [Symbol.dispose]: release };
    } catch (error) {
      release();
      throw error;
    }
  }

  async #compile(
    code: string,
    pipeline: ProgramPipeline,
    layout: PipelineLayout,
  ): Promise<GPUComputePipeline> {
    const shader = this.#module(code);
    try {
      return await this.#device.createComputePipelineAsync({
        // Not one for all of its kind: after a change between pipelines of one layout object, wgpu (Deno 2.9) keeps
        // the sizes that the first one's shader expects of its bindings, and refuses smaller ones. Dawn makes equal
        // layouts one by itself. Can go when the conformance suite is green on wgpu without it.
        layout: this.#device.createPipelineLayout({ bindGroupLayouts: [...layout.groups] }),
        compute: {
          module: shader.gpu,
          entryPoint: pipeline.entryPoint,
          ...(pipeline.constants === undefined ? {} : { constants: pipeline.constants }),
        },
      });
    } catch (error) {
      throw await describeFailure(shader.gpu, pipeline, error);
    } finally {
      this.#releaseModule(code, shader);
    }
  }

  /** What the compiler finds wrong with a module. */
  async check(code: string): Promise<readonly ShaderError[]> {
    const shader = this.#module(code);
    try {
      return await compilerErrors(shader.gpu);
    } finally {
      this.#releaseModule(code, shader);
    }
  }

  /** Shared while pipelines of one module compile; pipelines outlive their modules. */
  #module(code: string): { readonly gpu: GPUShaderModule; holders: number } {
    let shader = this.#modules.get(code);
    if (shader === undefined) {
      // A broken module also reports through the error scope; the pipeline's rejection is the one we use.
      this.#device.pushErrorScope("validation");
      shader = { gpu: this.#device.createShaderModule({ code }), holders: 0 };
      this.#device.popErrorScope().catch(() => undefined);
      this.#modules.set(code, shader);
    }
    shader.holders++;
    return shader;
  }

  #releaseModule(code: string, shader: { holders: number }): void {
    if (--shader.holders === 0) this.#modules.delete(code);
  }
}

async function compilerErrors(shader: GPUShaderModule): Promise<ShaderError[]> {
  const { messages } = await shader.getCompilationInfo();
  return messages
    .filter(({ type }) => type === "error")
    .map(({ lineNum, linePos, message }) => ({ line: lineNum, column: linePos, message }));
}

async function describeFailure(
  shader: GPUShaderModule,
  { entryPoint }: ProgramPipeline,
  cause: unknown,
): Promise<DawnletError> {
  const errors = await compilerErrors(shader).catch(() => []);
  const details = errors.map(({ line, column, message }) => `${line}:${column}: ${message}`).join("\n");
  const reason = details !== "" ? details : cause instanceof Error ? cause.message : String(cause);
  return new DawnletError("INVALID_SHADER", `Cannot compile entry point '${entryPoint}': ${reason}`, {
    cause,
  });
}
