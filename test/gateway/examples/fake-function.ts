/**
 * What a handler finds in `env`, without a runtime: a function that answers from the test's own computation, and
 * counts what of its outputs was not given back.
 */

import type {
  DawnletFunction,
  DeviceTensor,
  Handler,
  HandlerContext,
  OutputTypes,
  TensorLike,
} from "dawnlet";
import { checkTensor, type Tensor, type TensorSpec } from "../../../kernels/tensor.ts";
import { type NumericType, toBytes, toTypedArray } from "../../../runtime/library/typed-arrays.ts";

type Tensors = Readonly<Record<string, Tensor>>;
export type Compute = (inputs: Tensors, parameters: Readonly<Record<string, number>>) => Promise<Tensors>;

/** The bytes of the outputs that are on the pretended device. */
const held = new WeakMap<DeviceTensor, Tensor>();

export interface FakeFunction<Outputs extends OutputTypes> extends DawnletFunction<Outputs> {
  /** Outputs that nobody has disposed of. */
  readonly alive: number;
}

/** @param inputs what every run must be given, exactly: other inputs fail as they would in the runtime. */
export function fakeFunction<Outputs extends OutputTypes>(
  inputs: readonly TensorSpec[],
  compute: Compute,
): FakeFunction<Outputs> {
  let alive = 0;
  const deviceTensor = (tensor: Tensor): DeviceTensor => {
    const { shape, data } = tensor;
    const dataType = tensor.dataType as NumericType;
    const values = toTypedArray(dataType, data);
    let isAlive = true;
    alive++;
    const dispose = () => {
      if (isAlive) alive--;
      isAlive = false;
      held.delete(made);
    };
    const made: DeviceTensor = {
      ...{ shape, dataType, size: values.length, dispose, [Symbol.dispose]: dispose },
      data: async () => values,
    };
    held.set(made, tensor);
    return made;
  };
  return {
    inputs,
    outputs: [],
    get alive() {
      return alive;
    },
    async run(given, { parameters = {} } = {}) {
      const tensors = Object.fromEntries(
        Object.entries(given).map(([name, value]) => [name, toTensor(value)]),
      );
      if (Object.keys(tensors).length !== inputs.length)
        throw new TypeError("other inputs than are expected");
      for (const spec of inputs) checkTensor(spec, tensors[spec.name]!);
      const outputs = await compute(tensors, parameters);
      const made = Object.entries(outputs).map(([name, value]) => [name, deviceTensor(value)]);
      // The names are those that the test computes.
      return Object.fromEntries(made) as Awaited<ReturnType<DawnletFunction<Outputs>["run"]>>;
    },
    fetch: () => Promise.reject(new TypeError("no handler")),
  };
}

function toTensor(value: TensorLike): Tensor {
  if (typeof value === "number" || ArrayBuffer.isView(value) || !("shape" in value))
    throw new TypeError("no shape");
  if (typeof value.data === "function") {
    const tensor = held.get(value as DeviceTensor);
    if (tensor === undefined) throw new TypeError("a tensor that was given back");
    return tensor;
  }
  const { data, shape, dataType = "float32" } = value as Exclude<typeof value, DeviceTensor>;
  return { dataType, shape, data: toBytes(data) };
}

/** What a handler answers to a request that nobody gives up. */
export async function ask<Env>(handler: Handler<Env>, request: Request, env: Env): Promise<Response> {
  return handler.fetch(request, env, fakeContext());
}

/** The context of a request that nobody gives up. */
export function fakeContext(): HandlerContext {
  const silent = () => {};
  return {
    waitUntil: silent,
    passThroughOnException: silent,
    log: { debug: silent, info: silent, warn: silent, error: silent },
    deadline: Date.now() + 60_000,
    signal: new AbortController().signal,
    file: () => Promise.reject(new TypeError("no files")),
    function: { name: "example", version: 1 },
  };
}

export function post(body: BodyInit): Request {
  return new Request("http://localhost/", { method: "POST", body });
}
