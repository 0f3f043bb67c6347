import { describe, expect, test } from "vitest";
import { bundleBatch } from "../../../kernels/manifest/batch-settings.ts";
import { parseManifest } from "../../../kernels/manifest/manifest.ts";

const manifest = (overrides: Readonly<Record<string, unknown>> = {}) =>
  parseManifest({
    kind: "wgsl",
    batch: { dimension: "n" },
    inputs: {
      x: { type: "float32", shape: ["n", "k"] },
      w: { type: "float32", shape: ["k", "2 * k"] },
    },
    outputs: { y: { type: "float32", shape: ["n", "2 * k"] } },
    kernels: { main: { file: "main.wgsl" } },
    steps: [{ clear: "y" }],
    ...overrides,
  });

const refusal = (overrides: Readonly<Record<string, unknown>>): string => {
  try {
    bundleBatch(manifest(overrides));
  } catch (error) {
    return (error as Error).message;
  }
  return "taken";
};

describe("batch of a bundle", () => {
  test("names the dimension and how many rows a run may have", () => {
    expect(bundleBatch(manifest())).toEqual({ dimension: "n", maxRows: 16 });
    expect(bundleBatch(manifest({ batch: { dimension: "n", max: 4096 } }))).toEqual({
      dimension: "n",
      maxRows: 4096,
    });
  });

  test("is none where it is left out or false", () => {
    expect(bundleBatch(manifest({ batch: false }))).toBeUndefined();
    const { batch: _, ...without } = manifest();
    expect(bundleBatch(without)).toBeUndefined();
  });

  test.each([
    [
      { batch: { dimension: "m" } },
      "batch.dimension of function.json: no input has 'm' as its first dimension",
    ],
    [{ batch: { dimension: "k" } }, "inputs.x.shape[1] of function.json: it depends on 'k'"],
    [{ parameters: { n: { type: "uint32" } } }, "batch.dimension of function.json: 'n' is a parameter"],
    [
      { outputs: { y: { type: "float32", shape: ["n"] }, sum: { type: "float32", shape: [1] } } },
      "batch.dimension of function.json: output 'sum' does not have 'n' as its first dimension",
    ],
    [
      { outputs: { y: { type: "float32", shape: ["2 * n"] } } },
      "outputs.y.shape[0] of function.json: it depends on 'n'",
    ],
    [
      { outputs: { y: { type: "float32", shape: ["n", "k * n"] } } },
      "outputs.y.shape[1] of function.json: it depends on 'n'",
    ],
  ])("is refused: %j", (overrides, reason) => {
    expect(refusal(overrides)).toContain(`Cannot use ${reason}`);
  });

  test.each([
    [{}, "batch.dimension is missing"],
    [{ dimension: "n", max: 1 }, "batch.max is wrong: expected at least 2 rows"],
    [{ dimension: "n", max: 0.5 }, "batch.max is wrong: expected a whole number"],
    [{ dimension: "n + 1" }, "batch.dimension is wrong: expected the name of a dimension"],
    [{ dimension: "n", most: 4 }, "batch.most is not a key that is known there"],
    [true, "batch is true: expected false"],
  ])("is no batch: %j", (batch, reason) => {
    expect(() => manifest({ batch })).toThrow(reason);
  });
});
