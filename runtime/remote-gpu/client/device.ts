/**
 * `navigator.gpu` for code that has no GPU: adapter and device of a GPU that somebody else owns. Computes only. See
 * connection.ts for how calls travel; what they mean, and whether they are valid, the owner says.
 */
import {
  type CreatedKind,
  command,
  createdKinds,
  errorFilters,
  maxMappedBytes,
  type RemoteAdapterDescription,
  type RemoteError,
} from "../protocol.ts";
import { RemoteBuffer } from "./buffer.ts";
import { Connection, type Send } from "./connection.ts";
import { RemoteCommandEncoder } from "./encoder.ts";
import { gpuError, notSupported, RemoteUncapturedErrorEvent } from "./errors.ts";
import { optionalSize64, size64, uint32 } from "./numbers.ts";
import {
  idOf,
  RemoteBindGroup,
  RemoteBindGroupLayout,
  RemoteComputePipeline,
  RemotePipelineLayout,
  RemoteQuerySet,
  RemoteShaderModule,
} from "./objects.ts";
import { RemoteQueue } from "./queue.ts";

export interface RemoteDeviceOptions {
  readonly adapter: RemoteAdapterDescription;
  readonly send: Send;
  readonly isBatched?: boolean;
}

export class RemoteDevice extends EventTarget implements GPUDevice {
  declare readonly __brand: "GPUDevice";
  label: string;
  readonly features: GPUSupportedFeatures;
  readonly limits: GPUSupportedLimits;
  readonly adapterInfo: GPUAdapterInfo;
  readonly queue: GPUQueue;
  readonly lost: Promise<GPUDeviceLostInfo>;
  onuncapturederror: GPUDevice["onuncapturederror"] = null;
  /** Where answers are to be given. */
  readonly connection: Connection;
  readonly #lose: (info: GPUDeviceLostInfo) => void;
  readonly #mapped = new Set<RemoteBuffer>();

  constructor({ adapter, send, isBatched }: RemoteDeviceOptions, descriptor: GPUDeviceDescriptor = {}) {
    super();
    this.label = descriptor.label ?? "";
    this.features = new Set(adapter.features) as GPUSupportedFeatures;
    this.limits = Object.freeze({ ...adapter.limits }) as unknown as GPUSupportedLimits;
    this.adapterInfo = adapterInfo(adapter);
    const { promise, resolve } = Promise.withResolvers<GPUDeviceLostInfo>();
    this.lost = promise;
    this.#lose = resolve;
    this.connection = new Connection({
      send,
      ...(isBatched !== undefined && { isBatched }),
      onUncaptured: (error) => this.#uncaptured(error),
      onLost: (reason, message) => this.#lose({ reason, message } as GPUDeviceLostInfo),
    });
    this.queue = new RemoteQueue(this.connection);
  }

  createBuffer(descriptor: GPUBufferDescriptor): GPUBuffer {
    const { mappedAtCreation = false, label = "" } = descriptor;
    const size = size64(descriptor.size, "size");
    const usage = uint32(descriptor.usage, "usage");
    if (mappedAtCreation && size % 4 !== 0)
      throw new RangeError(`Cannot map a buffer of ${size} bytes at its creation: a multiple of 4 is wanted`);
    if (mappedAtCreation && size > maxMappedBytes)
      throw new RangeError(
        `Cannot map a buffer of ${size} bytes at its creation: that is too much at a time`,
      );
    const plain = { label, size, usage, mappedAtCreation };
    return new RemoteBuffer(this.connection, this.#create("buffer", plain), plain, this.#mapped);
  }

  createBindGroupLayout({ label = "", entries }: GPUBindGroupLayoutDescriptor): GPUBindGroupLayout {
    const plain = { label, entries: Array.from(entries, (entry) => ({ ...entry })) };
    return new RemoteBindGroupLayout(this.connection, this.#create("bindGroupLayout", plain), label);
  }

  createPipelineLayout({ label = "", bindGroupLayouts }: GPUPipelineLayoutDescriptor): GPUPipelineLayout {
    const layouts = Array.from(bindGroupLayouts, (layout) =>
      layout ? idOf(layout, "bindGroupLayout", this.connection) : null,
    );
    const id = this.#create("pipelineLayout", { label, bindGroupLayouts: layouts });
    return new RemotePipelineLayout(this.connection, id, label);
  }

  createBindGroup({ label = "", layout, entries }: GPUBindGroupDescriptor): GPUBindGroup {
    const uses: GPUBuffer[] = [];
    const plain = {
      label,
      layout: idOf(layout, "layout", this.connection),
      entries: Array.from(entries, ({ binding, resource }) => {
        // A buffer may stand for a binding of all of it.
        const bound = "buffer" in resource ? resource : { buffer: resource as GPUBuffer };
        const { buffer, offset, size } = bound as GPUBufferBinding;
        uses.push(buffer);
        return {
          binding: uint32(binding, "binding"),
          buffer: idOf(buffer, "resource", this.connection),
          ...(offset !== undefined && { offset: size64(offset, "offset") }),
          ...(size !== undefined && { size: optionalSize64(size, "size") }),
        };
      }),
    };
    return new RemoteBindGroup(this.connection, this.#create("bindGroup", plain), label, uses);
  }

  createShaderModule({ label = "", code }: GPUShaderModuleDescriptor): GPUShaderModule {
    const id = this.#create("shaderModule", { label, code: String(code) });
    return new RemoteShaderModule(this.connection, id, label);
  }

  createComputePipeline(descriptor: GPUComputePipelineDescriptor): GPUComputePipeline {
    const id = this.#create("computePipeline", plainPipeline(descriptor, this.connection));
    return new RemoteComputePipeline(this.connection, id, descriptor.label);
  }

  async createComputePipelineAsync(descriptor: GPUComputePipelineDescriptor): Promise<GPUComputePipeline> {
    const { connection } = this;
    const id = connection.newId();
    const plain = plainPipeline(descriptor, connection);
    const described = connection.describe(plain);
    await connection.request(command.createPipelineAsync, (words) => words.words2(id, described));
    return new RemoteComputePipeline(connection, id, descriptor.label);
  }

  createCommandEncoder({ label = "" }: GPUCommandEncoderDescriptor = {}): GPUCommandEncoder {
    return new RemoteCommandEncoder(this.connection, label);
  }

  createQuerySet(descriptor: GPUQuerySetDescriptor): GPUQuerySet {
    const { type, label = "" } = descriptor;
    if (type !== "timestamp") notSupported("create a query set of another type than 'timestamp'");
    if (!this.features.has("timestamp-query"))
      throw new TypeError("Cannot create a query set of timestamps: the device has no 'timestamp-query'");
    const plain = { label, type, count: uint32(descriptor.count, "count") };
    return new RemoteQuerySet(this.connection, this.#create("querySet", plain), plain);
  }

  pushErrorScope(filter: GPUErrorFilter): undefined {
    const index = errorFilters.indexOf(filter);
    if (index < 0) throw new TypeError(`'${String(filter)}' is no filter of errors`);
    this.connection.begin(command.pushErrorScope).word(index);
    this.connection.end();
  }

  /** Null on a lost device, as nothing is wrong with what it is not asked. */
  async popErrorScope(): Promise<GPUError | null> {
    try {
      const error = await this.connection.request<RemoteError | null>(command.popErrorScope, () => {});
      return error === null ? null : gpuError(error);
    } catch (error) {
      if (this.connection.isLost) return null;
      throw error;
    }
  }

  destroy(): undefined {
    for (const buffer of [...this.#mapped]) buffer.unmap();
    this.connection.begin(command.destroyDevice);
    this.connection.end();
    this.connection.flush();
    this.connection.lose("destroyed", "The device was destroyed");
  }

  createTexture(): never {
    return notSupported("create a texture");
  }

  createSampler(): never {
    return notSupported("create a sampler");
  }

  importExternalTexture(): never {
    return notSupported("import a texture");
  }

  createRenderPipeline(): never {
    return notSupported("create a render pipeline");
  }

  createRenderPipelineAsync(): never {
    return notSupported("create a render pipeline");
  }

  createRenderBundleEncoder(): never {
    return notSupported("create a render bundle");
  }

  #create(kind: CreatedKind, descriptor: object): number {
    const { connection } = this;
    const id = connection.newId();
    const index = connection.describe(descriptor);
    const words = connection.begin(command.create);
    words.words2(createdKinds.indexOf(kind), id);
    words.word(index);
    connection.end();
    return id;
  }

  #uncaptured(error: RemoteError): void {
    const event = new RemoteUncapturedErrorEvent("uncapturederror", {
      error: gpuError(error),
      cancelable: true,
    });
    this.dispatchEvent(event);
    this.onuncapturederror?.call(this, event as never);
    if (!event.defaultPrevented) console.warn(`WebGPU: ${error.message}`);
  }
}

export class RemoteAdapter implements GPUAdapter {
  declare readonly __brand: "GPUAdapter";
  readonly features: GPUSupportedFeatures;
  readonly limits: GPUSupportedLimits;
  readonly info: GPUAdapterInfo;
  readonly #open: (descriptor: GPUDeviceDescriptor) => Promise<GPUDevice>;

  /** @param open makes a device that has the features and limits asked for. */
  constructor(
    description: RemoteAdapterDescription,
    open: (descriptor: GPUDeviceDescriptor) => Promise<GPUDevice>,
  ) {
    this.features = new Set(description.features) as GPUSupportedFeatures;
    this.limits = Object.freeze({ ...description.limits }) as unknown as GPUSupportedLimits;
    this.info = adapterInfo(description);
    this.#open = open;
  }

  async requestDevice(descriptor: GPUDeviceDescriptor = {}): Promise<GPUDevice> {
    for (const feature of descriptor.requiredFeatures ?? [])
      if (!this.features.has(feature))
        throw new TypeError(`Cannot open a device with the feature '${feature}': the adapter lacks it`);
    for (const [name, wanted] of Object.entries(descriptor.requiredLimits ?? {})) {
      const allowed = this.limits[name as keyof GPUSupportedLimits] as number | undefined;
      if (wanted === undefined) continue;
      const isMinimum = name.startsWith("min");
      if (allowed === undefined || (isMinimum ? wanted < allowed : wanted > allowed))
        throw new DOMException(
          `Cannot open a device with ${name} ${wanted}: the adapter allows ${allowed ?? "no such limit"}`,
          "OperationError",
        );
    }
    return this.#open(descriptor);
  }
}

export class RemoteGpu implements GPU {
  declare readonly __brand: "GPU";
  readonly wgslLanguageFeatures: WGSLLanguageFeatures;
  readonly #adapter: () => Promise<GPUAdapter>;

  /** @param adapter asked for at each call. */
  constructor(adapter: () => Promise<GPUAdapter>, languageFeatures: readonly string[] = []) {
    this.#adapter = adapter;
    this.wgslLanguageFeatures = new Set(languageFeatures) as WGSLLanguageFeatures;
  }

  requestAdapter(): Promise<GPUAdapter> {
    return this.#adapter();
  }

  getPreferredCanvasFormat(): never {
    return notSupported("draw to a canvas");
  }
}

function plainPipeline(
  { label = "", layout, compute }: GPUComputePipelineDescriptor,
  connection: Connection,
): object {
  const { module, entryPoint, constants } = compute;
  return {
    label,
    layout: layout === "auto" ? layout : idOf(layout, "layout", connection),
    module: idOf(module, "module", connection),
    ...(entryPoint !== undefined && { entryPoint }),
    ...(constants !== undefined && { constants: { ...constants } }),
  };
}

function adapterInfo({ info }: RemoteAdapterDescription): GPUAdapterInfo {
  return Object.freeze({ ...info }) as unknown as GPUAdapterInfo;
}
