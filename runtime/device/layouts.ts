/**
 * Bind group layouts and pipeline layouts by content, made once. They are spelled out rather than left to
 * `layout: "auto"`, so that bind groups fit every pipeline that binds the same kinds at the same places.
 */
import type { Binding, BindingAccess } from "../../kernels/program/program.ts";

const bufferType: Record<BindingAccess, GPUBufferBindingType> = {
  uniform: "uniform",
  read: "read-only-storage",
  read_write: "storage",
};

export interface PipelineLayout {
  readonly gpu: GPUPipelineLayout;
  /** By group number; groups between that bind nothing have an empty layout. */
  readonly groups: readonly GPUBindGroupLayout[];
  /** Equal for equal layouts. */
  readonly key: string;
}

export class Layouts {
  readonly #device: GPUDevice;
  readonly #groups = new Map<string, GPUBindGroupLayout>();
  readonly #pipelines = new Map<string, PipelineLayout>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** The layout that a dispatch's bindings ask for. */
  of(bindings: ReadonlyArray<Pick<Binding, "group" | "binding" | "access">>): PipelineLayout {
    const groupKeys: string[] = [];
    const inOrder = [...bindings].sort((a, b) => a.group - b.group || a.binding - b.binding);
    for (const b of inOrder) {
      while (groupKeys.length <= b.group) groupKeys.push("");
      groupKeys[b.group] += `${b.binding}:${b.access};`;
    }
    const key = groupKeys.join("|");
    let layout = this.#pipelines.get(key);
    if (layout === undefined) {
      const groups = groupKeys.map((groupKey) => this.#group(groupKey));
      layout = { key, groups, gpu: this.#device.createPipelineLayout({ bindGroupLayouts: groups }) };
      this.#pipelines.set(key, layout);
    }
    return layout;
  }

  #group(key: string): GPUBindGroupLayout {
    let group = this.#groups.get(key);
    if (group === undefined) {
      const entries = key
        .split(";")
        .filter((entry) => entry !== "")
        .map((entry) => {
          const [binding, access] = entry.split(":") as [string, BindingAccess];
          return {
            binding: Number(binding),
            visibility: GPUShaderStage.COMPUTE,
            buffer: { type: bufferType[access] },
          };
        });
      group = this.#device.createBindGroupLayout({ entries });
      this.#groups.set(key, group);
    }
    return group;
  }
}
