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
  maxMappedBytes,
  maxWords,
  type RemoteFailure,
} from "../protocol.ts";
import { WordReader, WordsEnded } from "../words.ts";
import { type Budget, OverBudget } from "./budget.ts";
import { createObject, pipelineDescriptor } from "./create.ts";
import { encoderSchema } from "./descriptors.ts";
import { encodeCommands } from "./encode.ts";
import { ErrorScopes } from "./error-scopes.ts";
import { cut } from "./error-text.ts";
import { Mappings } from "./mappings.ts";
import { InvalidObject, RemoteObjects } from "./objects.ts";
import { type Losable, sessionsOf } from "./sessions.ts";
import { takeOnce } from "./take-once.ts";

export interface SessionOptions {
  readonly device: GPUDevice;
  /** What its buffers and query sets count against. Sessions may share one. */
  readonly budget: Budget;
  readonly send: (message: Message) => void;
  /** Bytes sent that the client has not taken yet, where the carrier knows. */
  readonly queuedBytes?: () => number;
  /** A message has put work on the queue; called once for each, when all of it is there. */
  readonly onSubmit?: () => void;
  /** The session has ended and freed what it had. @param why undefined where its owner or its client wanted it. */
  readonly onEnd?: (why: string | undefined) => void;
}

/** What lies beside the words of a message. */
interface Beside {
  readonly descriptors: unknown[];
  readonly data: (Uint8Array | undefined)[];
}

/** Answers that a client may wait for at a time. */
const maxPending = 4096;
/** A client that leaves more than this, and twice its budget, unread is gone or means harm. */
const maxQueuedBytes = 64 * 2 ** 20;

export class RemoteSession implements Losable {
  readonly #options: SessionOptions;
  readonly #device: GPUDevice;
  readonly #objects = new RemoteObjects();
  readonly #mappings = new Mappings();
  readonly #budget: Budget;
  readonly #scopes: ErrorScopes;
  #pending = 0;
  #hasSubmitted = false;
  /** Settles when the GPU has finished what was submitted until now; asked for once a message and submit. */
  #workDone: Promise<unknown> | undefined;
  #isEnded = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#device = options.device;
    this.#budget = options.budget;
    this.#scopes = new ErrorScopes(options.device, (error) => this.#tell({ uncaptured: [error] }));
    sessionsOf(options.device).add(this);
  }

  receive({ header, attachments }: Message): void {
    if (this.#isEnded) return;
    const [words, ...data] = attachments;
    const descriptors = descriptorsOf(header);
    if (words === undefined || words.byteLength % 4 !== 0 || descriptors === undefined) {
      this.lost("A message holds no commands");
      return;
    }
    if (words.byteLength / 4 > maxWords) {
      this.lost(`A message holds more than ${maxWords} words of commands`);
      return;
    }
    const reader = new WordReader(alignedWords(words));
    const beside: Beside = { descriptors: [...descriptors], data };
    this.#scopes.open();
    try {
      while (!reader.isAtEnd && !this.#isEnded) this.#execute(reader, beside);
    } catch (error) {
      this.lost(error instanceof Error ? error.message : String(error));
    } finally {
      this.#scopes.close();
      this.#workDone = undefined;
    }
    if (!this.#hasSubmitted) return;
    this.#hasSubmitted = false;
    this.#options.onSubmit?.();
  }

  /** The client is gone: frees all that it had. */
  dispose(): void {
    this.#end(undefined);
  }

  /** Ends the session, and says why. */
  lost(message: string): void {
    this.#tell({ lost: { reason: "unknown", message: cut(message) } });
    this.#end(message);
  }

  #end(why: string | undefined): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    sessionsOf(this.#device).delete(this);
    this.#workDone = undefined;
    for (const object of this.#objects.all()) this.#destroy(object);
    this.#objects.clear();
    this.#options.onEnd?.(why);
  }

  /** @throws WordsEnded where the client does not keep to the protocol. */
  #execute(words: WordReader, beside: Beside): void {
    const device = this.#device;
    const objects = this.#objects;
    const code = words.word();
    switch (code) {
      case command.create: {
        const kind = createdKinds[words.word()];
        const id = words.word();
        const descriptor = takeOnce(beside.descriptors, words.word());
        if (kind === undefined) throw new WordsEnded("There is no such kind of object");
        const context = { device, objects, budget: this.#budget, mappings: this.#mappings };
        this.#try(() => createObject(context, kind, id, descriptor));
        break;
      }
      case command.bindGroupLayout: {
        const [pipeline, group, id] = [words.word(), words.word(), words.word()];
        this.#try(() => {
          objects.checkFree(id);
          const layout = objects.get("computePipeline", pipeline).getBindGroupLayout(group);
          objects.add("bindGroupLayout", id, layout);
        });
        break;
      }
      case command.finish: {
        const [id, descriptor] = [words.word(), takeOnce(beside.descriptors, words.word())];
        const encoded = words.part(words.word());
        this.#try(() => {
          objects.checkFree(id);
          const described = v.parse(encoderSchema, descriptor);
          objects.add("commandBuffer", id, encodeCommands(device, objects, encoded, described));
        });
        break;
      }
      case command.submit: {
        const ids = Array.from({ length: words.count() }, () => words.word());
        this.#try(() => {
          const buffers = ids.map((id) => objects.get("commandBuffer", id));
          device.queue.submit(buffers);
          this.#hasSubmitted = true;
          this.#workDone = undefined;
          for (const id of ids) objects.remove(id);
        });
        break;
      }
      case command.writeBuffer: {
        const [id, offset] = [words.word(), words.long() ?? 0];
        const bytes = takeBytes(beside, words.word());
        this.#try(() => device.queue.writeBuffer(objects.get("buffer", id), offset, bytes));
        break;
      }
      case command.map: {
        const [request, id, mode] = [words.word(), words.word(), words.word()];
        const [offset, size] = [words.long() ?? 0, words.long() ?? 0];
        this.#answer(request, async () => {
          if (size > maxMappedBytes)
            throw new DOMException(
              `More than ${maxMappedBytes} bytes cannot be mapped at a time`,
              "OperationError",
            );
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
        const ranges = Array.from({ length: words.count() }, () => ({
          offset: words.long() ?? 0,
          bytes: takeBytes(beside, words.word()),
        }));
        // One that could not be made is mapped on the client's side all the same.
        const object = objects.find(id);
        if (object?.kind === "buffer") this.#try(() => this.#mappings.unmap(object.gpu, ranges));
        break;
      }
      case command.destroy: {
        const object = objects.find(words.word());
        if (object !== undefined) this.#destroy(object);
        break;
      }
      case command.release:
        for (let left = words.count(); left > 0; left--) {
          const id = words.word();
          const object = objects.find(id);
          // Nobody can name it any more, and nothing that can be named uses it: the client sees to that.
          if (object !== undefined) this.#destroy(object);
          objects.remove(id);
        }
        break;
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
        const [request, id, descriptor] = [
          words.word(),
          words.word(),
          takeOnce(beside.descriptors, words.word()),
        ];
        this.#answer(request, async () => {
          objects.checkFree(id);
          const made = await device.createComputePipelineAsync(pipelineDescriptor(objects, descriptor));
          objects.checkFree(id);
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
        this.#scopes.note("validation", String(takeOnce(beside.descriptors, words.word())));
        break;
      case command.destroyDevice:
        this.dispose();
        break;
      default:
        throw new WordsEnded(`There is no command ${code}`);
    }
  }

  #destroy(object: ReturnType<RemoteObjects["find"]> & {}): void {
    if (object.kind !== "buffer" && object.kind !== "querySet") return;
    if (object.kind === "buffer") this.#mappings.forget(object.gpu);
    object.gpu.destroy();
    this.#workDone ??= this.#device.queue.onSubmittedWorkDone();
    this.#budget.remove(object.gpu, this.#workDone);
  }

  /** What the device or the schemas throw is a validation error, as WebGPU has it for what it cannot throw at once. */
  #try(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (error instanceof WordsEnded) throw error;
      const type = error instanceof OverBudget ? "out-of-memory" : "validation";
      this.#scopes.note(type, error instanceof Error ? error.message : String(error));
    }
  }

  /** @throws WordsEnded where too many are waited for. */
  #answer(request: number, action: () => Promise<unknown>): void {
    if (++this.#pending > maxPending) throw new WordsEnded(`More than ${maxPending} requests wait`);
    const promise = (async () => action())();
    promise
      .then(
        (value) => {
          if (value instanceof Uint8Array) this.#tell({ answers: [[request, { attachment: 0 }]] }, [value]);
          else this.#tell({ answers: [[request, value]] });
        },
        (error: unknown) => {
          const failure: Answer = [request, null, failureOf(error)];
          this.#tell({ answers: [failure] });
        },
      )
      .finally(() => {
        this.#pending--;
      });
  }

  #tell(header: AnswersHeader, attachments: readonly Uint8Array[] = []): void {
    if (this.#isEnded) return;
    const { send, queuedBytes, budget } = this.#options;
    if (queuedBytes !== undefined && queuedBytes() > 2 * budget.budgetBytes + maxQueuedBytes) {
      this.#end("The client does not read what it asked for");
      return;
    }
    try {
      send({ header, attachments });
    } catch (error) {
      // Larger than its carrier takes.
      const message = cut(error instanceof Error ? error.message : String(error));
      send({ header: { lost: { reason: "unknown", message } }, attachments: [] });
      this.#end(message);
    }
  }
}

function descriptorsOf(header: unknown): readonly unknown[] | undefined {
  if (typeof header !== "object" || header === null || !("descriptors" in header)) return undefined;
  return Array.isArray(header.descriptors) ? header.descriptors : undefined;
}

/** Words as they arrived: in the machine's order of bytes, which is little-endian wherever WebGPU runs. */
function alignedWords(bytes: Uint8Array): Uint32Array {
  const { buffer, byteOffset, byteLength } = bytes;
  if (byteOffset % 4 === 0) return new Uint32Array(buffer, byteOffset, byteLength / 4);
  return new Uint32Array(bytes.slice().buffer, 0, byteLength / 4);
}

/** @param number the words are attachment 0. @throws WordsEnded */
function takeBytes({ data }: Beside, number: number): Uint8Array<ArrayBuffer> {
  const bytes = takeOnce(data, number - 1);
  if (bytes === undefined) throw new WordsEnded("There are no such bytes");
  // No carrier delivers shared memory.
  return bytes as Uint8Array<ArrayBuffer>;
}

function failureOf(error: unknown): RemoteFailure {
  const message = cut(error instanceof Error ? error.message : String(error));
  const { name, reason } = (typeof error === "object" && error !== null ? error : {}) as {
    readonly name?: unknown;
    readonly reason?: unknown;
  };
  if (reason === "validation" || reason === "internal") return { name: reason, message };
  if (error instanceof InvalidObject || v.isValiError(error)) return { name: "validation", message };
  return { name: name === "AbortError" ? "AbortError" : "OperationError", message };
}

/** Of one module: more tell nobody anything. */
const maxCompilationMessages = 100;

async function compilationMessages(module: GPUShaderModule): Promise<unknown> {
  const { messages } = await module.getCompilationInfo();
  return [...messages]
    .slice(0, maxCompilationMessages)
    .map(({ type, message, lineNum, linePos, offset, length }) => ({
      ...{ type, message: cut(message), lineNum, linePos, offset, length },
    }));
}
