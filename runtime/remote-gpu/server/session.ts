/**
 * One client's share of a GPUDevice that has many: executes its commands in their order, on objects of its own, within
 * its budget of bytes, and sends answers and errors back. Whatever a client sends, it is an error of that client alone.
 */
import * as v from "valibot";
import type { Message } from "../../port/port.ts";
import {
  type Answer,
  type AnswersHeader,
  command,
  createdKinds,
  errorFilters,
  type RemoteFailure,
} from "../protocol.ts";
import { WordReader, WordsEnded } from "../words.ts";
import { alignedWords } from "./aligned-words.ts";
import { BufferBytes } from "./buffer-bytes.ts";
import {
  bindGroupLayoutSchema,
  bindGroupSchema,
  bufferSchema,
  computePipelineSchema,
  encoderSchema,
  pipelineLayoutSchema,
  querySetSchema,
  shaderModuleSchema,
} from "./descriptors.ts";
import { encodeCommands } from "./encode.ts";
import { ErrorScopes } from "./error-scopes.ts";
import { Mappings } from "./mappings.ts";
import { InvalidObject, RemoteObjects } from "./objects.ts";

export interface SessionOptions {
  readonly device: GPUDevice;
  /** Of all its buffers together. */
  readonly budgetBytes: number;
  readonly send: (message: Message) => void;
}

export class RemoteSession {
  readonly #device: GPUDevice;
  readonly #send: (message: Message) => void;
  readonly #objects = new RemoteObjects();
  readonly #mappings = new Mappings();
  readonly #bytes: BufferBytes;
  readonly #scopes: ErrorScopes;
  #isEnded = false;

  constructor({ device, budgetBytes, send }: SessionOptions) {
    this.#device = device;
    this.#send = send;
    this.#bytes = new BufferBytes(budgetBytes);
    this.#scopes = new ErrorScopes(device, (error) => this.#tell({ uncaptured: [error] }));
    void device.lost.then(({ message }) => this.#end("unknown", message));
  }

  /** Bytes of the buffers that there are. */
  get bytes(): number {
    return this.#bytes.used;
  }

  receive({ header, attachments }: Message): void {
    if (this.#isEnded) return;
    const [words, ...data] = attachments;
    const descriptors = descriptorsOf(header);
    if (words === undefined || words.byteLength % 4 !== 0 || descriptors === undefined) {
      this.#refuse("A message holds no commands");
      return;
    }
    const reader = new WordReader(alignedWords(words));
    this.#scopes.open();
    try {
      while (!reader.isAtEnd && !this.#isEnded) this.#execute(reader, descriptors, data);
    } catch (error) {
      this.#refuse(error instanceof Error ? error.message : String(error));
    } finally {
      this.#scopes.close();
    }
  }

  /** The client is gone: frees all that it had. */
  dispose(): void {
    this.#isEnded = true;
    for (const buffer of this.#objects.all("buffer")) buffer.destroy();
    for (const set of this.#objects.all("querySet")) set.destroy();
    this.#objects.clear();
    this.#bytes.clear();
  }

  /** @throws WordsEnded where the client does not keep to the protocol. */
  #execute(words: WordReader, descriptors: readonly unknown[], data: readonly Uint8Array[]): void {
    const device = this.#device;
    const objects = this.#objects;
    const code = words.word();
    switch (code) {
      case command.create: {
        const kind = createdKinds[words.word()];
        const id = words.word();
        const descriptor = descriptors[words.word()];
        if (kind === undefined) throw new WordsEnded("There is no such kind of object");
        this.#try(() => this.#create(kind, id, descriptor));
        break;
      }
      case command.bindGroupLayout: {
        const [pipeline, group, id] = [words.word(), words.word(), words.word()];
        this.#try(() => {
          const layout = objects.get("computePipeline", pipeline).getBindGroupLayout(group);
          objects.add("bindGroupLayout", id, layout);
        });
        break;
      }
      case command.finish: {
        const [id, descriptor] = [words.word(), descriptors[words.word()]];
        const encoded = words.part(words.word());
        this.#try(() => {
          const described = v.parse(encoderSchema, descriptor);
          objects.add("commandBuffer", id, encodeCommands(device, objects, encoded, described));
        });
        break;
      }
      case command.submit: {
        const ids = Array.from({ length: words.word() }, () => words.word());
        this.#try(() => {
          const buffers = ids.map((id) => objects.get("commandBuffer", id));
          device.queue.submit(buffers);
          for (const id of ids) objects.remove(id);
        });
        break;
      }
      case command.writeBuffer: {
        const [id, offset, bytes] = [words.word(), words.long() ?? 0, data[words.word() - 1]];
        if (bytes === undefined) throw new WordsEnded("There are no such bytes");
        this.#try(() => device.queue.writeBuffer(objects.get("buffer", id), offset, asSource(bytes)));
        break;
      }
      case command.map: {
        const [request, id, mode] = [words.word(), words.word(), words.word()];
        const [offset, size] = [words.long() ?? 0, words.long() ?? 0];
        this.#answer(request, async () => {
          let buffer: GPUBuffer | undefined;
          this.#try(() => {
            buffer = objects.get("buffer", id);
          });
          if (buffer === undefined) throw new DOMException("The buffer is invalid", "OperationError");
          return this.#mappings.map(buffer, mode, offset, size);
        });
        break;
      }
      case command.unmap: {
        const id = words.word();
        const ranges = Array.from({ length: words.word() }, () => {
          const offset = words.long() ?? 0;
          const bytes = data[words.word() - 1];
          if (bytes === undefined) throw new WordsEnded("There are no such bytes");
          return { offset, bytes };
        });
        // One that could not be made is mapped on the client's side all the same.
        const buffer = objects.find(id);
        if (buffer?.kind === "buffer") this.#try(() => this.#mappings.unmap(buffer.gpu as GPUBuffer, ranges));
        break;
      }
      case command.destroy: {
        const object = objects.find(words.word());
        if (object?.kind === "buffer") {
          this.#mappings.forget(object.gpu as GPUBuffer);
          this.#bytes.destroy(object.gpu as GPUBuffer);
        } else if (object?.kind === "querySet") (object.gpu as GPUQuerySet).destroy();
        break;
      }
      case command.release: {
        for (let left = words.word(); left > 0; left--) objects.remove(words.word());
        break;
      }
      case command.pushErrorScope: {
        const filter = errorFilters[words.word()];
        if (filter === undefined) throw new WordsEnded("There is no such filter of errors");
        this.#scopes.push(filter);
        this.#scopes.open();
        break;
      }
      case command.popErrorScope: {
        const request = words.word();
        const popped = this.#scopes.pop();
        this.#scopes.open();
        this.#answer(request, async () => {
          if (popped === undefined) throw new DOMException("No error scope is open", "OperationError");
          return popped;
        });
        break;
      }
      case command.workDone:
        this.#answer(words.word(), () => device.queue.onSubmittedWorkDone().then(() => null));
        break;
      case command.createPipelineAsync: {
        const [request, id, descriptor] = [words.word(), words.word(), descriptors[words.word()]];
        this.#answer(request, async () => {
          const made = await device.createComputePipelineAsync(this.#pipeline(descriptor));
          if (!this.#isEnded) objects.add("computePipeline", id, made);
          return null;
        });
        break;
      }
      case command.compilationInfo: {
        const [request, id] = [words.word(), words.word()];
        this.#answer(request, () => compilationMessages(objects.get("shaderModule", id)));
        break;
      }
      case command.invalid:
        this.#scopes.note("validation", String(descriptors[words.word()]));
        break;
      case command.destroyDevice:
        this.dispose();
        break;
      default:
        throw new WordsEnded(`There is no command ${code}`);
    }
  }

  #create(kind: (typeof createdKinds)[number], id: number, descriptor: unknown): void {
    const device = this.#device;
    const objects = this.#objects;
    switch (kind) {
      case "buffer": {
        const wanted = v.parse(bufferSchema, descriptor);
        if (!this.#bytes.hasRoom(wanted.size)) {
          const { used, budgetBytes } = this.#bytes;
          this.#scopes.note(
            "out-of-memory",
            `Cannot create a buffer of ${wanted.size} bytes: ${used} of the budget of ${budgetBytes} are in use`,
          );
          return;
        }
        const buffer = device.createBuffer(wanted);
        objects.add(kind, id, buffer);
        this.#bytes.add(buffer);
        if (wanted.mappedAtCreation) this.#mappings.created(buffer);
        return;
      }
      case "bindGroupLayout":
        objects.add(
          kind,
          id,
          device.createBindGroupLayout(
            v.parse(bindGroupLayoutSchema, descriptor) as GPUBindGroupLayoutDescriptor,
          ),
        );
        return;
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
        objects.add(kind, id, device.createComputePipeline(this.#pipeline(descriptor)));
        return;
      case "querySet":
        objects.add(kind, id, device.createQuerySet(v.parse(querySetSchema, descriptor)));
        return;
    }
  }

  #pipeline(descriptor: unknown): GPUComputePipelineDescriptor {
    const { label, layout, module, entryPoint, constants } = v.parse(computePipelineSchema, descriptor);
    return {
      label,
      layout: layout === "auto" ? layout : this.#objects.get("pipelineLayout", layout),
      compute: {
        module: this.#objects.get("shaderModule", module),
        ...(entryPoint !== undefined && { entryPoint }),
        ...(constants !== undefined && { constants }),
      },
    };
  }

  /** What the device or the schemas throw is a validation error, as WebGPU has it for what it cannot throw at once. */
  #try(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (error instanceof WordsEnded) throw error;
      this.#scopes.note("validation", error instanceof Error ? error.message : String(error));
    }
  }

  #answer(request: number, action: () => Promise<unknown>): void {
    const promise = (async () => action())();
    promise.then(
      (value) => {
        if (value instanceof Uint8Array) this.#tell({ answers: [[request, { attachment: 0 }]] }, [value]);
        else this.#tell({ answers: [[request, value]] });
      },
      (error: unknown) => {
        const failure: Answer = [request, null, failureOf(error)];
        this.#tell({ answers: [failure] });
      },
    );
  }

  #tell(header: AnswersHeader, attachments: readonly Uint8Array[] = []): void {
    if (!this.#isEnded) this.#send({ header, attachments });
  }

  #refuse(message: string): void {
    this.#end("unknown", message);
  }

  #end(reason: GPUDeviceLostReason, message: string): void {
    this.#tell({ lost: { reason, message } });
    if (!this.#isEnded) this.dispose();
  }
}

function descriptorsOf(header: unknown): readonly unknown[] | undefined {
  if (typeof header !== "object" || header === null || !("descriptors" in header)) return undefined;
  return Array.isArray(header.descriptors) ? header.descriptors : undefined;
}

function failureOf(error: unknown): RemoteFailure {
  const message = error instanceof Error ? error.message : String(error);
  const { name, reason } = (typeof error === "object" && error !== null ? error : {}) as {
    readonly name?: unknown;
    readonly reason?: unknown;
  };
  if (reason === "validation" || reason === "internal") return { name: reason, message };
  if (error instanceof InvalidObject || v.isValiError(error)) return { name: "validation", message };
  return { name: name === "AbortError" ? "AbortError" : "OperationError", message };
}

async function compilationMessages(module: GPUShaderModule): Promise<unknown> {
  const { messages } = await module.getCompilationInfo();
  return messages.map(({ type, message, lineNum, linePos, offset, length }) => ({
    ...{ type, message, lineNum, linePos, offset, length },
  }));
}

/** Dawn's binding takes views of their own memory only where that is not shared. */
function asSource(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}
