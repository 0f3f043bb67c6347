import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { detectBundle, largestTextBytes } from "../../../gateway/bundle/detect.ts";
import { DawnletError } from "../../../kernels/errors.ts";
import { buildZip, temporaryFile } from "./zip-builder.ts";

const modelFolder = resolve(import.meta.dirname, "../../../../shared/models");
const text = (value: string) => new TextEncoder().encode(value);

async function detect(bytes: Uint8Array): Promise<string> {
  await using file = await temporaryFile(bytes);
  return await detectBundle(file.path);
}

describe("detectBundle()", () => {
  it.each([
    ["a zip", buildZip([{ name: "a" }]), "zip"],
    ["a zip without entries", buildZip([]), "zip"],
    ["WGSL", text("@compute @workgroup_size(64)\nfn main() {}"), "wgsl"],
    ["WGSL after a byte order mark and a comment", text("\ufeff// größe\nfn main() {}"), "wgsl"],
    [
      "WGSL whose only function comes late",
      text(`${"// filler\n".repeat(20_000)}@compute fn f() {}`),
      "wgsl",
    ],
    ["a handler", text("export default {\n  fetch() {}\n}"), "handler"],
    ["a minified handler", text('import{a}from"hono";const b=1;export{b as c,a as default};'), "handler"],
    [
      "a handler with a shader in it",
      text('const s = "@compute @workgroup_size(1) fn main() {}";\nexport default s;'),
      "handler",
    ],
    ["WGSL that speaks of an export", text("// export default\nfn main() {}"), "wgsl"],
    // ir_version 8, producer "x", graph of 3 bytes.
    ["a model", Uint8Array.of(8, 8, 0x12, 1, 120, 0x3a, 3, 1, 2, 3), "onnx"],
    [
      "a model whose graph reaches beyond what is looked at",
      Uint8Array.of(8, 7, 0x3a, 0xff, 0xff, 0x7f, 1),
      "onnx",
    ],
  ])("knows %s", async (_, bytes, type) => {
    expect(await detect(bytes)).toBe(type);
  });

  it("knows real models", async (context) => {
    const names = await readdir(modelFolder).catch(() => []);
    const models = names.filter((name) => name.endsWith(".onnx"));
    if (models.length === 0) context.skip(`no .onnx files in ${modelFolder}`);
    for (const name of models) expect(await detectBundle(join(modelFolder, name))).toBe("onnx");
  });

  it.each([
    ["nothing", new Uint8Array(), /it is empty/],
    ["text that is no WGSL", text("hello"), /expected a zip/],
    ["WGSL with a NUL", text("fn main() {}\0"), /expected a zip/],
    ["bytes that are no UTF-8", Uint8Array.of(...text("fn main() {}"), 0xff), /expected a zip/],
    ["a JPEG", Uint8Array.of(0xff, 0xd8, 0xff, 0xe0), /expected a zip/],
    ["a message with a field that models do not have", Uint8Array.of(8, 8, 0x7a, 1, 1), /expected a zip/],
    ["a message with ir_version 0", Uint8Array.of(8, 0, 0x12, 1, 120), /expected a zip/],
    ["a gzip", Uint8Array.of(0x1f, 0x8b, 8, 0), /expected a zip/],
    ["WGSL longer than any", text(`fn main() {}${" ".repeat(largestTextBytes)}`), /expected a zip/],
  ])("refuses %s and says what is taken", async (_, bytes, message) => {
    await expect(detect(bytes)).rejects.toMatchObject({ code: "INVALID_BUNDLE", message });
  });

  it("does not find what is not there", async () => {
    await expect(detectBundle("/nonexistent/upload")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("never fails in another way, whatever the bytes", async () => {
    const start = fc.constantFrom(
      [],
      [0x50, 0x4b],
      [0x08],
      [0x08, 0x07],
      [...text("fn ")],
      [...text("export{")],
    );
    const run = async (first: readonly number[], rest: Uint8Array) => {
      try {
        expect(["zip", "onnx", "wgsl", "handler"]).toContain(await detect(Uint8Array.of(...first, ...rest)));
      } catch (error) {
        expect(error).toBeInstanceOf(DawnletError);
        expect(error).toMatchObject({ code: "INVALID_BUNDLE" });
      }
    };
    await fc.assert(fc.asyncProperty(start, fc.uint8Array({ maxLength: 100 }), run), { numRuns: 200 });
  });
});
