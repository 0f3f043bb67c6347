/** Tensors as handlers give and get them. */
import { expect, test, vi } from "vitest";
import { HeldTensors } from "../../../runtime/isolate/held-tensors.ts";
import { IsolateTensor, plainTensor } from "../../../runtime/isolate/tensors.ts";
import type { RpcClient } from "../../../runtime/port/rpc-client.ts";

/** The gateway's side: bytes by number, and what was asked. */
function gateway(bytes: Readonly<Record<number, Uint8Array>> = {}) {
  const call = vi.fn(async (method: string, params: unknown) => {
    const found = bytes[params as number];
    if (method === "read" && found === undefined) throw new Error("not held");
    return { result: undefined, attachments: method === "read" ? [found!] : [] };
  });
  return { call, held: new HeldTensors({ call } as Pick<RpcClient, "call"> as RpcClient) };
}

const float32 = (...values: number[]) => new Uint8Array(new Float32Array(values).buffer);

test("a tensor whose bytes came with it is read without asking, each time on memory of its own", async () => {
  const { call, held } = gateway();
  const tensor = new IsolateTensor("float32", [2], float32(1, 2), held);
  const [first, second] = [await tensor.data(), await tensor.data()];
  expect(first).toEqual(new Float32Array([1, 2]));
  first[0] = 7;
  expect(second[0]).toBe(1);
  expect([tensor.size, tensor.held, call.mock.calls]).toEqual([2, undefined, []]);
});

test("one that is held is asked for once, when it is read", async () => {
  const { call, held } = gateway({ 5: float32(3) });
  const tensor = new IsolateTensor("float32", [1], 5, held);
  expect(call).not.toHaveBeenCalled();
  expect(await Promise.all([tensor.data(), tensor.data()])).toEqual([
    new Float32Array([3]),
    new Float32Array([3]),
  ]);
  expect(call.mock.calls).toEqual([["read", 5]]);
});

test("reading is tried again where it failed", async () => {
  const bytes: Record<number, Uint8Array> = {};
  const { held } = gateway(bytes);
  const tensor = new IsolateTensor("float32", [1], 5, held);
  await expect(tensor.data()).rejects.toThrow("not held");
  bytes[5] = float32(4);
  expect(await tensor.data()).toEqual(new Float32Array([4]));
});

test("those that are disposed of in one turn are given back by one call, and not used any more", async () => {
  const { call, held } = gateway();
  const tensors = [1, 2, 3].map((number) => new IsolateTensor("uint8", [1], number, held));
  for (const tensor of tensors) tensor.dispose();
  tensors[0]!.dispose();
  expect(() => tensors[0]!.held).toThrow(TypeError);
  await expect(tensors[0]!.data()).rejects.toThrow(TypeError);
  await vi.waitFor(() => expect(call.mock.calls).toEqual([["release", [1, 2, 3]]]));
});

test.each([
  ["what the array holds", new Float32Array([1]), undefined, "float64", "float32"],
  ["a bool in bytes, where that is wanted", new Uint8Array([1]), undefined, "bool", "bool"],
  ["bytes where something else is wanted", new Uint8Array([1]), undefined, "float32", "uint8"],
  ["what is stated", new Uint16Array([1]), "float16", "float32", "float16"],
  ["what is wanted, for numbers", [1], undefined, "int64", "int64"],
] as const)("the data type is %s", (_, data, stated, wanted, expected) => {
  expect(plainTensor(data, stated, wanted).dataType).toBe(expected);
});

test("numbers become elements of the type", () => {
  expect(plainTensor([1, 2], undefined, "int64").bytes).toEqual(
    new Uint8Array(BigInt64Array.of(1n, 2n).buffer),
  );
  expect(plainTensor([1.5], undefined, "float32").bytes).toEqual(float32(1.5));
  expect(plainTensor([true, false], undefined, "bool").bytes).toEqual(Uint8Array.of(1, 0));
});

test("an array of another type than is stated, a fraction for whole numbers, and strings are refused", () => {
  expect(() => plainTensor(new Float32Array(1), "int32", "int32")).toThrow(TypeError);
  expect(() => plainTensor([1.5], undefined, "int64")).toThrow(RangeError);
  expect(() => plainTensor([1], "string", "string")).toThrow("strings");
});
