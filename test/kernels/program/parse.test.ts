import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DawnletError } from "../../../kernels/errors.ts";
import { parseProgram } from "../../../kernels/program/parse.ts";
import { anyProgram, copyProgram, digest, dispatch, read, write } from "./make-program.ts";

function refusalOf(data: unknown): string {
  try {
    parseProgram(data);
  } catch (error) {
    expect(error).toBeInstanceOf(DawnletError);
    expect((error as DawnletError).code).toBe("INVALID_PROGRAM");
    return (error as DawnletError).message;
  }
  throw new Error("The Program was accepted");
}

describe("parseProgram()", () => {
  it("gives back every valid Program that went through JSON", () => {
    fc.assert(
      fc.property(anyProgram, (program) => {
        expect(parseProgram(JSON.parse(JSON.stringify(program)))).toEqual(program);
      }),
    );
  });

  it.each([
    ["a missing format", { format: undefined }, "format"],
    ["another format", { format: "dawnlet.program/2" }, "format"],
    [
      "a tensor without a buffer",
      { inputs: [{ name: "x", dataType: "float32", shape: [4] }] },
      "inputs[0].buffer",
    ],
    [
      "an unknown data type",
      { inputs: [{ name: "x", dataType: "float8", shape: [4], buffer: 0 }] },
      "inputs[0].dataType",
    ],
    [
      "a size that is no multiple of 4",
      { buffers: [{ type: "input", sizeBytes: 15 }] },
      "buffers[0].sizeBytes",
    ],
    [
      "a digest that is none",
      { buffers: [{ type: "weight", sizeBytes: 16, digest: "abc" }] },
      "buffers[0].digest",
    ],
    [
      "an input in an output's buffer",
      { inputs: [{ name: "x", dataType: "float32", shape: [4], buffer: 1 }] },
      "inputs[0].buffer",
    ],
    [
      "a tensor larger than its buffer",
      { inputs: [{ name: "x", dataType: "float32", shape: [5], buffer: 0 }] },
      "inputs[0]",
    ],
    [
      "a pipeline of a shader that is not there",
      { pipelines: [{ shader: 1, entryPoint: "main" }] },
      "pipelines[0].shader",
    ],
    [
      "a dispatch of a pipeline that is not there",
      { steps: [{ ...dispatch([]), pipeline: 3 }] },
      "steps[0].pipeline",
    ],
    [
      "a binding of a buffer that is not there",
      { steps: [dispatch([read(0, 7, 16)])] },
      "steps[0].bindings[0]",
    ],
    ["a binding past the buffer's end", { steps: [dispatch([read(0, 0, 16, 4)])] }, "steps[0].bindings[0]"],
    [
      "two bindings at one place",
      { steps: [dispatch([read(0, 0, 16), write(0, 1, 16)])] },
      "steps[0].bindings[1]",
    ],
    ["a write to an input", { steps: [dispatch([write(0, 0, 16)])] }, "steps[0].bindings[0].buffer"],
    [
      "a buffer that is read and written in one dispatch",
      { steps: [dispatch([read(0, 1, 8), write(1, 1, 8, 8)])] },
      "steps[0].bindings[1]",
    ],
    [
      "a copy within one buffer",
      { steps: [{ type: "copy", from: 1, fromOffset: 0, to: 1, toOffset: 8, sizeBytes: 8 }] },
      "steps[0]",
    ],
    [
      "a clear of an input",
      { steps: [{ type: "clear", buffer: 0, offset: 0, sizeBytes: 16 }] },
      "steps[0].buffer",
    ],
    [
      "a repeat within a repeat",
      { steps: [{ type: "repeat", count: 2, steps: [{ type: "repeat", count: 2, steps: [] }] }] },
      "steps[0].steps[0].type",
    ],
    [
      "a fault within a repeat",
      { steps: [{ type: "repeat", count: 2, steps: [dispatch([read(0, 9, 16)])] }] },
      "steps[0].steps[0].bindings[0]",
    ],
    ["an unknown key", { extra: 1 }, "extra"],
  ])("refuses %s and names the path", (_, change, path) => {
    expect(refusalOf({ ...copyProgram(), ...change })).toContain(`${path}: `);
  });

  it("accepts weights and constants that are only read", () => {
    const program = copyProgram({
      buffers: [
        { type: "input", sizeBytes: 16 },
        { type: "output", sizeBytes: 16 },
        { type: "weight", sizeBytes: 16, digest },
        { type: "constant", sizeBytes: 4, data: "AAAAAA==" },
      ],
      steps: [
        dispatch([read(0, 0, 16), write(1, 1, 16), read(2, 2, 16), { ...read(3, 3, 4), access: "uniform" }]),
      ],
    });
    expect(parseProgram(program)).toEqual(program);
  });

  it("refuses whatever is no Program without any other error", () => {
    fc.assert(
      fc.property(fc.anything(), (data) => {
        refusalOf(data);
      }),
    );
  });
});
