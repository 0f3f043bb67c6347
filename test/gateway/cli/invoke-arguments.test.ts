import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encode } from "fast-png";
import { afterAll, describe, expect, it } from "vitest";
import { parseCallArguments } from "../../../gateway/cli/invoke-arguments.ts";
import type { FunctionSignature } from "../../../gateway/functions/functions.ts";
import { writeNpy } from "../../../kernels/npy.ts";
import { temporaryFolder } from "./run-cli.ts";

const folder = await temporaryFolder();
afterAll(() => folder[Symbol.asyncDispose]());

async function file(name: string, content: Uint8Array | string): Promise<string> {
  const path = join(folder.path, name);
  await writeFile(path, content);
  return `@${path}`;
}

const bytes = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const signature: FunctionSignature = {
  inputs: [{ name: "x", dataType: "float32", shape: ["rows", 2] }],
  outputs: [{ name: "y", dataType: "float32", shape: ["rows"] }],
  parameters: [{ name: "a", dataType: "float32", default: 1, maximum: 10 }],
};
const parse = (words: string[], shapes?: string[]) => parseCallArguments("f", signature, words, shapes);

describe("parseCallArguments()", () => {
  it("takes JSON on the command line, nested or flat", async () => {
    const expected = { inputs: { x: { dataType: "float32", shape: [2, 2], data: bytes(1, 2, 3, 4) } } };
    expect(await parse(["x=[[1,2],[3,4]]"])).toMatchObject(expected);
    expect(await parse(["x=[1,2,3,4]", "a=2.5"])).toMatchObject({ ...expected, parameters: { a: 2.5 } });
  });

  it("takes .npy, .json and raw files", async () => {
    const x = { dataType: "float32", shape: [1, 2], data: bytes(5, 6) } as const;
    for (const word of [
      await file("x.npy", writeNpy(x)),
      await file("x.json", "[[5, 6]]"),
      await file("x.bin", x.data),
    ]) {
      const { inputs } = await parse([`x=${word}`]);
      expect({ ...inputs.x, data: new Uint8Array(inputs.x!.data) }).toEqual(x);
    }
    const raw = await parse([`x=${await file("y.bin", bytes(1, 2, 3, 4))}`], ["x=2,2"]);
    expect(raw.inputs.x!.shape).toEqual([2, 2]);
  });

  it("takes an image for a tensor of pixels and text for one of strings", async () => {
    const image = { name: "image", dataType: "uint8", shape: ["h", "w", 4] } as const;
    const text = { name: "text", dataType: "string", shape: [1] } as const;
    const png = encode({ width: 2, height: 1, channels: 4, data: new Uint8Array(8).fill(9) });
    const { inputs } = await parseCallArguments("f", { inputs: [image, text], outputs: [], parameters: [] }, [
      `image=${await file("i.png", png)}`,
      "text=two words",
    ]);
    expect(inputs.image).toMatchObject({ shape: [1, 2, 4], data: new Uint8Array(8).fill(9) });
    expect(new TextDecoder().decode(inputs.text!.data.subarray(4))).toBe("two words");
  });

  it("refuses what does not fit and says what would", async () => {
    const doubles = writeNpy({ dataType: "float64", shape: [1, 2], data: new Uint8Array(16) });
    const cases: ReadonlyArray<readonly [words: string[], shapes: string[], message: string]> = [
      [[], [], "input 'x' is missing: give x=… or x=@file"],
      [["x"], [], "'x' is no pair: expected name=value"],
      [["x=[1,2]", "x=[1,2]"], [], "'x' is given twice"],
      [["z=1"], [], "there is no input or parameter 'z': it takes x, a"],
      [["x=[1,2,3]"], [], "it has 3 elements"],
      [["x=@/nowhere/x.npy"], [], "Cannot read the file of input 'x'"],
      [[`x=${await file("d.npy", doubles)}`], [], "has float64: expected float32"],
      [["x=[1,2]", "a=11"], [], "the most is 10"],
      [["x=[1,2]"], ["x=1,2"], "--shape is for raw files"],
      [["x=[1,2]"], ["y=1,2"], "--shape names 'y'"],
      [["x=[1,2]"], ["x:1"], "expected name=1,3,224,224"],
      [[`x=${await file("odd.bin", new Uint8Array(7))}`], [], "it has 7 bytes"],
    ];
    for (const [words, shapes, message] of cases) await expect(parse(words, shapes)).rejects.toThrow(message);
  });
});
