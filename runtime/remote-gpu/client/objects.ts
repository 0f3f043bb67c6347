/** Objects of a remote device that are no more than an id: what their owner has made of a descriptor. */
import { command, noObject } from "../protocol.ts";
import type { Connection } from "./connection.ts";
import { uint32 } from "./numbers.ts";

/** Ids are given back when nobody holds their object any more: the owner may then forget it too. */
const forgotten = new FinalizationRegistry<{ readonly connection: Connection; readonly id: number }>(
  ({ connection, id }) => connection.forget(id),
);

export abstract class RemoteObject {
  label: string;
  readonly id: number;
  readonly connection: Connection;

  /** @param id names it for the owner of the device; chosen here, so that nothing waits for it. */
  constructor(connection: Connection, id: number, label = "") {
    this.connection = connection;
    this.id = id;
    this.label = label;
    forgotten.register(this, { connection, id });
  }
}

export class RemoteBindGroupLayout extends RemoteObject implements GPUBindGroupLayout {
  declare readonly __brand: "GPUBindGroupLayout";
}

export class RemotePipelineLayout extends RemoteObject implements GPUPipelineLayout {
  declare readonly __brand: "GPUPipelineLayout";
}

export class RemoteBindGroup extends RemoteObject implements GPUBindGroup {
  declare readonly __brand: "GPUBindGroup";
  /** The owner frees what is forgotten here: what can still be used is held. */
  readonly uses: readonly unknown[];

  constructor(connection: Connection, id: number, label: string, uses: readonly unknown[]) {
    super(connection, id, label);
    this.uses = uses;
  }
}

export class RemoteCommandBuffer extends RemoteObject implements GPUCommandBuffer {
  declare readonly __brand: "GPUCommandBuffer";
  /** Until it is submitted. */
  uses: Iterable<unknown>;

  constructor(connection: Connection, id: number, label: string, uses: Iterable<unknown>) {
    super(connection, id, label);
    this.uses = uses;
  }
}

export class RemoteQuerySet extends RemoteObject implements GPUQuerySet {
  declare readonly __brand: "GPUQuerySet";
  readonly type: GPUQueryType;
  readonly count: GPUSize32Out;

  constructor(connection: Connection, id: number, { type, count, label }: GPUQuerySetDescriptor) {
    super(connection, id, label);
    this.type = type;
    this.count = count;
  }

  destroy(): undefined {
    this.connection.begin(command.destroy).word(this.id);
    this.connection.end();
  }
}

export class RemoteComputePipeline extends RemoteObject implements GPUComputePipeline {
  declare readonly __brand: "GPUComputePipeline";

  getBindGroupLayout(index: number): GPUBindGroupLayout {
    const { connection } = this;
    const group = uint32(index, "index");
    const id = connection.newId();
    const words = connection.begin(command.bindGroupLayout);
    words.words2(this.id, group);
    words.word(id);
    connection.end();
    return new RemoteBindGroupLayout(connection, id);
  }
}

export class RemoteShaderModule extends RemoteObject implements GPUShaderModule {
  declare readonly __brand: "GPUShaderModule";

  async getCompilationInfo(): Promise<GPUCompilationInfo> {
    const messages = await this.connection.request<GPUCompilationMessage[]>(
      command.compilationInfo,
      (words) => words.word(this.id),
    );
    return { messages } as unknown as GPUCompilationInfo;
  }
}

/**
 * The object's id; one that names nothing for an object of another device, which is a validation error.
 * @throws TypeError where it is none of a remote device.
 */
export function idOf(object: GPUObjectBase, what: string, connection: Connection): number {
  if (!(object instanceof RemoteObject)) throw new TypeError(`${what} is no object of this device`);
  return object.connection === connection ? object.id : noObject;
}
