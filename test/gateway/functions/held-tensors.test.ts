/** Calls from inside a gateway whose tensors stay on its real device, from function to function. */
import process from "node:process";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { asBytes, type CallTensor, inlineBytes, isHeld } from "../../../gateway/devices/call-tensor.ts";
import { HeldTensors } from "../../../gateway/devices/held-tensors.ts";
import type { HeldResult } from "../../../gateway/functions/functions.ts";
import type { Tensor } from "../../../kernels/tensor.ts";
import { makeNode, makeValue } from "../../../models/onnx/build.ts";
import { encodeModel } from "../../../models/onnx/model.ts";
import { gatewayFor } from "../../e2e/running-gateway.ts";
import { modelRows, timesModel, timesShader } from "../../e2e/small-functions.ts";
import { floats, floatsIn } from "../../e2e/tensors.ts";
import { makeGraph, makeModel } from "../../models/onnx/graphs.ts";

const server = gatewayFor("all tests");
const many = floats(
  [5000],
  Array.from({ length: 5000 }, (_, i) => i % 7),
);

/** A model of one node over n elements. */
const nodeModel = (operator: string, from: "float32" | "int64", to: "float32" | "int64", output: string[]) =>
  encodeModel(
    makeModel(
      17,
      makeGraph([makeNode(operator, ["x"], ["y"], operator === "Cast" ? { to: 1n } : {})], {
        input: [makeValue("x", from, ["n"])],
        output: [makeValue("y", to, output)],
      }),
    ),
  );

let holder: HeldTensors;

beforeAll(async () => {
  await server.client.mustDeploy("double", timesShader(2));
  await server.client.mustDeploy("triple", timesShader(3));
  await server.client.mustDeploy("model4", timesModel(4));
  await server.client.mustDeploy("model5", timesModel(5));
  await server.client.mustDeploy("find", nodeModel("NonZero", "float32", "int64", ["rank", "found"]));
  await server.client.mustDeploy("cast", nodeModel("Cast", "int64", "float32", ["n"]));
}, 300_000);

beforeEach(() => {
  holder = new HeldTensors({ device: server.gateway.backends.devices, budgetBytes: 2 ** 20 });
});

afterEach(async () => {
  holder.disposeAll();
  expect(await tensorBytes()).toBe(0);
});

const tensorBytes = async () => (await server.gateway.backends.devices.memory()).tensorBytes;
const signal = new AbortController().signal;

function invoke(name: string, x: CallTensor, keep?: "all"): Promise<HeldResult> {
  return server.gateway.functions.invoke({
    name,
    inputs: { x },
    parameters: {},
    signal,
    ...(keep && { keep }),
  });
}

/** Calls with a tensor of the holder, which takes the output over. */
async function chain(name: string, id: number): Promise<number> {
  using used = holder.use([id]);
  const { outputs } = await invoke(name, used.tensors[0]!, "all");
  return holder.add(outputs[0]!.tensor);
}

/** The same through bytes. */
async function viaBytes(x: Tensor, ...names: readonly string[]): Promise<Tensor> {
  let value: CallTensor = x;
  for (const name of names) value = (await invoke(name, value)).outputs[0]!.tensor;
  return asBytes(value, server.gateway.backends.devices);
}

const outputOf = ({ outputs }: HeldResult) => outputs[0]!.tensor;

describe("functions on the device", () => {
  test.each([
    ["shaders", many, ["double", "triple", "double"]],
    ["models", modelRows(60), ["model4", "model5", "model4"]],
  ])(
    "%s hand on what stays there, and the end of the chain is what it is through bytes",
    async (_, x, names) => {
      let id = holder.add(x);
      for (const name of names) {
        id = await chain(name, id);
        expect(isHeld(holder.get(id))).toBe(true);
      }
      expect(await tensorBytes()).toBe(3 * x.data.byteLength);
      expect(await holder.read(id)).toEqual(await viaBytes(x, ...names));
      expect(holder.get(id)).toMatchObject({ dataType: "float32", shape: x.shape });
    },
  );

  test("small outputs come as bytes, and all do where nothing is to be kept", async () => {
    const count = inlineBytes / 4;
    const of = (length: number) => floats([length], new Array<number>(length).fill(1));
    expect(isHeld(outputOf(await invoke("double", of(count), "all")))).toBe(false);
    expect(isHeld(outputOf(await invoke("double", of(count + 1))))).toBe(false);
    const large = outputOf(await invoke("double", of(count + 1), "all"));
    expect(isHeld(large)).toBe(true);
    holder.add(large);
  });

  test("a released tensor gives its memory back once the call that uses it has ended", async () => {
    const id = await chain("double", holder.add(many));
    const call = chain("triple", id);
    holder.release(id);
    const last = await call;
    expect(await holder.read(last)).toEqual(await viaBytes(many, "double", "triple"));
    expect(await tensorBytes()).toBe(many.data.byteLength);
  });

  test("types and shapes are checked without the bytes", async () => {
    const id = await chain("double", holder.add(many));
    const tensor = holder.get(id);
    await expect(invoke("model4", tensor)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: "Cannot call the function as input 'x' has shape [5000]: expected 2 dimensions, [rows,96]",
    });
    const lie = { ...tensor, shape: [4999] };
    await expect(invoke("double", lie)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: /20000 bytes/,
    });
    expect(outputOf(await invoke("double", tensor))).toEqual(await viaBytes(many, "double", "double"));
  });

  test("an output that is asked for twice is refused", async () => {
    const call = { name: "double", inputs: { x: many }, parameters: {}, signal, keep: "all" as const };
    await expect(server.gateway.functions.invoke({ ...call, outputs: ["y", "y"] })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    const { outputs } = await server.gateway.functions.invoke({ ...call, outputs: ["y"] });
    holder.addAll(outputs.map(({ tensor }) => tensor));
    expect(holder.usedBytes).toBe(20_000);
  });
});

describe("where bytes are needed", () => {
  test("a fallback gets them from the device, and gives bytes", async () => {
    const id = await chain("double", holder.add(many));
    const found = outputOf(await invoke("find", holder.get(id), "all"));
    expect(server.gateway.functions.get("find").current.engine.type).toBe("fallback");
    expect(isHeld(found)).toBe(false);
    expect(found).toEqual(await viaBytes(many, "double", "find"));
  });

  test.each([
    ["that fit int32", [1, 0]],
    ["beyond int32", [1, 2]],
  ])("int64 inputs %s are read and converted, or go to the fallback", async (_, pair) => {
    // The bytes of pairs of floats are those of integers.
    const pairs = floats(
      [6000],
      Array.from({ length: 6000 }, (_, i) => pair[i % 2]!),
    );
    const doubled = outputOf(await invoke("double", pairs, "all"));
    holder.add(doubled);
    if (!isHeld(doubled)) throw new TypeError("It did not stay");
    const wide = { dataType: "int64", shape: [3000], held: doubled.held } as const;
    const { data } = await asBytes(wide, server.gateway.backends.devices);
    const expected = outputOf(await invoke("cast", { dataType: "int64", shape: [3000], data }));
    const cast = outputOf(await invoke("cast", wide));
    expect(cast).toEqual(expected);
    const [first] = floatsIn(await asBytes(cast, server.gateway.backends.devices));
    expect(first).toBe(Math.fround(Number(new BigInt64Array(data.slice().buffer)[0]!)));
  });
});

test("the report of the device and the metrics show what tensors take", async () => {
  await chain("double", holder.add(many));
  const report = await (await fetch(`${server.gateway.url}/v1/devices`)).json();
  expect(report).toMatchObject({ devices: [{ usedBytes: { tensors: 20_000 } }] });
  const metrics = await (await fetch(`${server.gateway.url}/metrics`)).text();
  expect(metrics).toMatch(/^dawnlet_tensor_bytes\{device="\w+"\} 20000$/m);
});

test("what was on a device that is lost is lost, blames nobody, and new calls go on", async () => {
  const { devices: device } = server.gateway.backends;
  const before = device.health.generation;
  const id = await chain("double", holder.add(many));
  process.kill((await device.pid())!, "SIGKILL");
  await expect.poll(() => device.health.generation, { timeout: 20_000 }).toBe(before + 1);
  const lost = { code: "DEVICE_LOST", message: "The tensor went with its device: call again" };
  await expect(chain("triple", id)).rejects.toMatchObject(lost);
  await expect(holder.read(id)).rejects.toMatchObject(lost);
  holder.release(id);
  expect(await holder.read(await chain("triple", holder.add(many)))).toEqual(await viaBytes(many, "triple"));
  expect(device.health.blamed).toBe(0);
});
