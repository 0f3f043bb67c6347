/** The names that WebGPU has in the global scope, for code that runs where the host has none of its own. */
import { RemoteBuffer } from "./buffer.ts";
import { RemoteAdapter, RemoteDevice, RemoteGpu } from "./device.ts";
import { RemoteCommandEncoder, RemoteComputePass } from "./encoder.ts";
import {
  RemoteGpuError,
  RemoteInternalError,
  RemoteOutOfMemoryError,
  RemotePipelineError,
  RemoteUncapturedErrorEvent,
  RemoteValidationError,
} from "./errors.ts";
import {
  RemoteBindGroup,
  RemoteBindGroupLayout,
  RemoteCommandBuffer,
  RemoteComputePipeline,
  RemotePipelineLayout,
  RemoteQuerySet,
  RemoteShaderModule,
} from "./objects.ts";
import { RemoteQueue } from "./queue.ts";

const bufferUsage = {
  MAP_READ: 0x1,
  MAP_WRITE: 0x2,
  COPY_SRC: 0x4,
  COPY_DST: 0x8,
  INDEX: 0x10,
  VERTEX: 0x20,
  UNIFORM: 0x40,
  STORAGE: 0x80,
  INDIRECT: 0x100,
  QUERY_RESOLVE: 0x200,
};
const mapMode = { READ: 0x1, WRITE: 0x2 };
const shaderStage = { VERTEX: 0x1, FRAGMENT: 0x2, COMPUTE: 0x4 };

/** There are no textures; but modules look these up while they are evaluated. */
const textureUsage = {
  COPY_SRC: 0x1,
  COPY_DST: 0x2,
  TEXTURE_BINDING: 0x4,
  STORAGE_BINDING: 0x8,
  RENDER_ATTACHMENT: 0x10,
};
const colorWrite = { RED: 0x1, GREEN: 0x2, BLUE: 0x4, ALPHA: 0x8, ALL: 0xf };

const constants = {
  GPUBufferUsage: bufferUsage,
  GPUMapMode: mapMode,
  GPUShaderStage: shaderStage,
  GPUTextureUsage: textureUsage,
  GPUColorWrite: colorWrite,
};
const classes = {
  GPU: RemoteGpu,
  GPUAdapter: RemoteAdapter,
  GPUDevice: RemoteDevice,
  GPUQueue: RemoteQueue,
  GPUBuffer: RemoteBuffer,
  GPUBindGroup: RemoteBindGroup,
  GPUBindGroupLayout: RemoteBindGroupLayout,
  GPUPipelineLayout: RemotePipelineLayout,
  GPUShaderModule: RemoteShaderModule,
  GPUComputePipeline: RemoteComputePipeline,
  GPUCommandEncoder: RemoteCommandEncoder,
  GPUComputePassEncoder: RemoteComputePass,
  GPUCommandBuffer: RemoteCommandBuffer,
  GPUQuerySet: RemoteQuerySet,
  GPUError: RemoteGpuError,
  GPUValidationError: RemoteValidationError,
  GPUOutOfMemoryError: RemoteOutOfMemoryError,
  GPUInternalError: RemoteInternalError,
  GPUPipelineError: RemotePipelineError,
  GPUUncapturedErrorEvent: RemoteUncapturedErrorEvent,
};

/** Flags of usages, maps and stages; those that the host has stay. */
export function installConstants(scope: object): void {
  for (const [name, value] of Object.entries(constants))
    if (!(name in scope)) define(scope, name, Object.freeze(value));
}

/** Constants, classes for `instanceof`, and `navigator.gpu`, in place of what the host may have. */
export function installGpu(scope: { navigator?: unknown }, gpu: GPU): void {
  for (const [name, value] of Object.entries({ ...constants, ...classes })) define(scope, name, value);
  // Libraries tell objects apart by these too.
  for (const [name, { prototype }] of Object.entries(classes)) {
    define(prototype.constructor, "name", name);
    define(prototype, Symbol.toStringTag, name);
  }
  if (scope.navigator === undefined) define(scope, "navigator", {});
  define(scope.navigator as object, "gpu", gpu);
}

function define(scope: object, name: PropertyKey, value: unknown): void {
  Object.defineProperty(scope, name, { value, configurable: true, writable: true, enumerable: false });
}
