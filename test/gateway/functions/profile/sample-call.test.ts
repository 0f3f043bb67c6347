import { describe, expect, test } from "vitest";
import type { FunctionSignature } from "../../../../gateway/functions/functions.ts";
import { type GivenCall, sampleCall } from "../../../../gateway/functions/profile/sample-call.ts";
import { floats } from "../../../e2e/tensors.ts";

const signature: FunctionSignature = {
  inputs: [
    { name: "a", dataType: "float32", shape: ["n", 3] },
    { name: "ids", dataType: "int64", shape: ["2 * n"] },
  ],
  outputs: [],
  parameters: [
    { name: "scale", dataType: "float32", minimum: 2 },
    { name: "width", dataType: "uint32", default: 8 },
  ],
};

function sampled(given: Partial<GivenCall> = {}, kind: "wgsl" | "onnx" = "wgsl") {
  return sampleCall({ name: "f", kind, signature }, { inputs: {}, parameters: {}, dimensions: {}, ...given });
}
const shapesOf = ({ inputs }: ReturnType<typeof sampled>) => [inputs.a!.shape, inputs.ids!.shape];

describe("sampleCall()", () => {
  test("makes inputs of the right types with free dimensions of 1, and parameters without a default", () => {
    const call = sampled();
    expect(shapesOf(call)).toEqual([[1, 3], [2]]);
    expect([call.inputs.a!.dataType, call.inputs.ids!.dataType]).toEqual(["float32", "int64"]);
    expect(call.inputs.ids!.data.byteLength).toBe(16);
    expect(call.parameters).toEqual({ scale: 2 });
    // The same again each time: profiles are compared.
    expect(sampled()).toEqual(call);
  });

  test("takes sizes from what is given, and names of models as they are", () => {
    expect(shapesOf(sampled({ dimensions: { n: 5 } }))).toEqual([[5, 3], [10]]);
    const a = floats([4, 3], new Array(12).fill(1));
    const given = sampled({ inputs: { a }, parameters: { scale: 3 } });
    expect(given.inputs.a).toBe(a);
    expect(given.inputs.ids!.shape).toEqual([8]);
    expect(given.parameters).toEqual({ scale: 3 });
    expect(shapesOf(sampled({ dimensions: { "2 * n": 7 } }, "onnx"))).toEqual([[1, 3], [7]]);
  });

  test.each([
    ["input", { inputs: { b: floats([1], [1]) } }, "there is no input 'b': it has 'a', 'ids'"],
    ["parameter", { parameters: { size: 1 } }, "no parameter 'size': it has 'scale', 'width'"],
    ["free dimension", { dimensions: { m: 1 } }, "no free dimension 'm': it has 'n'"],
  ])("refuses an unknown %s", (_, given, message) => {
    expect(() => sampled(given)).toThrow(message);
  });

  test("cannot make text up, and takes it where it is given", () => {
    const text = {
      inputs: [{ name: "t", dataType: "string", shape: [1] }],
      outputs: [],
      parameters: [],
    } as const;
    const version = { name: "f", kind: "onnx", signature: text } as const;
    const nothing = { inputs: {}, parameters: {}, dimensions: {} };
    expect(() => sampleCall(version, nothing)).toThrow("input 't' is text");
    const t = { dataType: "string", shape: [1], data: new Uint8Array([1, 0, 0, 0, 65]) } as const;
    expect(sampleCall(version, { ...nothing, inputs: { t } }).inputs).toEqual({ t });
  });
});
