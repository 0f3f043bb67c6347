/**
 * Watches a GPUDevice: replaces methods of that one object (no prototypes) by ones that call the original and note
 * what passes. From then on every buffer, module, pipeline and bind group is known; between `start` and `stop`
 * commands are noted too, in queue order. Building a Program from them is in build-program.ts.
 */
import type { BindingAccess } from "../../kernels/program/program.ts";
import { bindingAccess } from "./shader.ts";
import type { RecordedBinding, RecordedBuffer, RecordedPipeline, Stream, StreamEvent } from "./stream.ts";

/** Pipeline layouts by what is bound where. */
export interface PipelineLayouts {
  of(bindings: ReadonlyArray<{ group: number; binding: number; access: BindingAccess }>): {
    readonly gpu: GPUPipelineLayout;
  };
}

export class Recorder {
  readonly #device: GPUDevice;
  readonly #buffers = new WeakMap<GPUBuffer, RecordedBuffer>();
  readonly #modules = new WeakMap<GPUShaderModule, string>();
  readonly #pipelines = new WeakMap<GPUComputePipeline, RecordedPipeline>();
  readonly #groups = new WeakMap<GPUBindGroup, GPUBindGroupEntry[]>();
  readonly #commands = new WeakMap<GPUCommandBuffer, StreamEvent[]>();
  readonly #layouts: PipelineLayouts;
  #nextBuffer = 0;
  #events: StreamEvent[] | undefined;
  #obstacles = new Set<string>();
  #submits = true;

  /**
   * @param device must not have been used for anything that is to be recorded.
   * @param layouts makes the pipeline layouts of whoever replays on this device.
   */
  constructor(device: GPUDevice, layouts: PipelineLayouts) {
    this.#device = device;
    this.#layouts = layouts;
    this.#watchResources();
    this.#watchQueue();
  }

  /**
   * @param submits false: what is submitted is noted but not run. The commands are the same, and on a software adapter
   * a run of a large model takes many seconds.
   */
  start({ submits }: { readonly submits: boolean }): void {
    this.#events = [];
    this.#obstacles = new Set();
    this.#submits = submits;
  }

  stop(): Stream {
    const stream = { events: this.#events ?? [], obstacles: [...this.#obstacles] };
    this.#events = undefined;
    this.#submits = true;
    return stream;
  }

  /** The recorder's object for a GPUBuffer of this device. */
  bufferOf(gpu: GPUBuffer): RecordedBuffer {
    const buffer = this.#buffers.get(gpu);
    if (buffer === undefined) throw new RangeError("This GPUBuffer was created before recording began");
    return buffer;
  }

  #watchResources(): void {
    const device = this.#device;
    override(device, "createBuffer", (create) => (descriptor: GPUBufferDescriptor) => {
      // Weights are read back after the recording: buffers that can be copied to can also be copied from.
      const isMappable = (descriptor.usage & (GPUBufferUsage.MAP_READ | GPUBufferUsage.MAP_WRITE)) !== 0;
      const usage = isMappable ? descriptor.usage : descriptor.usage | GPUBufferUsage.COPY_SRC;
      const gpu = create({ ...descriptor, usage });
      this.#buffers.set(gpu, { id: this.#nextBuffer++, gpu, sizeBytes: descriptor.size });
      this.#watchMapping(gpu, descriptor.mappedAtCreation === true);
      return gpu;
    });
    override(device, "createShaderModule", (create) => (descriptor: GPUShaderModuleDescriptor) => {
      const module = create(descriptor);
      this.#modules.set(module, descriptor.code);
      return module;
    });
    override(
      device,
      "createComputePipeline",
      (create) => (descriptor: GPUComputePipelineDescriptor) =>
        this.#notePipeline(create(descriptor), descriptor),
    );
    override(
      device,
      "createComputePipelineAsync",
      (create) => async (descriptor: GPUComputePipelineDescriptor) =>
        this.#notePipeline(await create(this.#spellOutLayout(descriptor)), descriptor),
    );
    override(device, "createBindGroup", (create) => (descriptor: GPUBindGroupDescriptor) => {
      const group = create(descriptor);
      this.#groups.set(group, [...descriptor.entries]);
      return group;
    });
    override(
      device,
      "createCommandEncoder",
      (create) => (descriptor?: GPUCommandEncoderDescriptor) => this.#watchEncoder(create(descriptor)),
    );
    override(device, "createRenderPipeline", (create) => (descriptor: GPURenderPipelineDescriptor) => {
      this.#obstacles.add("the run uses a render pipeline");
      return create(descriptor);
    });
  }

  /**
   * The layout that the executor would use, in place of `auto`: pipelines of the recording and of a replay on the
   * same device are then equal, and the driver compiles each once. Compiling is most of a recording's time on a
   * software adapter.
   */
  #spellOutLayout(descriptor: GPUComputePipelineDescriptor): GPUComputePipelineDescriptor {
    const code = this.#modules.get(descriptor.compute.module);
    if (descriptor.layout !== "auto" || code === undefined) return descriptor;
    const bindings = [...bindingAccess(code)].map(([place, access]) => {
      const [group, binding] = place.split(".").map(Number) as [number, number];
      return { group, binding, access };
    });
    return { ...descriptor, layout: this.#layouts.of(bindings).gpu };
  }

  #notePipeline(pipeline: GPUComputePipeline, { compute }: GPUComputePipelineDescriptor): GPUComputePipeline {
    const code = this.#modules.get(compute.module) ?? "";
    const entryPoint = compute.entryPoint ?? soleEntryPoint(code);
    this.#pipelines.set(pipeline, {
      code,
      entryPoint,
      constants: { ...compute.constants } as Record<string, number>,
    });
    return pipeline;
  }

  /** Notes what the host writes through a mapping, at the moment it is unmapped. */
  #watchMapping(gpu: GPUBuffer, mappedAtCreation: boolean): void {
    let mappings: { offset: number; view: Uint8Array<ArrayBuffer> }[] = [];
    let isWriting = mappedAtCreation;
    override(gpu, "mapAsync", (map) => (mode: GPUMapModeFlags, ...rest: [number?, number?]) => {
      isWriting = (mode & GPUMapMode.WRITE) !== 0;
      if (!isWriting && this.#events !== undefined)
        this.#obstacles.add("values are read back to the CPU during the run");
      return map(mode, ...rest);
    });
    override(gpu, "getMappedRange", (getRange) => (...range: [number?, number?]) => {
      const mapped = getRange(...range);
      mappings.push({ offset: range[0] ?? 0, view: new Uint8Array(mapped) });
      return mapped;
    });
    override(gpu, "unmap", (unmap) => () => {
      if (isWriting && this.#events !== undefined) {
        for (const { offset, view } of mappings)
          this.#events.push({ type: "write", buffer: this.bufferOf(gpu), offset, data: view.slice() });
      }
      mappings = [];
      isWriting = false;
      return unmap();
    });
  }

  #watchQueue(): void {
    const { queue } = this.#device;
    override(
      queue,
      "writeBuffer",
      (write) => (gpu: GPUBuffer, offset: number, source: BufferSource, at?: number, length?: number) => {
        const data = copyOf(source, at, length);
        this.#events?.push({ type: "write", buffer: this.bufferOf(gpu), offset, data });
        // From the copy: Dawn's Node binding refuses shared memory, in which ORT keeps its heap.
        return write(gpu, offset, data);
      },
    );
    override(queue, "submit", (submit) => (buffers: GPUCommandBuffer[]) => {
      for (const commands of buffers) this.#events?.push(...(this.#commands.get(commands) ?? []));
      if (this.#submits) submit(buffers);
    });
  }

  #watchEncoder(encoder: GPUCommandEncoder): GPUCommandEncoder {
    const events: StreamEvent[] = [];
    override(
      encoder,
      "beginComputePass",
      (begin) => (descriptor?: GPUComputePassDescriptor) => this.#watchPass(begin(descriptor), events),
    );
    override(encoder, "copyBufferToBuffer", (copy) => (...args: unknown[]) => {
      const [from, fromOffset, to, toOffset, size] = (
        typeof args[1] === "number" ? args : [args[0], 0, args[1], 0, args[2]]
      ) as [GPUBuffer, number, GPUBuffer, number, number | undefined];
      const sizeBytes = size ?? from.size - fromOffset;
      events.push({
        type: "copy",
        from: this.bufferOf(from),
        fromOffset,
        to: this.bufferOf(to),
        toOffset,
        sizeBytes,
      });
      return copy(from, fromOffset, to, toOffset, sizeBytes);
    });
    override(encoder, "clearBuffer", (clear) => (gpu: GPUBuffer, offset = 0, size = gpu.size - offset) => {
      events.push({ type: "clear", buffer: this.bufferOf(gpu), offset, sizeBytes: size });
      return clear(gpu, offset, size);
    });
    override(encoder, "finish", (finish) => (descriptor?: GPUCommandBufferDescriptor) => {
      const commands = finish(descriptor);
      this.#commands.set(commands, events);
      return commands;
    });
    return encoder;
  }

  #watchPass(pass: GPUComputePassEncoder, events: StreamEvent[]): GPUComputePassEncoder {
    let pipeline: GPUComputePipeline | undefined;
    const groups: (GPUBindGroup | undefined)[] = [];
    override(pass, "setPipeline", (set) => (next: GPUComputePipeline) => {
      pipeline = next;
      return set(next);
    });
    override(pass, "setBindGroup", (set) => (index: number, group: GPUBindGroup, ...dynamic: [number[]?]) => {
      if ((dynamic[0]?.length ?? 0) > 0) this.#obstacles.add("the run uses dynamic offsets");
      groups[index] = group;
      return set(index, group, ...dynamic);
    });
    override(pass, "dispatchWorkgroups", (dispatch) => (x: number, y = 1, z = 1) => {
      const recorded = pipeline === undefined ? undefined : this.#pipelines.get(pipeline);
      if (recorded === undefined) this.#obstacles.add("a dispatch has no known pipeline");
      else
        events.push({
          type: "dispatch",
          pipeline: recorded,
          bindings: this.#bindings(groups),
          workgroups: [x, y, z],
        });
      return dispatch(x, y, z);
    });
    override(pass, "dispatchWorkgroupsIndirect", (dispatch) => (gpu: GPUBuffer, offset: number) => {
      this.#obstacles.add("the GPU decides the size of a dispatch during the run");
      return dispatch(gpu, offset);
    });
    return pass;
  }

  #bindings(groups: readonly (GPUBindGroup | undefined)[]): RecordedBinding[] {
    return groups.flatMap((gpuGroup, group) =>
      (gpuGroup === undefined ? [] : (this.#groups.get(gpuGroup) ?? [])).flatMap(({ binding, resource }) => {
        const range = resource as GPUBufferBinding;
        if (range.buffer === undefined) {
          this.#obstacles.add("a dispatch binds something other than a buffer");
          return [];
        }
        const buffer = this.bufferOf(range.buffer);
        const offset = range.offset ?? 0;
        return [{ group, binding, buffer, offset, sizeBytes: range.size ?? buffer.sizeBytes - offset }];
      }),
    );
  }
}

/** Replaces a method of one object by one made from the original. */
function override<T extends object, K extends keyof T>(
  target: T,
  name: K,
  make: (original: T[K]) => unknown,
): void {
  const original = target[name];
  if (typeof original !== "function") return;
  Object.defineProperty(target, name, {
    value: make(original.bind(target)),
    configurable: true,
    writable: true,
  });
}

function copyOf(source: BufferSource, at = 0, length?: number): Uint8Array<ArrayBuffer> {
  // Offsets count elements in a typed array and bytes in an ArrayBuffer.
  const unit = "BYTES_PER_ELEMENT" in source ? (source.BYTES_PER_ELEMENT as number) : 1;
  const [buffer, start, end] = ArrayBuffer.isView(source)
    ? [source.buffer, source.byteOffset, source.byteLength]
    : [source, 0, source.byteLength];
  const bytes = length === undefined ? end - at * unit : length * unit;
  return new Uint8Array(new Uint8Array(buffer, start + at * unit, bytes));
}

function soleEntryPoint(code: string): string {
  return /@compute[^{]*?\bfn\s+(\w+)/.exec(code)?.[1] ?? "main";
}
