import { expect, it } from "vitest";
import { encodeElements, encodeStrings } from "../../kernels/strings.ts";
import { makeNode, makeValue } from "../../models/onnx/build.ts";
import { encodeModel } from "../../models/onnx/model.ts";
import { createCpuSession } from "../../models/ort.ts";
import { makeGraph, makeModel } from "./onnx/graphs.ts";

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
