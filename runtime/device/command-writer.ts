/**
 * Writes steps into a command encoder; opens and closes compute passes as needed, sets only what changed. The hot path
 * of every run: it allocates nothing but what WebGPU makes.
 */
import type { BoundDispatch, BoundStep, BoundTransfer } from "./bound-program.ts";
import type { GpuSpan } from "./gpu-clock.ts";

export class CommandWriter {
  readonly encoder: GPUCommandEncoder;
  readonly #span: GpuSpan | undefined;
  #pass: GPUComputePassEncoder | undefined;
  #pipeline: GPUComputePipeline | undefined;

  /** @param span times from the first pass to the last. */
  constructor(encoder: GPUCommandEncoder, span?: GpuSpan) {
    this.encoder = encoder;
    this.#span = span;
  }

  step(step: BoundStep): void {
    if (step.type === "dispatch") this.#dispatch(step);
    else this.transfer(step);
  }

  #dispatch(step: BoundDispatch): void {
    let pass = this.#pass;
    if (pass === undefined) {
      const span = this.#span;
      pass =
        span === undefined ? this.encoder.beginComputePass() : this.encoder.beginComputePass(span.nextPass());
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
