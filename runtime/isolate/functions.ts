/** The functions of `env`: what a handler calls is checked and run by the gateway; here it is only put into words. */
import { DawnletError } from "../../kernels/errors.ts";
import { elementCount, type TensorSignature } from "../../kernels/tensor.ts";
import type { HostTensor } from "../library/tensor.ts";
import type { TypedArray } from "../library/typed-arrays.ts";
import type { DawnletFunction, DeviceTensor, RunOptions, TensorLike } from "../library/types.ts";
import type { RpcClient } from "../port/rpc-client.ts";
import type { HeldTensors } from "./held-tensors.ts";
import type { RunInput, RunParams, RunReply, UsableFunction } from "./protocol.ts";
import { IsolateTensor, plainTensor } from "./tensors.ts";

export type SendRequest = (use: string, request: Request) => Promise<Response>;

export interface FunctionServices {
  readonly host: RpcClient;
  readonly held: HeldTensors;
  readonly send: SendRequest;
}

/** @param use what the gateway calls it. */
export function usableFunction(
  use: string,
  { kind, inputs, outputs }: UsableFunction,
  { host, held, send }: FunctionServices,
): DawnletFunction {
  return Object.freeze({
    inputs,
    outputs,
    run: async (values: Readonly<Record<string, TensorLike>>, options: RunOptions = {}) => {
      if (kind === "handler") throw new TypeError(`'${use}' is a handler: call its 'fetch'`);
      return run(use, inputs, values, options, host, held);
    },
    fetch: async (input: RequestInfo | URL, init?: RequestInit) => {
      if (kind === "program") throw new TypeError(`'${use}' is no handler: call its 'run'`);
      return send(use, requestOf(input, init));
    },
  });
}

/** A path is taken for one of the function's. */
function requestOf(input: RequestInfo | URL, init: RequestInit | undefined): Request {
  const isPath = typeof input === "string" && input.startsWith("/");
  return new Request(isPath ? `http://function${input}` : input, init);
}

async function run(
  use: string,
  signatures: readonly TensorSignature[],
  values: Readonly<Record<string, TensorLike>>,
  { parameters = {}, signal }: RunOptions,
  host: RpcClient,
  tensors: HeldTensors,
): Promise<Record<string, DeviceTensor>> {
  const inputs: RunInput[] = [];
  const attachments: Uint8Array[] = [];
  for (const [name, value] of Object.entries(values)) {
    const signature = signatures.find((one) => one.name === name);
    if (signature === undefined) {
      const known = signatures.map((one) => `'${one.name}'`).join(", ") || "no inputs";
      throw new DawnletError("INVALID_ARGUMENT", `'${use}' has no input '${name}': it takes ${known}`);
    }
    const { input, bytes } = await wordsFor(value, signature);
    inputs.push(input);
    if (bytes !== undefined) attachments.push(bytes);
  }
  const params: RunParams = { use, inputs, parameters };
  const reply = await host.call("run", params, attachments, { signal });
  let next = 0;
  const outputs: Record<string, DeviceTensor> = Object.create(null);
  for (const { name, dataType, shape, held } of (reply.result as RunReply).outputs) {
    const value = held ?? new Uint8Array(reply.attachments[next++]!);
    outputs[name] = new IsolateTensor(dataType, shape, value, tensors);
  }
  return outputs;
}

async function wordsFor(
  value: TensorLike,
  signature: TensorSignature,
): Promise<{ input: RunInput; bytes?: Uint8Array }> {
  const { name } = signature;
  if (value instanceof IsolateTensor) {
    const { dataType, shape, held } = value;
    if (held !== undefined) return { input: { name, dataType, shape, held } };
    return { input: { name, dataType, shape }, bytes: await value.bytes() };
  }
  const isData = typeof value === "object" && "data" in value && "shape" in value;
  const data = isData ? value.data : typeof value === "number" ? [value] : value;
  const stated: Partial<HostTensor> = isData ? (value as HostTensor) : {};
  const plain = plainTensor(data as TypedArray, stated.dataType, signature.dataType);
  const shape = stated.shape ?? shapeFor(plain.elements, signature, typeof value === "number");
  return { input: { name, dataType: plain.dataType, shape: [...shape] }, bytes: plain.bytes };
}

/** Where the signature leaves no choice, its shape; otherwise the elements in a row. */
function shapeFor(elements: number, { shape }: TensorSignature, isNumber: boolean): readonly number[] {
  const isFixed = shape.every((dimension): dimension is number => typeof dimension === "number");
  if (isFixed && elementCount(shape) === elements) return shape;
  return isNumber && shape.length === 0 ? [] : [elements];
}
