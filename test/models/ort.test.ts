import fs from "node:fs";
import { expect, it, vi } from "vitest";
import { encodeElements, encodeStrings } from "../../kernels/strings.ts";
import { makeNode, makeValue } from "../../models/onnx/build.ts";
import { encodeModel } from "../../models/onnx/model.ts";
import { createCpuSession } from "../../models/ort.ts";
import { makeGraph, makeModel } from "./onnx/graphs.ts";

/** The engine writes to the standard error by itself, but for runtimes where it takes the console. */
const printed: unknown[] = [];
vi.spyOn(console, "error").mockImplementation((...words) => void printed.push(words));
vi.spyOn(fs, "writeSync").mockImplementation((_file, text: unknown) => {
  printed.push(text);
  return String(text).length;
});

it("strings go through ONNX Runtime as they are, and what is no UTF-8 is refused", async () => {
  const identity = makeGraph([makeNode("Identity", ["x"], ["y"])], {
    input: [makeValue("x", "string", ["n"])],
    output: [makeValue("y", "string", ["n"])],
  });
  const session = await createCpuSession({ model: encodeModel(makeModel(17, identity)) });
  const run = (data: Uint8Array) => session.run({ x: { dataType: "string", shape: [2], data } });
  const texts = encodeStrings(["\uFEFFgrün", ""]);
  expect((await run(texts)).get("y")).toEqual({ dataType: "string", shape: [2], data: texts });
  const latin1 = encodeElements([Uint8Array.of(0x67, 0x72, 0xfc, 0x6e), new Uint8Array()]);
  await expect(run(latin1)).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: "Cannot use tensor 'x' as its element 0 is not UTF-8: ONNX Runtime takes no other bytes",
  });
  await session.release();
});

it("a call that ONNX Runtime refuses is told in the error, and nowhere else", async () => {
  const gather = makeGraph([makeNode("Gather", ["table", "at"], ["y"])], {
    input: [makeValue("table", "float32", [2]), makeValue("at", "int64", [1])],
    output: [makeValue("y", "float32", [1])],
  });
  const session = await createCpuSession({ model: encodeModel(makeModel(17, gather)) });
  const run = (at: bigint) =>
    session.run({
      table: { dataType: "float32", shape: [2], data: new Uint8Array(8) },
      at: { dataType: "int64", shape: [1], data: new Uint8Array(BigInt64Array.of(at).buffer) },
    });
  await expect(run(1n)).resolves.toBeDefined();
  await expect(run(4n)).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringMatching(/^ONNX Runtime refused the call: .*indices element out of data bounds/),
  });
  expect(printed).toEqual([]);
  await session.release();
});
