/** What one client of a device has made there, by the ids that it chose: it reaches nobody else's. */

interface Kinds {
  readonly buffer: GPUBuffer;
  readonly bindGroupLayout: GPUBindGroupLayout;
  readonly pipelineLayout: GPUPipelineLayout;
  readonly bindGroup: GPUBindGroup;
  readonly shaderModule: GPUShaderModule;
  readonly computePipeline: GPUComputePipeline;
  readonly querySet: GPUQuerySet;
  readonly commandBuffer: GPUCommandBuffer;
}
export type ObjectKind = keyof Kinds;

export type RemoteObjectOf<K extends ObjectKind = ObjectKind> = {
  [Kind in K]: { readonly kind: Kind; readonly gpu: Kinds[Kind] };
}[K];

/** A command names what is not there: an object that was never made, that is invalid, or another's. */
export class InvalidObject extends Error {}

/** Of all kinds, for one client. */
const maxObjects = 2 ** 18;

export class RemoteObjects {
  readonly #objects = new Map<number, RemoteObjectOf>();

  /** To be called before anything is made for an id. @throws InvalidObject where it cannot be given to an object. */
  checkFree(id: number): void {
    if (this.#objects.has(id)) throw new InvalidObject(`There is an object ${id} already`);
    if (this.#objects.size >= maxObjects)
      throw new InvalidObject(`More than ${maxObjects} objects: destroy some, or let them be collected`);
  }

  /** For an id that is free. */
  add<K extends ObjectKind>(kind: K, id: number, gpu: Kinds[K]): void {
    this.#objects.set(id, { kind, gpu } as RemoteObjectOf);
  }

  /** @throws InvalidObject */
  get<K extends ObjectKind>(kind: K, id: number): Kinds[K] {
    const object = this.#objects.get(id);
    if (object?.kind !== kind)
      throw new InvalidObject(`A ${kind} is invalid: it was not made, or not successfully`);
    return object.gpu as Kinds[K];
  }

  find(id: number): RemoteObjectOf | undefined {
    return this.#objects.get(id);
  }

  remove(id: number): void {
    this.#objects.delete(id);
  }

  all(): Iterable<RemoteObjectOf> {
    return this.#objects.values();
  }

  clear(): void {
    this.#objects.clear();
  }
}
