import { describe, expect, it } from "vitest";
import { loadWgslBundle, type WgslBundle } from "../../../kernels/manifest/bundle.ts";
import { checkProgram } from "../../../kernels/program/parse.ts";

const shader = `
struct Uniforms { n: u32, a: f32, offset: vec2<i32>, _pad: vec2<u32> }
@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
override TILE: u32 = 4;
@compute @workgroup_size(TILE) fn main(@builtin(global_invocation_id) id: vec3u) {
  y[id.x] = uniforms.a * x[id.x] + w[0] + f32(uniforms.n + u32(uniforms.offset.x));
}
@compute @workgroup_size(1) fn other() { y[0] = x[0]; }
`;

interface Json {
  inputs: Record<string, { type: string; shape: (number | string)[] }>;
  outputs: Json["inputs"];
  temporaries: Json["inputs"];
  constants: Record<string, unknown>;
  parameters: Record<string, unknown>;
  kernels: Record<string, { file: string; entryPoint?: string; constants?: object }>;
  steps: object[];
}

function manifest() {
  const bind = { uniforms: { n: "n", a: "a", offset: [-1, "2 * k"] }, x: "x", w: "w", y: "y" };
  const json = {
    kind: "wgsl",
    inputs: {
      x: { type: "float32", shape: ["n", "k"] },
      z: { type: "uint8", shape: ["n + 1"] },
    },
    outputs: { y: { type: "float32", shape: ["2 * n"] } },
    temporaries: { t: { type: "uint8", shape: ["n", 3] } },
    constants: { w: { type: "float32", shape: [3], values: [1, 0.5, -2] } },
    parameters: {
      a: { type: "float32", default: 2, maximum: 10 },
      times: { type: "uint32", default: 3 },
    },
    kernels: { main: { file: "k.wgsl", entryPoint: "main", constants: { TILE: "2 * k" } } },
    steps: [
      { clear: "t" },
      { repeat: "times", steps: [{ kernel: "main", bind, workgroups: ["ceil(n / 64)", "times"] }] },
    ],
  };
  return { json: json as Json, bind: bind as Record<string, unknown> };
}

function load(
  json: object,
  files: Record<string, string | Uint8Array> = { "k.wgsl": shader },
): Promise<WgslBundle> {
  const all = { "function.json": JSON.stringify(json), ...files };
  const bytes = Object.entries(all).map(([path, content]): [string, Uint8Array] => [
    path,
    typeof content === "string" ? new TextEncoder().encode(content) : content,
  ]);
  return loadWgslBundle(new Map(bytes));
}

const shapes = { x: [6, 2], z: [7] };

describe("loadWgslBundle()", () => {
  it("gives the signature", async () => {
    const { signature } = await load(manifest().json);
    expect(signature).toEqual({
      inputs: [
        { name: "x", dataType: "float32", shape: ["n", "k"] },
        { name: "z", dataType: "uint8", shape: ["n + 1"] },
      ],
      outputs: [{ name: "y", dataType: "float32", shape: ["2 * n"] }],
      parameters: [
        { name: "a", dataType: "float32", default: 2, maximum: 10 },
        { name: "times", dataType: "uint32", default: 3 },
      ],
    });
  });

  it("keeps constants by the digest of their padded bytes, from values or from a file", async () => {
    const { json } = manifest();
    const { weights } = await load(json);
    const [[digest, bytes] = []] = [...weights];
    expect(new Float32Array(bytes!.buffer)).toEqual(Float32Array.of(1, 0.5, -2));
    expect(digest).toBe(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes!.slice())).toHex());

    json.constants = { w: { type: "float32", shape: [3], file: "w.bin" } };
    const fromFile = await load(json, { "k.wgsl": shader, "w.bin": bytes! });
    expect([...fromFile.weights.keys()]).toEqual([digest]);

    json.constants = { w: { type: "uint8", shape: [3], values: [1, 2, 255] } };
    const padded = await load(json, {
      "k.wgsl": shader.replace("w: array<f32>", "w: array<u32>").replace("+ w[0]", ""),
    }).catch((error: Error) => error);
    // The shader no longer uses w, and binding what is not used is a mistake too.
    expect(padded).toMatchObject({ code: "INVALID_SHADER" });
    const used = shader.replace("w: array<f32>", "w: array<u32>").replace("w[0]", "f32(w[0])");
    const [bytesOfWord] = (await load(json, { "k.wgsl": used })).weights.values();
    expect([...bytesOfWord!]).toEqual([1, 2, 255, 0]);
  });

  it.each<[string, (m: ReturnType<typeof manifest>) => unknown, string, string]>([
    [
      "a missing shader",
      ({ json }) => (json.kernels.main!.file = "no.wgsl"),
      "INVALID_BUNDLE",
      "kernels.main.file of function.json: the bundle has no file 'no.wgsl'",
    ],
    [
      "an unknown entry point",
      ({ json }) => (json.kernels.main!.entryPoint = "mian"),
      "INVALID_BUNDLE",
      "no compute entry point 'mian', only main, other",
    ],
    [
      "two entry points and no choice",
      ({ json }) => delete json.kernels.main!.entryPoint,
      "INVALID_BUNDLE",
      "choose one with 'entryPoint'",
    ],
    [
      "an unknown override",
      ({ json }) => (json.kernels.main!.constants = { TIEL: 1 }),
      "INVALID_BUNDLE",
      "has no 'override TIEL'",
    ],
    [
      "a variable that nothing is bound to",
      ({ bind }) => delete bind.w,
      "INVALID_SHADER",
      "steps[1].steps[0].bind.w of function.json: kernel 'main' (k.wgsl) uses the variable 'w'",
    ],
    [
      "a name that is no variable",
      ({ bind }) => (bind.v = "x"),
      "INVALID_SHADER",
      "uses no such variable, only uniforms, x, w, y",
    ],
    ["a name that is no tensor", ({ bind }) => (bind.x = "xx"), "INVALID_BUNDLE", "there is no tensor 'xx'"],
    [
      "writing to an input",
      ({ bind }) => (bind.y = "x"),
      "INVALID_SHADER",
      "variable 'y' is read_write and 'x' only for reading (input)",
    ],
    [
      "writing to a constant",
      ({ bind }) => (bind.y = "w"),
      "INVALID_SHADER",
      "'w' only for reading (constant)",
    ],
    [
      "reading and writing one tensor",
      ({ bind }) => (bind.x = "y"),
      "INVALID_SHADER",
      "'y' is bound to 'x' and 'y', and one of them writes",
    ],
    [
      "another element type",
      ({ bind }) => (bind.x = "z"),
      "INVALID_SHADER",
      "variable 'x' is made of f32 and 'z' is uint8: expected u32",
    ],
    [
      "a constant as a uniform",
      ({ bind }) => (bind.uniforms = "w"),
      "INVALID_SHADER",
      "is a uniform, which takes literals or an input",
    ],
    [
      "literals for an array",
      ({ bind }) => (bind.x = { a: 1 }),
      "INVALID_SHADER",
      "variable 'x' is an array",
    ],
    [
      "literals for what is written",
      ({ bind }) => (bind.y = { a: 1 }),
      "INVALID_SHADER",
      "literals can only be read",
    ],
    [
      "a member too many",
      ({ bind }) => (bind.uniforms = { n: 1, b: 1 }),
      "INVALID_SHADER",
      "'uniforms' has no member 'b': it has n, a, offset, _pad",
    ],
    [
      "a member too few",
      ({ bind }) => (bind.uniforms = { n: 1, a: 1 }),
      "INVALID_SHADER",
      "member 'offset' of 'uniforms' has no value",
    ],
    [
      "a vector of another length",
      ({ bind }) => (bind.uniforms = { n: 1, a: 1, offset: [1] }),
      "INVALID_SHADER",
      "member 'offset' has 2 components and 1 values",
    ],
    [
      "an unknown name in a literal",
      ({ bind }) => (bind.uniforms = { n: "q", a: 1, offset: [1, 1] }),
      "INVALID_BUNDLE",
      "bind.uniforms.n of function.json: 'q' is no parameter",
    ],
    [
      "an unknown name in a shape",
      ({ json }) => (json.outputs.y!.shape = ["m"]),
      "INVALID_BUNDLE",
      "outputs.y.shape[0] of function.json: 'm' is no parameter",
    ],
    [
      "a dimension that no input has alone",
      ({ json }) => (json.inputs.z!.shape = ["m + 1"]),
      "INVALID_BUNDLE",
      "'m' is no parameter, and no input has it alone",
    ],
    [
      "two tensors of one name",
      ({ json }) => (json.outputs.x = json.outputs.y!),
      "INVALID_BUNDLE",
      "outputs.x of function.json: another tensor has the same name",
    ],
    [
      "a parameter called like an input",
      ({ json }) => (json.parameters.x = { type: "int32" }),
      "INVALID_BUNDLE",
      "parameters.x of function.json: an input has the same name",
    ],
    [
      "a default above the maximum",
      ({ json }) => (json.parameters.a = { type: "int32", default: 3, maximum: 2 }),
      "INVALID_BUNDLE",
      "parameters.a.default of function.json: it is 3: expected at most 2",
    ],
    [
      "a fractional default of an integer",
      ({ json }) => (json.parameters.a = { type: "int32", default: 0.5 }),
      "INVALID_BUNDLE",
      "expected an integer of type int32",
    ],
    [
      "an output that no step writes",
      ({ json }) => (json.outputs.q = json.outputs.y!),
      "INVALID_BUNDLE",
      "outputs.q of function.json: no step writes it",
    ],
    ["no outputs", ({ json }) => (json.outputs = {}), "INVALID_BUNDLE", "a function has at least one output"],
    [
      "an unknown kernel",
      ({ json }) => json.steps.push({ kernel: "mian", bind: {}, workgroups: [1] }),
      "INVALID_BUNDLE",
      "steps[2].kernel of function.json: there is no kernel 'mian'",
    ],
    [
      "clearing an input",
      ({ json }) => json.steps.push({ clear: "x" }),
      "INVALID_BUNDLE",
      "only outputs and temporaries are written",
    ],
    [
      "copying to itself",
      ({ json }) => json.steps.push({ copy: { from: "y", to: "y" } }),
      "INVALID_BUNDLE",
      "it copies a tensor to itself",
    ],
    [
      "a constant of open shape",
      ({ json }) => (json.constants.w = { type: "float32", shape: ["n"], values: [1] }),
      "INVALID_BUNDLE",
      "constants have a fixed shape",
    ],
    [
      "too few values",
      ({ json }) => (json.constants.w = { type: "float32", shape: [3], values: [1] }),
      "INVALID_BUNDLE",
      "float32 [3] has 12 bytes, and 'values' gives 4",
    ],
    [
      "a value that does not fit",
      ({ json }) => (json.constants.w = { type: "uint32", shape: [1], values: [-1] }),
      "INVALID_SHADER",
      "made of f32 and 'w' is uint32",
    ],
    [
      "a missing file",
      ({ json }) => (json.constants.w = { type: "float32", shape: [3], file: "w.bin" }),
      "INVALID_BUNDLE",
      "the bundle has no file 'w.bin'",
    ],
  ])("refuses %s", async (_, change, code, message) => {
    const changed = manifest();
    change(changed);
    await expect(load(changed.json)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
  });

  it("refuses values that the type of a constant does not have", async () => {
    const { json } = manifest();
    const words = shader.replace("w: array<f32>", "w: array<u32>").replace("w[0]", "f32(w[0])");
    json.constants.w = { type: "uint8", shape: [2], values: [255, 256] };
    await expect(load(json, { "k.wgsl": words })).rejects.toThrow(
      "constants.w.values[1] = 256: it is of type uint8",
    );
    json.constants.w = { type: "uint8", shape: [2], values: [255, 0] };
    await expect(load(json, { "k.wgsl": words })).resolves.toBeDefined();
  });
});

describe("what steps read", () => {
  const step = (x: string, y: string) => ({ kernel: "copy", bind: { x, y }, workgroups: [1] });
  const copyShader = `
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(1) fn copy(@builtin(global_invocation_id) id: vec3u) { y[id.x] += x[id.x]; }
`;
  const loadSteps = (steps: readonly object[]) => {
    const tensor = { type: "uint32", shape: ["n"] };
    const json = {
      kind: "wgsl",
      inputs: { a: tensor },
      outputs: { b: tensor, c: tensor },
      temporaries: { t: tensor, u: tensor },
      constants: { k: { type: "uint32", shape: [1], values: [1] } },
      parameters: { times: { type: "uint32", default: 1 } },
      kernels: { copy: { file: "k.wgsl" } },
      steps: [...steps, step("a", "b"), step("a", "c")],
    };
    return load(json, { "k.wgsl": copyShader });
  };
  const repeat = (...steps: readonly object[]) => ({ repeat: "times", steps });

  it.each<[string, object[], string]>([
    [
      "a temporary in a dispatch",
      [step("a", "u"), step("t", "b")],
      `steps[1].bind.x of function.json: kernel 'copy' reads temporary 't' before any step can have written it: add a step {"clear": "t"} before steps[1], or write it first`,
    ],
    [
      "an output",
      [step("c", "b")],
      `steps[0].bind.x of function.json: kernel 'copy' reads output 'c' before any step can have written it: add a step {"clear": "c"} before steps[0]`,
    ],
    [
      "a temporary that is copied",
      [{ copy: { from: "t", to: "u" } }],
      "steps[0].copy.from of function.json: the copy reads temporary 't' before any step",
    ],
    [
      "what only a later step of the repeat writes",
      [step("a", "u"), repeat(step("u", "b"), step("t", "u"), step("u", "t"))],
      `steps[1].steps[1].bind.x of function.json: kernel 'copy' reads temporary 't' in the first round before any step can have written it: add a step {"clear": "t"} before steps[1], or`,
    ],
    [
      "what only a later clear settles",
      [step("t", "u"), { clear: "t" }],
      "steps[0].bind.x of function.json: kernel 'copy' reads temporary 't' before",
    ],
  ])("must not be empty: %s", async (_, steps, message) => {
    await expect(loadSteps(steps)).rejects.toMatchObject({
      code: "INVALID_BUNDLE",
      message: expect.stringContaining(message),
    });
  });

  it.each<[string, object[]]>([
    ["an input or a constant", [step("a", "b"), step("k", "b"), { copy: { from: "a", to: "t" } }]],
    ["what a dispatch wrote, or may have, before", [step("a", "t"), step("t", "c"), step("c", "b")]],
    ["what was copied before", [{ copy: { from: "a", to: "t" } }, step("t", "b")]],
    ["what was cleared before", [{ clear: "t" }, step("t", "b"), { clear: "c" }, step("c", "t")]],
    ["what was cleared before the repeat", [{ clear: "t" }, repeat(step("t", "u"), step("u", "t"))]],
    ["what an earlier step of the round wrote", [repeat(step("a", "t"), step("t", "b"))]],
    ["what a repeat before wrote", [repeat(step("a", "t")), step("t", "b")]],
    ["its own output, which is bound for writing", [step("a", "t"), step("a", "t")]],
  ])("may be %s", async (_, steps) => {
    const bundle = await loadSteps(steps);
    checkProgram(bundle.specialise({ a: [4] }, {}).program);
  });
});

describe("WgslBundle.build()", () => {
  it("makes a Program that states everything", async () => {
    const bundle = await load(manifest().json);
    const { program } = bundle.specialise(shapes, {});
    checkProgram(program);
    expect(program.inputs).toEqual([
      { name: "x", dataType: "float32", shape: [6, 2], buffer: 0 },
      { name: "z", dataType: "uint8", shape: [7], buffer: 1 },
      { name: "$uniforms0", dataType: "uint8", shape: [24], buffer: 2 },
    ]);
    expect(program.outputs).toEqual([{ name: "y", dataType: "float32", shape: [12], buffer: 3 }]);
    expect(program.buffers).toEqual([
      { type: "input", sizeBytes: 48 },
      { type: "input", sizeBytes: 8 },
      { type: "input", sizeBytes: 24 },
      { type: "output", sizeBytes: 48 },
      { type: "temporary", sizeBytes: 20 },
      { type: "weight", sizeBytes: 12, digest: [...bundle.weights.keys()][0] },
    ]);
    expect(program.pipelines).toEqual([{ shader: 0, entryPoint: "main", constants: { TILE: 4 } }]);
    expect(program.steps).toEqual([
      { type: "clear", buffer: 4, offset: 0, sizeBytes: 20 },
      {
        type: "repeat",
        count: 3,
        steps: [
          {
            type: "dispatch",
            pipeline: 0,
            workgroups: [1, 3, 1],
            bindings: [
              { group: 0, binding: 0, buffer: 2, offset: 0, sizeBytes: 24, access: "uniform" },
              { group: 0, binding: 1, buffer: 0, offset: 0, sizeBytes: 48, access: "read" },
              { group: 0, binding: 2, buffer: 5, offset: 0, sizeBytes: 12, access: "read" },
              { group: 0, binding: 3, buffer: 3, offset: 0, sizeBytes: 48, access: "read_write" },
            ],
          },
        ],
      },
    ]);
  });

  it("leaves out steps of no workgroups and repeats of no rounds", async () => {
    const { json, bind } = manifest();
    json.steps.push({ kernel: "main", bind, workgroups: ["n - 6"] });
    const bundle = await load(json);
    const typesOf = (n: number) =>
      bundle.specialise({ x: [n, 2], z: [n + 1] }, { times: 0 }).program.steps.map(({ type }) => type);
    expect(typesOf(6)).toEqual(["clear"]);
    expect(typesOf(7)).toEqual(["clear", "dispatch"]);
  });

  it("shares one block of equal literals, and not those of others", async () => {
    const { json, bind } = manifest();
    json.steps.push({ kernel: "main", bind, workgroups: [1] });
    expect((await load(json)).resolve(shapes, {}).uniforms).toHaveLength(1);
    json.steps.push({
      kernel: "main",
      bind: { ...bind, uniforms: { n: 1, a: "a", offset: [0, 0] } },
      workgroups: [1],
    });
    expect((await load(json)).resolve(shapes, {}).uniforms).toHaveLength(2);
  });

  it.each<[string, (m: ReturnType<typeof manifest>) => unknown, string, string]>([
    [
      "65536 workgroups",
      ({ json, bind }) => json.steps.push({ kernel: "main", bind, workgroups: ["65530 + n"] }),
      "LIMIT_EXCEEDED",
      "steps[2].workgroups[0] ('65530 + n') as it is 65536: at most 65535",
    ],
    [
      "negative workgroups",
      ({ json, bind }) => json.steps.push({ kernel: "main", bind, workgroups: ["1 - n"] }),
      "INVALID_ARGUMENT",
      "as it is -5: expected an integer from 0",
    ],
    [
      "half a workgroup",
      ({ json, bind }) => json.steps.push({ kernel: "main", bind, workgroups: ["n / 4"] }),
      "INVALID_ARGUMENT",
      "as it is 1.5",
    ],
    [
      "an empty output",
      ({ json }) => (json.outputs.y!.shape = ["n - 6"]),
      "INVALID_ARGUMENT",
      "output 'y' as its dimension 'n - 6' is 0",
    ],
    [
      "half a dimension",
      ({ json }) => (json.temporaries.t!.shape = ["n / 4"]),
      "INVALID_ARGUMENT",
      "temporary 't' as its dimension 'n / 4' is 1.5",
    ],
    [
      "a copy between sizes",
      ({ json }) => json.steps.push({ copy: { from: "z", to: "y" } }),
      "INVALID_BUNDLE",
      "Cannot copy 'z' (8 bytes) to 'y' (48 bytes) at steps[2]",
    ],
    [
      "endless repeats",
      ({ json }) => json.steps.push({ repeat: "1e7", steps: [{ clear: "t" }] }),
      "LIMIT_EXCEEDED",
      "steps[2].repeat",
    ],
  ])("refuses %s", async (_, change, code, message) => {
    const changed = manifest();
    change(changed);
    const bundle = await load(changed.json);
    const resolved = bundle.resolve(shapes, {});
    expect(() => bundle.build(resolved)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });

  it("refuses a tensor smaller than what the shader declares", async () => {
    const { json } = manifest();
    const fixed = shader.replace("x: array<f32>", "x: array<f32, 13>");
    const bundle = await load(json, { "k.wgsl": fixed });
    expect(() => bundle.specialise(shapes, {})).toThrow(
      "'x' of 48 bytes at steps[1].steps[0]: variable 'x' of kernel 'main' takes at least 52",
    );
    expect(() => bundle.specialise({ x: [7, 2], z: [8] }, {})).not.toThrow();
  });
});

describe("WgslBundle.resolve()", () => {
  it("packs literals by the layout of the shader", async () => {
    const { uniforms } = (await load(manifest().json)).resolve(shapes, { a: 0.1 });
    const view = new DataView(uniforms[0]!.buffer);
    expect(view.getUint32(0, true)).toBe(6);
    expect(view.getFloat32(4, true)).toBe(Math.fround(0.1));
    expect([view.getInt32(8, true), view.getInt32(12, true)]).toEqual([-1, 4]);
    expect([view.getUint32(16, true), view.getUint32(20, true)]).toEqual([0, 0]);
  });

  it("gives one key to calls that differ in literals only, and others to others", async () => {
    const bundle = await load(manifest().json);
    const key = bundle.resolve(shapes, { a: 1 }).key;
    const first = bundle.specialise(shapes, { a: 1 });
    const second = bundle.specialise(shapes, { a: 7 });
    expect(second.key).toBe(key);
    expect(second.program).toEqual(first.program);
    expect(second.uniforms).not.toEqual(first.uniforms);
    expect(bundle.resolve(shapes, { times: 4 }).key).not.toBe(key);
    expect(bundle.resolve({ x: [5, 2], z: [6] }, {}).key).not.toBe(key);
    expect(bundle.resolve({ x: [6, 3], z: [7] }, {}).key).not.toBe(key);
  });

  it.each<[string, Record<string, number[]>, Record<string, number>, string]>([
    ["a missing input", { x: [6, 2] }, {}, "Cannot call without input 'z'"],
    ["an unknown input", { ...shapes, q: [1] }, {}, "Cannot use input 'q': the function takes 'x', 'z'"],
    ["another rank", { x: [6], z: [7] }, {}, "input 'x' of shape [6]: expected [n, k]"],
    [
      "an empty dimension",
      { x: [0, 2], z: [1] },
      {},
      "input 'x' of shape [0,2]: each dimension is at least 1",
    ],
    ["half a dimension", { x: [1.5, 2], z: [1] }, {}, "each dimension is at least 1"],
    [
      "a size other than the expression's",
      { x: [6, 2], z: [8] },
      {},
      "input 'z' of shape [8]: expected [n + 1], here [7]",
    ],
    ["an unknown parameter", shapes, { b: 1 }, "Cannot use parameter 'b': the function takes 'a', 'times'"],
    ["a parameter out of range", shapes, { a: 12 }, "Cannot use parameter 'a' = 12: expected at most 10"],
    [
      "a parameter that is no integer",
      shapes,
      { times: 1.5 },
      "'times' = 1.5: expected an integer of type uint32",
    ],
    ["a negative uint32", shapes, { times: -1 }, "'times' = -1: expected an integer of type uint32"],
    ["a float beyond float32", shapes, { a: -1e39 }, "expected a finite float32"],
    ["NaN", shapes, { a: Number.NaN }, "expected a finite float32"],
  ])("refuses %s", async (_, inputs, parameters, message) => {
    const bundle = await load(manifest().json);
    expect(() => bundle.resolve(inputs, parameters)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining(message) }),
    );
  });

  it("names both inputs where they disagree about a dimension", async () => {
    const { json } = manifest();
    json.inputs.z!.shape = ["k", "n"];
    const bundle = await load(json);
    expect(() => bundle.resolve({ x: [6, 2], z: [2, 5] }, {})).toThrow(
      "Cannot use input 'z' of shape [2,5] as its dimension n is 5: input 'x' has n = 6",
    );
    expect(() => bundle.resolve({ x: [6, 2], z: [2, 6] }, {})).not.toThrow();
  });

  it("asks for a parameter without a default", async () => {
    const { json } = manifest();
    json.parameters.a = { type: "float32" };
    const bundle = await load(json);
    expect(() => bundle.resolve(shapes, {})).toThrow("Cannot call without parameter 'a': it has no default");
    expect(() => bundle.resolve(shapes, { a: 1 })).not.toThrow();
  });

  it("refuses a literal that does not fit its member", async () => {
    const { json, bind } = manifest();
    bind.uniforms = { n: "n - 7", a: 1, offset: [0, 0] };
    const bundle = await load(json);
    expect(() => bundle.resolve(shapes, {})).toThrow("Cannot set 'n' to -1 ('n - 7'): it is of type u32");
    expect(() => bundle.resolve({ x: [7, 2], z: [8] }, {})).not.toThrow();
  });
});
