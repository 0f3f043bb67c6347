/**
 * What one instance of a handler may ask the gateway for: functions of `env`, tensors, files of its bundle, devices, other
 * hosts. All that it passes is checked here or by whoever executes it; an instance that asks for too much at a time ends.
 */
import * as v from "valibot";
import { DawnletError } from "../../kernels/errors.ts";
import { type Tensor, tensorBytes } from "../../kernels/tensor.ts";
import type { ModelReply, RunReply } from "../../runtime/isolate/protocol.ts";
import { useHeader } from "../../runtime/isolate/protocol.ts";
import { makeResponse, plainRequest } from "../../runtime/port/fetch/heads.ts";
import type { Message } from "../../runtime/port/port.ts";
import type { CallContext, HandlerResult, RpcHandlers } from "../../runtime/port/rpc-server.ts";
import {
  deviceNumber,
  fileName,
  heldId,
  heldIds,
  modelName,
  runParams,
} from "../../runtime/supervisor/isolate-messages.ts";
import type { HandlerLink } from "../../runtime/supervisor/isolate-process.ts";
import { type CallTensor, isHeld, sizeBytesOf } from "../devices/call-tensor.ts";
import type { HeldTensors } from "../devices/held-tensors.ts";
import type { FunctionKind, FunctionSignature, Functions } from "../functions/functions.ts";
import type { DeviceSessions } from "./device-sessions.ts";
import { memoryExceeded } from "./exceeded.ts";
import type { InstanceServices } from "./handler-instance.ts";
import type { Outbound } from "./outbound.ts";

/** A function that `uses` names, or one that stands for a model that the handler gave. */
export interface UsedFunction {
  readonly name: string;
  readonly version?: string;
}

export interface ServicesOptions {
  /** Of the function, for messages. */
  readonly name: string;
  /** Of the instance: more than that is not kept for it on its way either. */
  readonly memoryBytes: number;
  /** What the handler's tenant sees. */
  readonly functions: Functions;
  readonly uses: Readonly<Record<string, UsedFunction>>;
  readonly held: HeldTensors;
  readonly devices: DeviceSessions;
  /** Deploys a model that the handler gave, once for its tenant. */
  readonly deployModel: (bytes: Uint8Array) => Promise<UsedFunction>;
  readonly outbound: Outbound;
  /** @throws DawnletError NOT_FOUND */
  readonly readFile: (path: string) => Promise<Uint8Array>;
  readonly readAsset: (name: string) => Promise<Uint8Array>;
  readonly end: (error: DawnletError) => void;
}

/** Calls of the host channel that an instance may have running. */
const maxCalls = 1024;
/** What may be on its way beyond the instance's own memory: one message of the largest size. */
const spareBytes = 256 * 2 ** 20;

export class HandlerServices implements InstanceServices {
  readonly host: RpcHandlers;
  readonly #options: ServicesOptions;
  readonly #ending = new AbortController();
  /** Of models that the handler gave, by what it calls them. */
  readonly #models = new Map<string, UsedFunction>();
  #calls = 0;
  /** Of attachments of calls that run, and of what they read. */
  #bytes = 0;
  #handler: HandlerLink | undefined;
  /** Files are read one after another. */
  #reading: Promise<unknown> = Promise.resolve();

  constructor(options: ServicesOptions) {
    this.#options = options;
    this.host = this.#counted({
      run: (params, attachments, context) => this.#run(params, attachments, context),
      read: (params) => this.#read(parse(heldId, params)),
      release: async (params) => {
        for (const id of parse(heldIds, params)) options.held.release(id);
        return {};
      },
      file: (params) => this.#readNext(() => options.readFile(parse(fileName, params))),
      asset: (params) => this.#readNext(() => options.readAsset(parse(fileName, params))),
      model: (params, attachments) => this.#model(params, attachments),
      adapter: async () => ({ result: await options.devices.adapter() }),
      openDevice: async (params) => {
        await options.devices.open(parse(deviceNumber, params));
        return {};
      },
    });
  }

  connected(handler: HandlerLink): void {
    this.#handler = handler;
    this.#options.devices.connected(handler);
  }

  gpu(device: number, message: Message | undefined): void {
    this.#options.devices.message(device, message);
  }

  async fetch(request: Request): Promise<Response> {
    const use = request.headers.get(useHeader);
    if (use === null) return this.#options.outbound.fetch(request);
    const plain = plainRequest(request);
    const headers = plain.headers.filter(([name]) => name !== useHeader);
    const { response } = await this.#options.functions.fetch({
      ...this.#used(use),
      request: { ...plain, headers },
      signal: request.signal,
    });
    return makeResponse(response);
  }

  [Symbol.dispose](): void {
    this.#ending.abort(new DawnletError("CANCELLED", "The handler's instance has ended"));
    this.#options.devices.close();
    this.#options.outbound.close();
    this.#options.held.disposeAll();
  }

  async #run(
    params: unknown,
    attachments: readonly Uint8Array[],
    { signal }: CallContext,
  ): Promise<HandlerResult> {
    const { use, inputs, parameters } = parse(runParams, params);
    const { functions, held } = this.#options;
    using kept = held.use(inputs.flatMap(({ held: id }) => (id === undefined ? [] : [id])));
    const taken = kept.tensors.values();
    const bytes = attachments.values();
    const tensors: Record<string, CallTensor> = Object.create(null);
    for (const { name, dataType, shape, held: id } of inputs)
      tensors[name] =
        id === undefined
          ? checkedTensor(name, { dataType, shape, data: bytes.next().value })
          : taken.next().value!;
    const { outputs } = await functions.invokeHeld({
      ...this.#used(use),
      inputs: tensors,
      parameters,
      keep: "all",
      signal: AbortSignal.any([signal, this.#ending.signal]),
    });
    const ids = held.addAll(outputs.flatMap(({ tensor }) => (isHeld(tensor) ? [tensor] : []))).values();
    const described = outputs.map(({ name, tensor }): RunReply["outputs"][number] => {
      const { dataType, shape } = tensor;
      return isHeld(tensor) ? { name, dataType, shape, held: ids.next().value! } : { name, dataType, shape };
    });
    const result: RunReply = { outputs: described };
    return { result, attachments: outputs.flatMap(({ tensor }) => (isHeld(tensor) ? [] : [tensor.data])) };
  }

  async #model(params: unknown, [bytes]: readonly Uint8Array[]): Promise<HandlerResult> {
    const name = parse(modelName, params);
    const { functions, deployModel } = this.#options;
    const used = name === null ? await deployModel(bytes ?? new Uint8Array()) : this.#used(name);
    const version = functions.version(used.name, used.version);
    if (version.kind === "handler")
      throw new DawnletError("INVALID_ARGUMENT", `Cannot open a session of '${name}' as it is a handler`);
    const use = name ?? `model ${used.name}`;
    this.#models.set(use, used);
    return { result: { use, ...usable(version) } satisfies ModelReply };
  }

  #used(use: string): UsedFunction {
    const { uses } = this.#options;
    const used = Object.hasOwn(uses, use) ? uses[use] : this.#models.get(use);
    if (used !== undefined) return used;
    throw new DawnletError("NOT_FOUND", `There is no function '${use}' in 'uses' of function.json`);
  }

  async #read(id: number): Promise<HandlerResult> {
    const { held } = this.#options;
    const sizeBytes = sizeBytesOf(held.get(id));
    this.#take(sizeBytes);
    try {
      return { attachments: [(await held.read(id)).data] };
    } finally {
      this.#bytes -= sizeBytes;
    }
  }

  #readNext(read: () => Promise<Uint8Array>): Promise<HandlerResult> {
    const reading = this.#reading.then(async () => {
      this.#take(0);
      return { attachments: [await read()] };
    });
    this.#reading = reading.catch(() => undefined);
    return reading;
  }

  /** Counts bytes that are kept for the instance. @throws DawnletError FUNCTION_LIMIT where it leaves too many to us. */
  #take(sizeBytes: number): void {
    const { name, memoryBytes, end } = this.#options;
    const waitingBytes = this.#handler?.queuedBytes ?? 0;
    if (this.#bytes + sizeBytes + waitingBytes > memoryBytes + spareBytes) {
      const error = memoryExceeded(name, memoryBytes);
      end(error);
      throw error;
    }
    this.#bytes += sizeBytes;
  }

  /** What is asked for without waiting for answers would pile up here. */
  #counted(handlers: RpcHandlers): RpcHandlers {
    const counted: [string, RpcHandlers[string]][] = Object.entries(handlers).map(([name, handler]) => [
      name,
      async (params, attachments, context) => {
        if (this.#calls >= maxCalls) {
          const { name, end } = this.#options;
          const error = new DawnletError(
            "FUNCTION_LIMIT",
            `Cannot finish the call as function '${name}' asked for more than ${maxCalls} things at a time: wait for some of the answers first`,
          );
          end(error);
          throw error;
        }
        const attachedBytes = attachments.reduce((sum, { byteLength }) => sum + byteLength, 0);
        this.#take(attachedBytes);
        this.#calls++;
        try {
          return await handler(params, attachments, context);
        } finally {
          this.#calls--;
          this.#bytes -= attachedBytes;
        }
      },
    ]);
    return Object.fromEntries(counted);
  }
}

/** How a function is described to a handler. */
export function usable({ kind, signature }: { kind: FunctionKind; signature: FunctionSignature }) {
  const { inputs, outputs } = signature;
  return { kind: kind === "handler" ? ("handler" as const) : ("program" as const), inputs, outputs };
}

/** @throws DawnletError INVALID_ARGUMENT */
function parse<T>(schema: v.GenericSchema<unknown, T>, params: unknown): T {
  const result = v.safeParse(schema, params);
  if (result.success) return result.output;
  throw new DawnletError("INVALID_ARGUMENT", `Bad call of the gateway: ${result.issues[0].message}`);
}

function checkedTensor(
  name: string,
  { dataType, shape, data }: Omit<Tensor, "data"> & { readonly data: Uint8Array | undefined },
): Tensor {
  const expected = dataType === "string" ? data?.byteLength : tensorBytes(dataType, shape);
  if (data !== undefined && data.byteLength === expected) return { dataType, shape, data };
  throw new DawnletError(
    "INVALID_ARGUMENT",
    `Cannot use input '${name}' as it has ${data?.byteLength ?? 0} bytes: ${dataType} of shape [${shape}] has ${expected}`,
  );
}
