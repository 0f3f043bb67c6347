import { describe, expect, it } from "vitest";
import { loadWgslBundle, type WgslBundle } from "../../../kernels/manifest/bundle.ts";
import { floatsOf, runBundle } from "../example-bundle.ts";

function load(source: string, ...others: string[]): Promise<WgslBundle> {
  const files = [["k.wgsl", source], ...others.map((name) => [name, ""])] as const;
  return loadWgslBundle(new Map(files.map(([name, text]) => [name, new TextEncoder().encode(text)])));
}

const saxpy = `
struct Uniforms { count: u32, a: f32, shift: i32 }
@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn saxpy(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x < uniforms.count) { y[id.x] = uniforms.a * x[id.x] + f32(uniforms.shift); }
}`;

describe("a lone shader", () => {
  it("becomes a function by convention", async () => {
    const bundle = await load(saxpy);
    expect(bundle.signature).toEqual({
      inputs: [{ name: "x", dataType: "float32", shape: ["n"] }],
      outputs: [{ name: "y", dataType: "float32", shape: ["n"] }],
      parameters: [
        { name: "a", dataType: "float32" },
        { name: "shift", dataType: "int32" },
      ],
    });
    const { program, uniforms } = bundle.specialise({ x: [130] }, { a: 1, shift: -2 });
    expect(program.steps).toMatchObject([{ type: "dispatch", workgroups: [3, 1, 1] }]);
    expect(new DataView(uniforms[0]!.buffer).getUint32(0, true)).toBe(130);
  });

  it("runs", async () => {
    const data = Float32Array.from({ length: 130 }, (_, i) => i);
    const { y } = await runBundle(await load(saxpy), { x: { shape: [130], data } }, { a: 3, shift: -2 });
    expect(floatsOf(y)).toEqual(data.map((value) => 3 * value - 2));
  });

  it("takes vectors, fixed arrays and uniforms that are no structs", async () => {
    const { signature, resolve } = await load(`
      @group(0) @binding(0) var<storage, read> points: array<vec2<f32>>;
      @group(0) @binding(1) var<storage, read> table: array<u32, 16>;
      @group(0) @binding(2) var<storage, read_write> colors: array<vec4<i32>>;
      @group(0) @binding(3) var<uniform> scale: f32;
      @group(0) @binding(4) var<uniform> n: u32;
      @compute @workgroup_size(8) fn main() { colors[n] = vec4i(i32(points[0].x * scale) + i32(table[0])); }`);
    expect(signature.inputs.map(({ shape }) => shape)).toEqual([["n", 2], [16]]);
    expect(signature.outputs).toEqual([{ name: "colors", dataType: "int32", shape: ["n", 4] }]);
    expect(signature.parameters).toEqual([{ name: "scale", dataType: "float32" }]);
    expect(resolve({ points: [5, 2], table: [16] }, { scale: 1 }).uniforms[1]).toEqual(
      Uint8Array.of(5, 0, 0, 0),
    );
  });

  it("runs over its longest output where all arrays are of fixed length", async () => {
    const bundle = await load(`
      @group(0) @binding(0) var<storage, read_write> bins: array<atomic<u32>, 100>;
      @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) { atomicAdd(&bins[id.x % 100], 1u); }`);
    const { program } = bundle.specialise({}, {});
    expect(program.outputs[0]?.shape).toEqual([100]);
    expect(program.steps).toMatchObject([{ workgroups: [2, 1, 1] }]);
  });

  const main = "@compute @workgroup_size(64) fn main() { _ = &a; }";
  const output = "@group(1) @binding(0) var<storage, read_write> y: array<f32>;";
  it.each([
    [
      "two entry points",
      `${saxpy} @compute @workgroup_size(1) fn second() {}`,
      "it has the entry points saxpy, second: expected one",
    ],
    ["two dimensions", saxpy.replace("(64)", "(8, 8)"), "its workgroup size is [8, 8, 1]"],
    ["no output", `@group(0) @binding(0) var<storage, read> a: array<f32>; ${main}`, "it writes no"],
    [
      "an output of unknown length",
      `@group(0) @binding(0) var<storage, read_write> a: array<f32>; ${main}`,
      "output 'a' has n elements, and no input says how many",
    ],
    ["vec3 elements", saxpy.replace("x: array<f32>", "x: array<vec3<f32>>"), "the elements of 'x' are not"],
    ["struct elements", saxpy.replace("x: array<f32>", "x: array<Uniforms>"), "the elements of 'x' are not"],
    ["a vector in a uniform", saxpy.replace("a: f32", "a: vec2f"), "'a' of 'uniforms' is no f32, i32 or u32"],
    [
      "a written struct",
      `${output} @group(0) @binding(0) var<storage, read_write> a: f32; @compute @workgroup_size(1) fn main() { y[0] = a; }`,
      "no input says how many",
    ],
    ["a float called n", saxpy.replaceAll("a: f32", "n: f32"), "'n' of 'uniforms' is float32"],
  ])("is refused with %s", async (_, source, message) => {
    await expect(load(source)).rejects.toMatchObject({
      code: "INVALID_SHADER",
      message: expect.stringContaining(message),
    });
  });

  it("is refused beside another, and taken beside other files", async () => {
    await expect(load(saxpy, "b.wgsl")).rejects.toThrow("it has 2 .wgsl files: expected one, or a manifest");
    await expect(load(saxpy, "README.md")).resolves.toBeDefined();
    await expect(loadWgslBundle(new Map())).rejects.toThrow("it has 0 .wgsl files");
  });
});
