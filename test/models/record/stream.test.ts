import { describe, expect, it } from "vitest";
import { bindingAccess, requiredFeatures } from "../../../models/record/shader.ts";
import { type RecordedBuffer, type StreamEvent, streamDifference } from "../../../models/record/stream.ts";

const buffer = (id: number): RecordedBuffer => ({ id, gpu: {} as GPUBuffer, sizeBytes: 16 });
const write = (id: number, value: number): StreamEvent => ({
  type: "write",
  buffer: buffer(id),
  offset: 0,
  data: new Uint8Array(16).fill(value),
});
const stream = (...events: StreamEvent[]) => ({ events, obstacles: [] });

describe("streamDifference()", () => {
  it("finds none between runs that differ in their buffers only", () => {
    expect(streamDifference(stream(write(1, 5)), stream(write(2, 5)))).toBeUndefined();
  });

  it("finds values that the CPU computed from the inputs", () => {
    expect(streamDifference(stream(write(1, 5)), stream(write(1, 6)))).toContain(
      "the CPU computed from the inputs",
    );
  });

  it("finds a run that is longer for other inputs", () => {
    expect(streamDifference(stream(write(1, 5)), stream(write(1, 5), write(1, 5)))).toContain(
      "differ in length",
    );
  });

  it("finds another operation at the same place", () => {
    const clear: StreamEvent = { type: "clear", buffer: buffer(1), offset: 0, sizeBytes: 16 };
    expect(streamDifference(stream(write(1, 5)), stream(clear))).toContain("another kind");
  });
});

describe("bindingAccess()", () => {
  it("reads the access of each binding, whatever the spacing", () => {
    const access = bindingAccess(`
      @group(0) @binding(0) var<storage, read> a: array<f32>;
      @group(0)@binding(1)var<storage,read_write>b: array<f32>;
      @group(1) @binding( 2 ) var<uniform> c: vec4f;
      @group(0) @binding(3) var<storage> d: array<f32>;
      var<workgroup> e: array<f32, 4>;`);
    expect(Object.fromEntries(access)).toEqual({
      "0.0": "read",
      "0.1": "read_write",
      "1.2": "uniform",
      "0.3": "read",
    });
  });
});

describe("requiredFeatures()", () => {
  it("names the WebGPU feature of each extension that a shader enables", () => {
    expect(requiredFeatures("enable f16;\nenable subgroups;\n@compute fn main() {}")).toEqual([
      "shader-f16",
      "subgroups",
    ]);
    expect(requiredFeatures("@compute fn main() {}")).toEqual([]);
  });
});
