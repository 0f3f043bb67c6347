import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { defaultBundleLimits } from "../../../gateway/bundle/read-bundle.ts";
import { openZip } from "../../../gateway/bundle/zip.ts";
import { openBundleSource } from "../../../gateway/cli/bundle-source.ts";
import { temporaryFolder } from "./run-cli.ts";

const read = async (stream: ReadableStream<Uint8Array>) =>
  new Uint8Array(await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer());

describe("openBundleSource()", () => {
  it("zips a folder with what lies in it, without hidden files", async () => {
    await using folder = await temporaryFolder();
    const bundle = join(folder.path, "Näive bundle");
    await mkdir(join(bundle, "weights"), { recursive: true });
    await mkdir(join(bundle, ".git"));
    await writeFile(join(bundle, "b.wgsl"), "second");
    await writeFile(join(bundle, ".git", "x"), "hidden");
    await writeFile(join(bundle, "weights", "w.bin"), new Uint8Array(700_000).fill(7));
    await symlink(join(bundle, "b.wgsl"), join(bundle, "a.wgsl"));

    const source = await openBundleSource(bundle);
    expect(source).toMatchObject({ defaultName: "Na-ive-bundle", sizeBytes: 700_012 });
    const counts: number[] = [];
    const zipped = await read(source.open((bytes) => counts.push(bytes)));
    expect(counts.at(-1)).toBe(source.sizeBytes);
    expect(counts.length).toBeGreaterThan(3);

    const path = join(folder.path, "out.zip");
    await writeFile(path, zipped);
    await using archive = await openZip(path, defaultBundleLimits.zip);
    const entries = archive.entries.map((entry) => [entry.path, entry.sizeBytes]);
    expect(entries).toEqual([
      ["a.wgsl", 6],
      ["b.wgsl", 6],
      ["weights/w.bin", 700_000],
    ]);
    expect(new TextDecoder().decode(await archive.read(archive.entries[0]!))).toBe("second");
  });

  it("gives the same bytes for the same files, whenever they were written", async () => {
    await using folder = await temporaryFolder();
    const zips: Uint8Array[] = [];
    for (const name of ["one", "two"]) {
      const bundle = join(folder.path, name);
      await mkdir(bundle);
      for (const file of name === "one" ? ["a", "b"] : ["b", "a"]) await writeFile(join(bundle, file), file);
      zips.push(await read((await openBundleSource(bundle)).open()));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(zips[0]).toEqual(zips[1]);
  });

  it("takes packages along, without what only editors use, as long as they fit", async () => {
    await using folder = await temporaryFolder();
    const bundle = join(folder.path, "shop");
    const lib = join(bundle, "node_modules", "pkg", "lib");
    await mkdir(lib, { recursive: true });
    for (const name of ["handler.ts", "types.d.ts"]) await writeFile(join(bundle, name), "x");
    for (const name of ["a.js", "a.d.ts", "a.js.map"]) await writeFile(join(lib, name), "x");
    const path = join(folder.path, "out.zip");
    await writeFile(path, await read((await openBundleSource(bundle)).open()));
    await using archive = await openZip(path, defaultBundleLimits.zip);
    expect(archive.entries.map((entry) => entry.path)).toEqual([
      "handler.ts",
      "node_modules/pkg/lib/a.js",
      "types.d.ts",
    ]);
    for (let i = 0; i < defaultBundleLimits.zip.entries; i++) await writeFile(join(lib, `${i}.js`), "");
    await expect(openBundleSource(bundle)).rejects.toMatchObject({
      code: "PAYLOAD_TOO_LARGE",
      message: /has 1003 files and a zip may have 1000; 1001 of them are in node_modules/,
    });
  });

  it("says in a zip that a handler has JSX in it", async () => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, "page.tsx"), "export default 1");
    const source = await openBundleSource(join(folder.path, "page.tsx"));
    expect(source).toMatchObject({ contentType: "application/zip", defaultName: "page" });
    const path = join(folder.path, "out.zip");
    await writeFile(path, await read(source.open()));
    await using archive = await openZip(path, defaultBundleLimits.zip);
    expect(archive.entries.map((entry) => entry.path)).toEqual(["handler.tsx"]);
  });

  it("sends models, shaders, handlers and zips as they are and refuses other files", async () => {
    await using folder = await temporaryFolder();
    for (const [name, type] of [
      ["m.onnx", "application/octet-stream"],
      ["s.WGSL", "text/wgsl"],
      ["z.zip", "application/zip"],
      ["h.ts", "text/typescript"],
      ["j.mjs", "text/javascript"],
    ] as const) {
      const path = join(folder.path, name);
      await writeFile(path, name);
      const source = await openBundleSource(path);
      expect(source).toMatchObject({ contentType: type, defaultName: name[0] });
      expect(new TextDecoder().decode(await read(source.open()))).toBe(name);
    }
    await writeFile(join(folder.path, "t.txt"), "x");
    await mkdir(join(folder.path, "empty"));
    await expect(openBundleSource(join(folder.path, "t.txt"))).rejects.toThrow("expected a folder, a .zip");
    await expect(openBundleSource(join(folder.path, "empty"))).rejects.toThrow("the folder has no files");
    await expect(openBundleSource(join(folder.path, "none"))).rejects.toThrow(
      "there is no such file or folder",
    );
  });
});
