/**
 * What code finds that looks for an ONNX Runtime of its host (`Symbol.for("onnxruntime")`, as transformers.js does): sessions
 * whose models are compiled by the gateway and run on the shared device, equal models once for everybody.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { type DataType, elementCount } from "../../kernels/tensor.ts";
import { type NumericType, type TypedArray, toTypedArray } from "../library/typed-arrays.ts";
import type { DeviceTensor, TensorData } from "../library/types.ts";
import type { RpcClient } from "../port/rpc-client.ts";
import { usableFunction } from "./functions.ts";
import type { HeldTensors } from "./held-tensors.ts";
import type { ModelReply } from "./protocol.ts";
import { IsolateTensor, plainTensor } from "./tensors.ts";

export const onnxRuntimeSymbol = Symbol.for("onnxruntime");

interface Services {
  readonly host: RpcClient;
  readonly held: HeldTensors;
}

/** A tensor as ONNX Runtime has it; one that a session made is on the device until it is read. */
class Tensor {
  readonly type: NumericType;
  readonly dims: readonly number[];
  readonly size: number;
  #data: TypedArray | undefined;
  readonly #device: DeviceTensor | undefined;

  /** `new Tensor(type, data, dims?)` or `new Tensor(data, dims?)`, as in onnxruntime-common; or one of the device. */
  constructor(...args: readonly unknown[]) {
    const [first, second, third] = args;
    if (first instanceof IsolateTensor) {
      this.type = first.dataType;
      this.dims = first.shape;
      this.size = first.size;
      this.#device = first;
      return;
    }
    const isTyped = typeof first === "string";
    const data = (isTyped ? second : first) as TypedArray | readonly number[];
    const plain = plainTensor(data, isTyped ? (first as DataType) : undefined, "float32");
    this.type = plain.dataType;
    this.dims = Object.freeze([...(((isTyped ? third : second) as readonly number[]) ?? [data.length])]);
    this.size = elementCount(this.dims);
    if (this.size !== data.length)
      throw new TypeError(`A tensor of shape [${this.dims}] cannot have ${data.length} elements`);
    this.#data = Array.isArray(data) ? toTypedArray(plain.dataType, plain.bytes) : (data as TypedArray);
  }

  get location(): "cpu" | "gpu-buffer" {
    return this.#data === undefined ? "gpu-buffer" : "cpu";
  }

  /** @throws TypeError where the data is on the device: `getData` reads it. */
  get data(): TypedArray {
    if (this.#data !== undefined) return this.#data;
    throw new TypeError("The tensor's data is on the device: use 'await tensor.getData()'");
  }

  async getData(releaseData = false): Promise<TypedArray> {
    this.#data ??= await this.#device!.data();
    if (releaseData) this.#device?.dispose();
    return this.#data;
  }

  dispose(): void {
    this.#device?.dispose();
  }

  /** What `run` of a function takes: what is on the device stays there. */
  get value(): DeviceTensor | TensorData {
    return this.#device ?? { data: this.data, shape: this.dims, dataType: this.type };
  }

  reshape(dims: readonly number[]): Tensor {
    return new Tensor(this.type, this.data, dims);
  }
}

class InferenceSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly #run: ReturnType<typeof usableFunction>["run"];

  constructor(model: ModelReply, services: Services) {
    this.inputNames = model.inputs.map(({ name }) => name);
    this.outputNames = model.outputs.map(({ name }) => name);
    const send = () => Promise.reject(new TypeError("A model has no 'fetch'"));
    this.#run = usableFunction(model.use, model, { ...services, send }).run;
  }

  /** @param fetches names of the outputs that are wanted. Left out, or options in its place: all. */
  async run(feeds: Readonly<Record<string, Tensor>>, fetches?: unknown): Promise<Record<string, Tensor>> {
    const inputs: Record<string, Tensor["value"]> = {};
    for (const [name, tensor] of Object.entries(feeds)) inputs[name] = tensor.value;
    const outputs = await this.#run(inputs);
    const results: Record<string, Tensor> = {};
    for (const name of wantedNames(fetches) ?? this.outputNames) {
      const output = outputs[name];
      if (output === undefined)
        throw new DawnletError("INVALID_ARGUMENT", `The model has no output '${name}'`);
      const tensor = new Tensor(output);
      // Code that reads `data` at once finds it, as with outputs on the CPU.
      await tensor.getData();
      results[name] = tensor;
    }
    return results;
  }

  async release(): Promise<void> {}
  startProfiling(): void {}
  endProfiling(): void {}
}

function wantedNames(fetches: unknown): readonly string[] | undefined {
  if (Array.isArray(fetches)) return fetches;
  return undefined;
}

/** @returns what stands for the module `onnxruntime-web`. */
export function onnxRuntime(services: Services): object {
  const create = async (model: unknown): Promise<InferenceSession> => {
    const { result } =
      typeof model === "string"
        ? await services.host.call("model", model)
        : await services.host.call("model", null, [bytesOfModel(model)]);
    return new InferenceSession(result as ModelReply, services);
  };
  return Object.freeze({
    Tensor,
    InferenceSession: Object.freeze({ create }),
    env: { wasm: {}, webgpu: {}, versions: {}, logLevel: "warning" },
  });
}

function bytesOfModel(model: unknown): Uint8Array {
  if (model instanceof Uint8Array) return model;
  if (model instanceof ArrayBuffer) return new Uint8Array(model);
  throw new TypeError("A session is made of a function's name or of the bytes of a model");
}
