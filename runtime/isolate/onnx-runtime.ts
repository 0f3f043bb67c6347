/**
 * What code finds that looks for an ONNX Runtime of its host (`Symbol.for("onnxruntime")`, as transformers.js does): sessions
 * whose models are compiled by the gateway and run on the shared device, equal models once for everybody.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { DataType, TensorSignature } from "../../kernels/tensor.ts";
import type { DeviceTensor, TensorData } from "../library/types.ts";
import type { RpcClient } from "../port/rpc-client.ts";
import { usableFunction } from "./functions.ts";
import type { HeldTensors } from "./held-tensors.ts";
import { feedValue, OnnxTensor } from "./onnx-tensor.ts";
import type { ModelReply } from "./protocol.ts";

export const onnxRuntimeSymbol = Symbol.for("onnxruntime");

interface Services {
  readonly host: RpcClient;
  readonly held: HeldTensors;
}

/** What is looked at of ONNX Runtime's options: on which device, and how, is not the handler's to say. */
interface SessionOptions {
  /** `gpu-buffer`: outputs stay on the device until they are read; one place for all, or by their names. */
  readonly preferredOutputLocation?: string | Readonly<Record<string, string>>;
  readonly externalData?: readonly unknown[];
}

/** What is known of an input or output. */
interface ValueMetadata {
  readonly name: string;
  readonly isTensor: true;
  readonly type: DataType;
  /** Sizes, and names of those that are free. */
  readonly shape: readonly (number | string)[];
}

class Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly inputMetadata: readonly ValueMetadata[];
  readonly outputMetadata: readonly ValueMetadata[];
  readonly #options: SessionOptions;
  #run: ReturnType<typeof usableFunction>["run"] | undefined;

  constructor(model: ModelReply, options: SessionOptions, { host, held }: Services) {
    this.inputNames = model.inputs.map(({ name }) => name);
    this.outputNames = model.outputs.map(({ name }) => name);
    this.inputMetadata = model.inputs.map(metadata);
    this.outputMetadata = model.outputs.map(metadata);
    this.#options = options;
    const send = () => Promise.reject(new TypeError("A model has no 'fetch'"));
    this.#run = usableFunction(model.use, model, { host, held, send }).run;
  }

  /** @param fetches names of the outputs that are wanted, or an object that has them. Left out, or options in its place: all. */
  async run(
    feeds: Readonly<Record<string, unknown>>,
    fetches?: unknown,
  ): Promise<Record<string, OnnxTensor>> {
    if (this.#run === undefined) throw new Error("The session was released");
    const wanted = this.#wantedNames(fetches);
    const inputs: Record<string, DeviceTensor | TensorData> = {};
    for (const [name, tensor] of Object.entries(feeds)) inputs[name] = feedValue(name, tensor);
    for (const name of this.inputNames)
      if (!Object.hasOwn(inputs, name)) throw new Error(`input '${name}' is missing in 'feeds'.`);
    const outputs = await this.#run(inputs);
    for (const name of this.outputNames) if (!wanted.includes(name)) outputs[name]?.dispose();
    const results = wanted.map((name) => [name, new OnnxTensor(outputs[name])] as const);
    // Code that reads `data` at once finds it, where it has not said that it is to stay on the device.
    await Promise.all(results.map(([name, tensor]) => this.#staysOnDevice(name) || tensor.getData()));
    return Object.fromEntries(results);
  }

  async release(): Promise<void> {
    this.#run = undefined;
  }

  startProfiling(): void {}
  endProfiling(): void {}

  #wantedNames(fetches: unknown): readonly string[] {
    const { outputNames } = this;
    if (Array.isArray(fetches)) {
      const unknown = fetches.find((name) => !outputNames.includes(name));
      if (unknown === undefined) return fetches;
      throw new RangeError(`'fetches' contains invalid output name: ${unknown}.`);
    }
    const named = typeof fetches === "object" && fetches !== null ? Object.keys(fetches) : [];
    const wanted = outputNames.filter((name) => named.includes(name));
    return wanted.length > 0 ? wanted : outputNames;
  }

  #staysOnDevice(name: string): boolean {
    const { preferredOutputLocation: stated } = this.#options;
    return (typeof stated === "object" ? stated[name] : stated) === "gpu-buffer";
  }
}

/** @returns what stands for the module `onnxruntime-web`. */
export function onnxRuntime(services: Services): object {
  class InferenceSession extends Session {
    /**
     * @param model a name of `uses`, or the bytes of a model.
     * @param rest options; or, behind an ArrayBuffer, offset, length and options.
     * @throws DawnletError as a deploy of the model; NOT_FOUND for a name that there is not.
     */
    static async create(model: unknown, ...rest: readonly unknown[]): Promise<Session> {
      const options = (rest.find((one) => typeof one === "object" && one !== null) ?? {}) as SessionOptions;
      return new InferenceSession(await openModel(model, rest, options, services.host), options, services);
    }
  }
  return Object.freeze({
    Tensor: OnnxTensor,
    InferenceSession,
    // Settings of engines that are not here: they may be written, and change nothing.
    env: { wasm: {}, webgl: {}, webgpu: {}, versions: {}, logLevel: "warning" },
  });
}

async function openModel(
  model: unknown,
  rest: readonly unknown[],
  { externalData = [] }: SessionOptions,
  host: RpcClient,
): Promise<ModelReply> {
  if (externalData.length > 0)
    throw new DawnletError(
      "UNSUPPORTED",
      "Cannot open a session of a model with external data: deploy it, and name it in 'uses'",
    );
  const { result } =
    typeof model === "string"
      ? await host.call("model", model)
      : await host.call("model", null, [bytesOfModel(model, rest)]);
  return result as ModelReply;
}

function metadata({ name, dataType, shape }: TensorSignature): ValueMetadata {
  return { name, isTensor: true, type: dataType, shape: [...shape] };
}

function bytesOfModel(model: unknown, [offset = 0, length]: readonly unknown[]): Uint8Array {
  if (model instanceof Uint8Array) return model;
  if (model instanceof ArrayBuffer || model instanceof SharedArrayBuffer) {
    const isPart = typeof offset === "number";
    const size = isPart && typeof length === "number" ? length : undefined;
    return new Uint8Array(model, isPart ? offset : 0, size);
  }
  throw new TypeError("A session is made of a function's name or of the bytes of a model");
}
