/** Nothing of this machine's disk gets into a bundle, whatever the files of the bundle ask for. */
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundleHandler } from "../../../gateway/handlers/bundle-handler.ts";
import { Disk, projectFolder } from "../../../gateway/handlers/provided-packages.ts";
import { bundleOf } from "./bundles.ts";

const canary = "canary_7f3a91";
let folder: string;
/** A JavaScript file, a JSON file and a source map, all with the canary in it. */
let secret: string;

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "outside-")));
  secret = join(folder, "secret");
  await writeFile(`${secret}.js`, `export const ${canary} = 1; export default "${canary}";`);
  await writeFile(`${secret}.json`, JSON.stringify({ compilerOptions: { jsxFactory: canary }, [canary]: 1 }));
  const map = { version: 3, sources: [canary], sourcesContent: [canary], names: [canary], mappings: "AAAAA" };
  await writeFile(`${secret}.map`, JSON.stringify(map));
  await mkdir(join(folder, canary));
  await writeFile(join(folder, canary, "index.js"), `export default "${canary}"`);
});

afterAll(() => rm(folder, { recursive: true }));

/** All that comes out of bundling, whether it works or not. */
async function everythingOf(files: Readonly<Record<string, string>>, entry = "handler.ts"): Promise<string> {
  try {
    return JSON.stringify(await bundleHandler(bundleOf(files), entry));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return `refused: ${error.message}`;
  }
}

/** `../../…/path`, up from wherever esbuild may think it is. */
const upTo = (path: string) => `${"../".repeat(40)}${path.slice(1)}`;

/** Written so that readers of this file do not take it for an import of its own. */
const load = "import";

const importing = (specifier: string) =>
  `import x from ${JSON.stringify(specifier)}; export default { fetch: () => x };`;

describe("a file of the machine does not come in", () => {
  it("control: the same file does, from the bundle", async () => {
    const files = { "handler.ts": importing("./secret.js"), "secret.js": `export default "${canary}";` };
    expect(await everythingOf(files)).toContain(canary);
  });

  it.each<[string, (path: string) => string]>([
    ["an absolute path", importing],
    ["a path that leads out", (path) => importing(upTo(path))],
    ["a path that leads out, relative to the project", (path) => importing(relative(projectFolder, path))],
    ["a file URL", (path) => importing(pathToFileURL(path).href)],
    ["a file URL in capitals", (path) => importing(pathToFileURL(path).href.replace("file:", "FILE:"))],
    ["a package name with dots", (path) => importing(`hono/${upTo(path)}`)],
    ["a scoped package name with dots", (path) => importing(`@hono/../${upTo(path)}`)],
    ["a package that is a path", (path) => importing(`${path.slice(1)}`)],
    ["a query", (path) => importing(`${path}?raw`)],
    ["backslashes", (path) => importing(upTo(path).replaceAll("/", "\\"))],
    ["require()", (path) => `export default require(${JSON.stringify(path)});`],
    [
      "a guarded require()",
      (path) => `try { require(${JSON.stringify(upTo(path))}) } catch {} export default 1;`,
    ],
    ["import()", (path) => `export default { fetch: () => import(${JSON.stringify(path)}).catch(() => 1) };`],
    ["export from", (path) => `export * from ${JSON.stringify(path)}; export default 1;`],
    [
      "import with a type",
      (path) => `import x from ${JSON.stringify(path)} with { type: "json" }; export default x;`,
    ],
    ["a computed path", (path) => `export default (x) => ${load}("./${upTo(path).slice(0, -3)}" + x);`],
    ["a computed template", (path) => `export default (x) => require(\`${upTo(path).slice(0, -5)}\${x}\`);`],
    [
      "an escaped require()",
      (path) => `export default (x) => r\\u0065quire("./${upTo(path).slice(0, -5)}" + x);`,
    ],
    [
      "a computed path of an enum",
      (path) => `enum E { A = "./${upTo(path).slice(0, -5)}" } export default (x) => import(E.A + x);`,
    ],
    [
      "a URL by import.meta.url",
      (path) => `export default new URL(${JSON.stringify(path)}, import.meta.url).pathname.length;`,
    ],
    ["a JSX runtime", (path) => `/** @jsxImportSource ${path} */ export default 1;`],
    ["a triple slash", (path) => `/// <reference path="${path}" />\nexport default 1;`],
  ])("by %s", async (_, write) => {
    for (const ending of [".js", ".json"]) {
      const everything = await everythingOf({ "handler.ts": write(`${secret}${ending}`) });
      expect(everything).not.toContain(canary);
    }
    expect(await everythingOf({ "handler.ts": write(join(folder, canary)) })).not.toContain(
      `\\"${canary}\\"`,
    );
  });

  it.each(["//#", "//@", "/*#", "//#\t"])("by a source map that is linked with %s", async (start) => {
    for (const link of [pathToFileURL(`${secret}.map`).href, `${secret}.map`, upTo(`${secret}.map`)]) {
      const end = start.startsWith("/*") ? " */" : "";
      const code = `export default { fetch() { return 1 } };\n${start} sourceMappingURL=${link}${end}`;
      const everything = await everythingOf({ "handler.ts": code });
      expect(everything).toContain("handler_default");
      expect(everything).not.toContain(canary);
    }
  });

  it("by a source map in a data: URL, which would name what is not deployed", async () => {
    const map = JSON.stringify({ version: 3, sources: [`/${canary}`], names: [], mappings: "AAAA" });
    const code = `export default 1;\n//# sourceMappingURL=data:application/json,${encodeURIComponent(map)}`;
    expect(await everythingOf({ "handler.ts": code })).not.toContain(canary);
  });

  it("by files of the bundle that name others", async () => {
    const outside = `${secret}.js`;
    const everything = await everythingOf(
      {
        "handler.tsx": `import x from "pkg"; import y from "mapped"; import z from "#up"; export default <b>{x}{y}{z}</b>;`,
        "tsconfig.json": JSON.stringify({
          extends: `${secret}.json`,
          compilerOptions: { paths: { mapped: [outside], "*": [`${folder}/*`] }, baseUrl: folder },
        }),
        "package.json": JSON.stringify({
          imports: { "#up": upTo(outside) },
          browser: { mapped: outside, pkg: upTo(outside) },
        }),
      },
      "handler.tsx",
    );
    expect(everything).toMatch(/^refused: /);
    expect(everything).not.toContain(canary);
  });

  it.each([
    ["main", { main: "OUTSIDE" }],
    ["module", { module: "OUTSIDE" }],
    ["browser", { browser: "OUTSIDE" }],
    ["a browser map", { main: "a.js", browser: { "./a.js": "OUTSIDE" } }],
    ["exports", { exports: "OUTSIDE" }],
    ["exports below a dot", { exports: { ".": { import: "./OUTSIDE" } } }],
    ["a pattern", { exports: { ".": "./x", "./*": "OUTSIDE*" } }],
  ])("by %s of a package", async (_, json) => {
    for (const outside of [`${secret}.js`, upTo(`${secret}.js`), pathToFileURL(`${secret}.js`).href]) {
      const everything = await everythingOf({
        "handler.ts": `import x from "pkg"; import y from "pkg/y"; export default [x, y];`,
        "node_modules/pkg/package.json": JSON.stringify(json).replaceAll("OUTSIDE", outside),
        "node_modules/pkg/a.js": "export default 1;",
      });
      expect(everything).toMatch(/^refused: /);
      expect(everything).not.toContain(canary);
    }
  });

  it("by files whose names are paths or links of this machine", async () => {
    const everything = await everythingOf({
      "handler.ts": `import x from "./link/${basename(secret)}.js"; export default x;`,
      link: folder,
      [`${folder}/index.ts`]: "export default 1",
      "../handler.ts": `export { default } from "${secret}.js"`,
    });
    expect(everything).toMatch(/^refused: /);
    expect(everything).not.toContain(canary);
  });

  it("and what is refused is not told apart from what is not there", async () => {
    const there = await everythingOf({ "handler.ts": importing(`${secret}.js`) });
    const missing = await everythingOf({ "handler.ts": importing(`${secret}-none.js`) });
    expect(there.replace(secret, "")).toBe(missing.replace(`${secret}-none`, ""));
  });
});

describe("Disk", () => {
  it("names files of the project's sources and of its packages, and no others", () => {
    const disk = new Disk();
    const path = join(projectFolder, "runtime", "library", "dawnlet.ts");
    expect(disk.nameOf(path)).toBe("dawnlet/runtime/library/dawnlet.ts");
    expect(disk.pathOf("dawnlet/runtime/library/dawnlet.ts")).toBe(path);
    for (const outside of [
      "/etc/passwd",
      join(projectFolder, "gateway", "app.ts"),
      `${projectFolder}/data/x`,
    ])
      expect(disk.nameOf(outside)).toBeUndefined();
  });
});
