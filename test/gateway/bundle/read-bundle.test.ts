import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Bundle, defaultBundleLimits, readBundle } from "../../../gateway/bundle/read-bundle.ts";
import { openStore } from "../../../gateway/store/store.ts";
import { ownPid, temporaryFolder } from "../store/folders.ts";
import { buildZip, type ZipPart } from "./zip-builder.ts";

const text = (value: string) => new TextEncoder().encode(value);
const model = Uint8Array.of(8, 8, 0x12, 1, 120, 0x3a, 3, 1, 2, 3);
const shader = "@compute @workgroup_size(64) fn main() {}";

/** Reads an upload and hands over what it is while its files are there. */
async function withBundle(
  upload: Uint8Array,
  use: (bundle: Bundle, folder: string) => Promise<void>,
  limits = defaultBundleLimits,
): Promise<void> {
  await using folder = await temporaryFolder();
  await using store = await openStore(join(folder.path, "data"), { pid: ownPid });
  const path = join(folder.path, "upload");
  await writeFile(path, upload);
  try {
    await using bundle = await readBundle(path, store, limits);
    await use(bundle, folder.path);
  } finally {
    expect(await readdir(join(folder.path, "data", "tmp"))).toEqual([]);
  }
}

const read = (parts: readonly ZipPart[], limits = defaultBundleLimits) =>
  withBundle(buildZip(parts), async () => undefined, limits);

describe("readBundle()", () => {
  it("reads a WGSL bundle into memory", async () => {
    const manifest = '{"kind":"wgsl"}';
    const zip = buildZip([
      { name: "saxpy/function.json", content: manifest },
      { name: "saxpy/kernels/main.wgsl", content: shader, deflate: true },
      { name: "saxpy/lookup.onnx", content: "no model, only called so" },
    ]);
    await withBundle(zip, async (bundle) => {
      expect(bundle).toMatchObject({
        type: "wgsl",
        files: new Map([
          ["function.json", text(manifest)],
          ["kernels/main.wgsl", text(shader)],
          ["lookup.onnx", text("no model, only called so")],
        ]),
      });
    });
  });

  it("takes a bare shader, alone or as the only one in a zip", async () => {
    await withBundle(text(shader), async (bundle) => {
      expect(bundle).toMatchObject({ type: "wgsl", files: new Map([["main.wgsl", text(shader)]]) });
    });
    await withBundle(buildZip([{ name: "k/blur.wgsl", content: shader }]), async (bundle) => {
      expect(bundle).toMatchObject({ type: "wgsl", files: new Map([["blur.wgsl", text(shader)]]) });
    });
  });

  const handler = "export default { fetch() {} }";

  it("takes a bare handler, alone or beside shaders and models without a manifest", async () => {
    await withBundle(text(handler), async (bundle) => {
      expect(bundle).toMatchObject({ type: "handler", files: new Map([["handler.ts", text(handler)]]) });
      expect("manifest" in bundle).toBe(false);
    });
    const zip = buildZip([
      { name: "f/handler.mjs", content: handler },
      { name: "f/a.wgsl", content: shader },
      { name: "f/b.onnx", content: model },
    ]);
    await withBundle(zip, async (bundle) => {
      if (bundle.type !== "handler") throw new Error(`it is taken for ${bundle.type}`);
      expect([...bundle.files.keys()]).toEqual(["handler.mjs", "a.wgsl", "b.onnx"]);
    });
    // Control: further down it is a file like others.
    const nested = buildZip([
      { name: "f/lib/handler.ts", content: handler },
      { name: "f/a.wgsl", content: shader },
    ]);
    await withBundle(nested, async (bundle) => {
      expect(bundle.type).toBe("wgsl");
    });
  });

  it("takes a handler by its manifest, whatever its files are called", async () => {
    const manifest = { kind: "handler", entry: "src/main.ts" };
    const zip = buildZip([
      { name: "function.json", content: JSON.stringify(manifest) },
      { name: "src/main.ts", content: handler },
    ]);
    await withBundle(zip, async (bundle) => {
      expect(bundle).toMatchObject({ type: "handler", manifest });
    });
  });

  it("leaves a bare model where it lies", async () => {
    await withBundle(model, async (bundle, folder) => {
      expect(bundle).toMatchObject({
        type: "onnx",
        modelPath: join(folder, "upload"),
        externalFiles: new Map(),
      });
    });
  });

  it("unpacks a model with the files beside it, until it is disposed", async () => {
    const zip = buildZip([
      { name: "net/models/any name.onnx", content: model },
      { name: "net/models/weights.bin", content: "weights", deflate: true },
      { name: "net/models/more/weights-2.bin", content: "more" },
      { name: "net/README.md", content: "read me" },
    ]);
    await withBundle(zip, async (bundle, folder) => {
      if (bundle.type !== "onnx") throw new Error(`it is taken for ${bundle.type}`);
      expect(bundle.modelPath.startsWith(join(folder, "data", "tmp"))).toBe(true);
      expect(new Uint8Array(await readFile(bundle.modelPath))).toEqual(model);
      expect([...bundle.externalFiles.keys()]).toEqual(["weights.bin", "more/weights-2.bin"]);
      expect(await readFile(bundle.externalFiles.get("weights.bin")!, "utf8")).toBe("weights");
      expect(await readFile(bundle.externalFiles.get("more/weights-2.bin")!, "utf8")).toBe("more");
      expect("manifest" in bundle).toBe(false);
    });
  });

  it("takes the model that function.json names, and hands the manifest on", async () => {
    const manifest = { kind: "onnx", model: "b.onnx", description: "two models" };
    const zip = buildZip([
      { name: "function.json", content: JSON.stringify(manifest) },
      { name: "a.onnx", content: "other" },
      { name: "b.onnx", content: model },
    ]);
    await withBundle(zip, async (bundle) => {
      if (bundle.type !== "onnx") throw new Error(`it is taken for ${bundle.type}`);
      expect(new Uint8Array(await readFile(bundle.modelPath))).toEqual(model);
      expect([...bundle.externalFiles.keys()]).toEqual(["a.onnx"]);
      expect(bundle.manifest).toEqual(manifest);
    });
  });

  const manifest = (content: string): ZipPart => ({ name: "function.json", content });
  it.each<[string, readonly ZipPart[], RegExp]>([
    ["no file", [], /it holds nothing/],
    ["no file of a known kind", [{ name: "a.txt" }, { name: "b.md" }], /it holds 'a\.txt', 'b\.md'/],
    ["a manifest that is no JSON", [manifest("{")], /function\.json is no JSON/],
    ["a manifest without a kind", [manifest("{}")], /"kind" in its function\.json is missing/],
    ["a manifest that is no object", [manifest("null")], /"kind" in its function\.json is missing/],
    [
      "a kind that is unknown",
      [manifest('{"kind":"wasm"}')],
      /is "wasm": expected "wgsl", "onnx" or "handler"/,
    ],
    ["a model that is missing", [manifest('{"kind":"onnx"}')], /no \.onnx file/],
    [
      "a named model that is missing",
      [manifest('{"kind":"onnx","model":"../x"}')],
      /names the model "\.\.\/x"/,
    ],
    ["two models", [{ name: "a.onnx" }, { name: "b.onnx" }], /2 models \('a\.onnx', 'b\.onnx'\)/],
    [
      "two handlers",
      [{ name: "handler.ts" }, { name: "handler.js" }],
      /handler\.ts and handler\.js and no function\.json that names one as "entry"/,
    ],
    ["two shaders", [{ name: "a.wgsl" }, { name: "b.wgsl" }], /2 shaders and no function\.json/],
  ])("refuses a zip with %s", async (_, parts, message) => {
    await expect(read(parts)).rejects.toMatchObject({ code: "INVALID_BUNDLE", message });
  });

  it("limits what it holds in memory", async () => {
    const limits = { ...defaultBundleLimits, memoryBytes: 100 };
    const parts = [manifest('{"kind":"wgsl"}'), { name: "a.wgsl", content: "x".repeat(85) }];
    await read(parts, limits);
    const tooLarge = { code: "PAYLOAD_TOO_LARGE", message: /101 bytes/ };
    await expect(read([...parts, { name: "b", content: "y" }], limits)).rejects.toMatchObject(tooLarge);
    const long = text(shader.padEnd(101));
    await expect(withBundle(long, async () => undefined, limits)).rejects.toMatchObject(tooLarge);
    // Control: models are unpacked to disk and may be larger.
    await read(
      [
        { name: "a.onnx", content: model },
        { name: "w", content: "y".repeat(200) },
      ],
      limits,
    );
  });

  it("leaves nothing where a file beside the model is broken", async () => {
    const parts = [
      { name: "a.onnx", content: model },
      { name: "w", content: "weights", crc: 7 },
    ];
    await expect(read(parts)).rejects.toMatchObject({ code: "INVALID_BUNDLE", message: /'w' is broken/ });
  });
});
