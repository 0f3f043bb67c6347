import { describe, expect, it } from "vitest";
import { DawnletError } from "../../../kernels/errors.ts";
import { reflectShader, type ShaderBinding } from "../../../kernels/manifest/reflect.ts";

/** The binding called `s` of a shader with these declarations. */
function reflected(declarations: string): ShaderBinding {
  const source = `${declarations}\n@compute @workgroup_size(1) fn main() { _ = &s; }`;
  const binding = reflectShader("s.wgsl", source).entryPoints.get("main")?.bindings[0];
  if (binding === undefined) throw new Error("no binding");
  return binding;
}

describe("reflectShader()", () => {
  it("finds entry points, and for each the bindings that it and the functions it calls use", () => {
    const module = reflectShader(
      "two.wgsl",
      `@group(0) @binding(1) var<storage, read_write> b: array<f32>;
       @group(0) @binding(0) var<storage, read> a: array<f32>;
       @group(1) @binding(0) var<uniform> unused: u32;
       fn second(i: u32) -> f32 { return first(i) * 2; }
       fn first(i: u32) -> f32 { return a[i]; }
       @compute @workgroup_size(64) fn copy() { b[0] = second(0); }
       @compute @workgroup_size(8, 4) fn clear() { b[0] = 0; }`,
    );
    const names = [...module.entryPoints.values()].map((e) => [e.name, ...e.bindings.map((b) => b.variable)]);
    expect(names).toEqual([
      ["copy", "a", "b"],
      ["clear", "b"],
    ]);
    expect(module.entryPoints.get("clear")?.workgroupSize).toEqual([8, 4, 1]);
  });

  it.each([
    ["@group(1) @binding(2) var<uniform> s: u32;", "uniform", 4],
    ["@group(1) @binding(2) var<storage> s: array<f32>;", "read", 4],
    ["@group(1) @binding(2) var<storage, read> s: array<vec3<f32>>;", "read", 16],
    ["@group(1) @binding(2) var<storage, read_write> s: array<vec2f, 5>;", "read_write", 40],
    ["struct S { head: u32, tail: array<vec4f> } @group(1) @binding(2) var<storage, read> s: S;", "read", 32],
  ])("reads %s", (declarations, access, minimumBytes) => {
    expect(reflected(declarations)).toMatchObject({
      group: 1,
      binding: 2,
      variable: "s",
      access,
      minimumBytes,
    });
  });

  it("lays out structs by the rules of WGSL", () => {
    const binding = reflected(
      `alias Pair = vec2<u32>;
       struct Inner { x: f32, y: f32 }
       struct S { a: u32, b: Pair, c: vec3f, d: f32, e: Inner, f: mat2x2<f32>, @align(16) g: i32 }
       @group(0) @binding(0) var<uniform> s: S;`,
    );
    expect(
      binding.members?.map(({ name, offset, components }) => [
        name,
        offset,
        components?.scalar,
        components?.count,
      ]),
    ).toEqual([
      ["a", 0, "u32", 1],
      ["b", 8, "u32", 2],
      ["c", 16, "f32", 3],
      ["d", 28, "f32", 1],
      ["e", 32, undefined, undefined],
      ["f", 40, undefined, undefined],
      ["g", 64, "i32", 1],
    ]);
    expect(binding.minimumBytes).toBe(80);
  });

  it("sees the elements of atomics and of vectors", () => {
    const atomic = reflected("@group(0) @binding(0) var<storage, read_write> s: array<atomic<u32>>;");
    expect(atomic.element).toEqual({ scalar: "u32", count: 1, isAtomic: true });
    expect(reflected("@group(0) @binding(0) var<storage> s: array<vec4<f16>>;").element).toMatchObject({
      scalar: "f16",
      count: 4,
    });
    expect(
      reflected("struct E { a: f32 } @group(0) @binding(0) var<storage> s: array<E>;").element,
    ).toBeUndefined();
  });

  it("takes what the library does not: nested comments, expressions in attributes, any function body", () => {
    const module = reflectShader(
      "hard.wgsl",
      `/* outer /* inner } */ fn ghost() { */
       enable f16, subgroups; // fn ghost() {
       diagnostic(off, derivative_uniformity);
       const tile = 8u;
       @group(1 - 1) @binding(2 * 2,) var<storage, read_write> s: array<f32, tile * 2>;
       @compute @workgroup_size(tile * 2, (tile) - 6,) @diagnostic(off, subgroup_uniformity)
       fn main() { const_assert tile == 8; switch tile { case 1, default: { s[0] = 0x1.8p3f; } } }`,
    );
    const main = module.entryPoints.get("main");
    expect(main?.workgroupSize).toEqual([16, 2, 1]);
    expect(main?.bindings[0]).toMatchObject({ group: 0, binding: 4, minimumBytes: 64 });
    expect(module.features).toEqual(["shader-f16", "subgroups"]);
  });

  it("does not take a parameter or a member for a module's variable of that name", () => {
    const module = reflectShader(
      "names.wgsl",
      `@group(0) @binding(0) var<storage, read_write> x: array<f32>;
       @group(0) @binding(1) var<storage, read_write> y: array<f32>;
       @group(0) @binding(2) var<storage, read_write> z: array<f32>;
       fn twice(y: f32) -> f32 { return 2 * y; }
       @compute @workgroup_size(1) fn main(@builtin(global_invocation_id) id: vec3u) { x[id.z] = twice(1); }`,
    );
    expect(module.entryPoints.get("main")?.bindings.map(({ variable }) => variable)).toEqual(["x"]);
  });

  it("knows overrides by name, and by id where they have one", () => {
    const module = reflectShader(
      "o.wgsl",
      "override tile: u32 = 4; @id(7) override scale: f32; @compute @workgroup_size(tile) fn main() {}",
    );
    expect([...module.overrides]).toEqual(["tile", "scale", "7"]);
    expect(module.entryPoints.get("main")?.workgroupSize).toEqual([4, 1, 1]);
  });

  it.each([
    [
      "\n\nstruct A { a u32 }",
      "Cannot read shader 'bad.wgsl' at line 3: Expected ':' for struct member type",
    ],
    ["\n/* /* */", "Cannot read shader 'bad.wgsl' at line 2: a comment does not end"],
    ["\n@compute @workgroup_size(1) fn main() {", "Cannot read shader 'bad.wgsl' at line 2: '{' without '}'"],
    ["fn main(", "at line 1: expected ')'"],
    ["", "it has no '@compute' entry point"],
    ["\u0000", "its declarations are no WGSL"],
    ["struct A { a: A }", "type 'A' holds more than 1000 types"],
    ["enable clip_distances; @compute @workgroup_size(1) fn main() {}", "it enables 'clip_distances'"],
    [
      "@group(0) @binding(0) var s: texture_2d<f32>; @compute @workgroup_size(1) fn main() { _ = s; }",
      "'s' is a texture or a sampler",
    ],
    [
      "@group(0) @binding(0) var s: sampler; @compute @workgroup_size(1) fn main() { _ = s; }",
      "'s' is a texture or a sampler",
    ],
    [
      "@group(0) @binding(0) var<storage, write> s: u32; @compute @workgroup_size(1) fn main() { s = 1; }",
      "access 'write'",
    ],
  ])("refuses %j as INVALID_SHADER", (source, message) => {
    const attempt = () => reflectShader("bad.wgsl", source);
    expect(attempt).toThrow(DawnletError);
    expect(attempt).toThrow(
      expect.objectContaining({ code: "INVALID_SHADER", message: expect.stringContaining(message) }),
    );
  });

  it("takes time in proportion to the text for calls and types that double at each level", () => {
    let calls = "@group(0) @binding(0) var<storage, read_write> s: u32; fn f_0() { s = 1; }\n";
    for (let i = 1; i <= 60; i++) calls += `fn f_${i}() { f_${i - 1}(); f_${i - 1}(); }\n`;
    const module = reflectShader("calls.wgsl", `${calls} @compute @workgroup_size(1) fn main() { f_60(); }`);
    expect(module.entryPoints.get("main")?.bindings).toHaveLength(1);

    let types = "struct T_0 { a: u32 }\n";
    for (let i = 1; i <= 60; i++) types += `struct T_${i} { a: T_${i - 1}, b: array<T_${i - 1}, 2> }\n`;
    expect(() => reflectShader("types.wgsl", types)).toThrow("holds more than 1000 types");

    let chain = "";
    for (let i = 20_000; i > 0; i--) chain += `alias C_${i} = C_${i - 1};\n`;
    expect(() => reflectShader("chain.wgsl", chain)).toThrow("declares more than 1000 types");
  });
});
