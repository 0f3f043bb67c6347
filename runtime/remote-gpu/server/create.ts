/** Makes objects of a client's descriptors. */
import * as v from "valibot";
import type { CreatedKind } from "../protocol.ts";
import type { Budget } from "./budget.ts";
import {
  bindGroupLayoutSchema,
  bindGroupSchema,
  bufferSchema,
  computePipelineSchema,
  pipelineLayoutSchema,
  querySetSchema,
  shaderModuleSchema,
} from "./descriptors.ts";
import type { Mappings } from "./mappings.ts";
import type { RemoteObjects } from "./objects.ts";

export interface CreateContext {
  readonly device: GPUDevice;
  readonly objects: RemoteObjects;
  readonly budget: Budget;
  readonly mappings: Mappings;
}

/** What a query takes on the device. */
const queryBytes = 16;

/** @throws InvalidObject, OverBudget, ValiError, and what the device throws. */
export function createObject(
  context: CreateContext,
  kind: CreatedKind,
  id: number,
  descriptor: unknown,
): void {
  const { device, objects, budget, mappings } = context;
  objects.checkFree(id);
  switch (kind) {
    case "buffer": {
      const wanted = v.parse(bufferSchema, descriptor);
      const buffer = budget.make(wanted.size, "a buffer", () => device.createBuffer(wanted));
      objects.add(kind, id, buffer);
      if (wanted.mappedAtCreation) mappings.created(buffer);
      return;
    }
    case "querySet": {
      const wanted = v.parse(querySetSchema, descriptor);
      const set = budget.make(queryBytes * wanted.count, "a query set", () => device.createQuerySet(wanted));
      objects.add(kind, id, set);
      return;
    }
    case "bindGroupLayout": {
      const wanted = v.parse(bindGroupLayoutSchema, descriptor) as GPUBindGroupLayoutDescriptor;
      objects.add(kind, id, device.createBindGroupLayout(wanted));
      return;
    }
    case "pipelineLayout": {
      const { label, bindGroupLayouts } = v.parse(pipelineLayoutSchema, descriptor);
      const layouts = bindGroupLayouts.map((one) =>
        one === null ? null : objects.get("bindGroupLayout", one),
      );
      objects.add(kind, id, device.createPipelineLayout({ label, bindGroupLayouts: layouts }));
      return;
    }
    case "bindGroup": {
      const { label, layout, entries } = v.parse(bindGroupSchema, descriptor);
      const made = device.createBindGroup({
        label,
        layout: objects.get("bindGroupLayout", layout),
        entries: entries.map(({ binding, buffer, offset, size }) => ({
          binding,
          resource: {
            buffer: objects.get("buffer", buffer),
            ...(offset !== undefined && { offset }),
            ...(size !== undefined && { size }),
          },
        })),
      });
      objects.add(kind, id, made);
      return;
    }
    case "shaderModule":
      objects.add(kind, id, device.createShaderModule(v.parse(shaderModuleSchema, descriptor)));
      return;
    case "computePipeline":
      objects.add(kind, id, device.createComputePipeline(pipelineDescriptor(objects, descriptor)));
      return;
  }
}

/** @throws InvalidObject, ValiError. */
export function pipelineDescriptor(
  objects: RemoteObjects,
  descriptor: unknown,
): GPUComputePipelineDescriptor {
  const { label, layout, module, entryPoint, constants } = v.parse(computePipelineSchema, descriptor);
  return {
    label,
    layout: layout === "auto" ? layout : objects.get("pipelineLayout", layout),
    compute: {
      module: objects.get("shaderModule", module),
      ...(entryPoint !== undefined && { entryPoint }),
      ...(constants !== undefined && { constants }),
    },
  };
}
