/**
 * What goes over the Port between a gateway and a session process: one ONNX Runtime session on the CPU, for models
 * that cannot be Programs. Tensors travel as attachments, their types and shapes in the header.
 */
import * as v from "valibot";
import { type DataType, elementBytes, type Tensor, type Tensors } from "../../kernels/tensor.ts";
import type { ModelSource } from "../compiler/protocol.ts";
import type { RpcClient } from "../port/rpc-client.ts";

const tensorHeader = v.strictObject({
  name: v.string(),
  dataType: v.picklist(Object.keys(elementBytes) as DataType[]),
  shape: v.array(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
});

type TensorHeader = v.InferOutput<typeof tensorHeader>;

export const openSchema = v.strictObject({
  modelPath: v.string(),
  files: v.record(v.string(), v.string()),
  threads: v.number(),
});

export const runSchema = v.strictObject({
  inputs: v.array(tensorHeader),
  outputs: v.nullable(v.array(v.string())),
});

export type OpenSessionParams = ModelSource & { readonly threads: number };

export class SessionClient {
  readonly #rpc: RpcClient;

  constructor(rpc: RpcClient) {
    this.#rpc = rpc;
  }

  async open(params: OpenSessionParams, signal: AbortSignal): Promise<void> {
    await this.#rpc.call("open", params, [], { signal });
  }

  /** Calls run one after another, in order. */
  async run(inputs: Tensors, outputs: readonly string[] | undefined): Promise<Map<string, Tensor>> {
    const entries = Object.entries(inputs);
    const params = { inputs: entries.map(headerOf), outputs: outputs ?? null };
    const attachments = entries.map(([, tensor]) => tensor.data);
    const reply = await this.#rpc.call("run", params, attachments);
    return joinTensors(reply.result as TensorHeader[], reply.attachments);
  }
}

export function splitTensors(tensors: ReadonlyMap<string, Tensor>): {
  headers: TensorHeader[];
  attachments: Uint8Array[];
} {
  const entries = [...tensors];
  return { headers: entries.map(headerOf), attachments: entries.map(([, tensor]) => tensor.data) };
}

export function joinTensors(
  headers: readonly TensorHeader[],
  attachments: readonly Uint8Array[],
): Map<string, Tensor> {
  return new Map(
    headers.map(({ name, dataType, shape }, i) => [name, { dataType, shape, data: attachments[i]! }]),
  );
}

function headerOf([name, { dataType, shape }]: readonly [string, Tensor]): TensorHeader {
  return { name, dataType, shape: [...shape] };
}
