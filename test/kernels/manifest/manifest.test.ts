import { describe, expect, it } from "vitest";
import { parseManifest, readManifest } from "../../../kernels/manifest/manifest.ts";

type Json = Record<string, unknown>;

function valid(): Json {
  return {
    kind: "wgsl",
    description: "Adds.",
    inputs: { x: { type: "float32", shape: ["n", 3] } },
    outputs: { y: { type: "float32", shape: ["n"] } },
    parameters: { a: { type: "float32", default: 2, minimum: 0, maximum: 10 } },
    temporaries: { t: { type: "uint8", shape: ["ceil(n / 256)"] } },
    constants: { w: { type: "float32", shape: [2], values: [1, 2] } },
    kernels: { main: { file: "k.wgsl", entryPoint: "main", constants: { TILE: 16, "7": "2 * n" } } },
    steps: [
      { kernel: "main", bind: { x: "x", u: { n: "n", v: [1, "a"] } }, workgroups: ["ceil(n / 64)", 2] },
      { repeat: "a", steps: [{ copy: { from: "t", to: "y" } }, { clear: "t" }] },
    ],
  };
}

describe("parseManifest()", () => {
  it("reads every part of a manifest", () => {
    const manifest = parseManifest(valid());
    expect(manifest.description).toBe("Adds.");
    expect(manifest.inputs.get("x")?.shape.map(({ source }) => source)).toEqual(["n", "3"]);
    expect(manifest.parameters.get("a")).toEqual({
      name: "a",
      dataType: "float32",
      default: 2,
      minimum: 0,
      maximum: 10,
    });
    expect([...manifest.kernels.get("main")!.constants.keys()].sort()).toEqual(["7", "TILE"]);
    expect(manifest.steps.map(({ type }) => type)).toEqual(["dispatch", "repeat"]);
    const [dispatch, repeat] = manifest.steps;
    if (dispatch?.type !== "dispatch" || repeat?.type !== "repeat") throw new Error("other steps");
    const block = dispatch.bind.get("u");
    expect(typeof block === "object" && block.get("v")?.map(({ source }) => source)).toEqual(["1", "a"]);
    expect(repeat.steps.map(({ type }) => type)).toEqual(["copy", "clear"]);
  });

  it("takes a time limit of up to ten minutes", () => {
    expect(parseManifest(valid()).timeLimitMs).toBeUndefined();
    expect(parseManifest({ ...valid(), timeLimitMs: 600_000 }).timeLimitMs).toBe(600_000);
    for (const [timeLimitMs, message] of [
      [600_001, "timeLimitMs is wrong: expected at most 600000 milliseconds"],
      [0, "timeLimitMs is wrong: expected 1 or more milliseconds"],
      ["1 s", 'timeLimitMs is "1 s": expected number'],
    ])
      expect(() => parseManifest({ ...valid(), timeLimitMs })).toThrow(message as string);
  });

  it("needs neither inputs nor parameters nor temporaries nor constants", () => {
    const { kind, outputs, kernels, steps } = valid();
    expect(parseManifest({ kind, outputs, kernels, steps }).inputs.size).toBe(0);
  });

  it.each<[string, (json: Json) => void, string]>([
    ["another kind", (json) => Object.assign(json, { kind: "onnx" }), 'kind is "onnx": expected "wgsl"'],
    ["no outputs", (json) => delete json.outputs, "outputs is missing"],
    [
      "no steps",
      (json) => Object.assign(json, { steps: [] }),
      "steps is wrong: a function has at least one step",
    ],
    [
      "a misspelt key",
      (json) => Object.assign(json, { output: {} }),
      "output is not a key that is known there",
    ],
    [
      "a data type that shaders cannot see",
      (json) => Object.assign(json, { inputs: { x: { type: "float64", shape: [] } } }),
      'inputs.x.type is "float64"',
    ],
    [
      "a wrong expression",
      (json) => Object.assign(json, { inputs: { x: { type: "float32", shape: ["n", "n +"] } } }),
      "inputs.x.shape[1] is wrong: Cannot parse expression 'n +' at position 4",
    ],
    [
      "a dimension that is no number",
      (json) => Object.assign(json, { inputs: { x: { type: "float32", shape: [null] } } }),
      "inputs.x.shape[0] is null: expected (number | string)",
    ],
    [
      "four workgroup counts",
      (json) => Object.assign(json, { steps: [{ kernel: "main", bind: {}, workgroups: [1, 1, 1, 1] }] }),
      "steps[0].workgroups is wrong: expected one to three workgroup counts",
    ],
    [
      "a repeat in a repeat",
      (json) => Object.assign(json, { steps: [{ repeat: 2, steps: [{ repeat: 2, steps: [] }] }] }),
      "steps[0].steps[0].",
    ],
    [
      "a wrong step in a repeat",
      (json) => Object.assign(json, { steps: [{ repeat: 2, steps: [{ clear: 3 }] }] }),
      "steps[0].steps[0].clear is 3: expected string",
    ],
    [
      "a literal that is no expression",
      (json) =>
        Object.assign(json, { steps: [{ kernel: "main", bind: { u: { a: true } }, workgroups: [1] }] }),
      "steps[0].bind.u.a is true: expected (number | string)",
    ],
    [
      "values and a file",
      (json) =>
        Object.assign(json, { constants: { w: { type: "int8", shape: [1], values: [1], file: "w" } } }),
      "constants.w is wrong: give either 'values' or 'file'",
    ],
    [
      "a minimum above the maximum",
      (json) => Object.assign(json, { parameters: { a: { type: "int32", minimum: 2, maximum: 1 } } }),
      "parameters.a is wrong: 'minimum' is above 'maximum'",
    ],
    [
      "a name with a dash",
      (json) => Object.assign(json, { outputs: { "a-b": { type: "int8", shape: [] } } }),
      'outputs["a-b"] is wrong: a name has letters',
    ],
    [
      "a name that objects have themselves",
      (json) =>
        Object.assign(json, { outputs: JSON.parse('{ "__proto__": { "type": "int8", "shape": [] } }') }),
      "outputs is wrong: the names __proto__",
    ],
  ])("refuses %s and names the path", (_, change, message) => {
    const json = valid();
    change(json);
    expect(() => parseManifest(json)).toThrow(`Cannot read function.json as ${message}`);
  });

  it.each([null, 3, "text"])("refuses %j in place of a manifest", (json) => {
    expect(() => parseManifest(json)).toThrow("Cannot read function.json as it is");
  });
});

describe("readManifest()", () => {
  it("reads JSON and refuses what is none", () => {
    const bytes = (text: string) => new TextEncoder().encode(text);
    expect(readManifest(bytes(JSON.stringify(valid()))).outputs.size).toBe(1);
    expect(() => readManifest(bytes("{"))).toThrow("Cannot read function.json as it is no JSON");
    expect(() => readManifest(Uint8Array.of(0xff))).toThrow("Cannot read function.json as it is no JSON");
  });
});
