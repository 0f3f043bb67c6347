/** The rules of ARCHITECTURE.md that can be read from import lines, each checked on every file. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  findCycle,
  importsOf,
  layers,
  projectFolder,
  readSourceFiles,
  type SourceFile,
  type SourceImport,
  withoutComments,
} from "./source-imports.ts";

const files = await readSourceFiles();

/** `path imports specifier` for every import that a rule forbids. */
function violations(isForbidden: (file: SourceFile, one: SourceImport) => boolean): string[] {
  return files.flatMap((file) =>
    file.imports
      .filter((one) => isForbidden(file, one))
      .map(({ specifier }) => `${file.path} imports ${specifier}`),
  );
}

const layerOf = (path: string) => path.slice(0, path.indexOf("/"));
const isOutermost = (path: string) => layerOf(path) === "bench" || layerOf(path) === "test";
const isPackage = ({ specifier }: SourceImport, name: string) =>
  specifier === name || specifier.startsWith(`${name}/`);

it("the reader finds every file and resolves what they import", () => {
  expect(files.length).toBeGreaterThan(200);
  for (const layer of layers) expect(files.some(({ path }) => layerOf(path) === layer)).toBe(true);
  expect(
    violations((_, { target }) => target !== undefined && !existsSync(join(projectFolder, target))),
  ).toEqual([]);
});

it("imports go one way: kernels ← models ← runtime ← gateway ← bench ← test", () => {
  const rank = (path: string) => layers.indexOf(layerOf(path) as (typeof layers)[number]);
  expect(
    violations((file, { target }) => target?.includes("/") === true && rank(target) > rank(file.path)),
  ).toEqual([]);
});

it("no file imports itself by way of others", () => {
  expect(findCycle(files)?.join(" → ")).toBeUndefined();
});

it("hono is imported in the gateway only", () => {
  expect(
    violations(
      ({ path }, one) => isPackage(one, "hono") && layerOf(path) !== "gateway" && !isOutermost(path),
    ),
  ).toEqual([]);
});

it("onnxruntime-web is imported in models/ort.ts only", () => {
  expect(
    violations(
      ({ path }, one) => isPackage(one, "onnxruntime-web") && path !== "models/ort.ts" && !isOutermost(path),
    ),
  ).toEqual([]);
});

it("host APIs are named in runtime/platform only; the gateway has files, paths and digests beside", () => {
  const gatewayModules = /^node:(fs|fs\/promises|path|os|crypto|url)$/;
  expect(
    violations(({ path }, { specifier }) => {
      if (!specifier.startsWith("node:") || isOutermost(path) || path.startsWith("runtime/platform/"))
        return false;
      if (path === "gateway/cli/commands.ts" && specifier === "node:process") return false;
      return layerOf(path) !== "gateway" || !gatewayModules.test(specifier);
    }),
  ).toEqual([]);
  const isHostFree = ({ path }: SourceFile) => !isOutermost(path) && !path.startsWith("runtime/platform/");
  const named = files.filter(
    (file) => isHostFree(file) && /(?<![\w.'"`$#-])(Deno|Bun)\s*[.[]/.test(file.code),
  );
  expect(named.map(({ path }) => path)).toEqual([]);
});

it("#platform is imported where a process is put together only", () => {
  const isRoot = (path: string) =>
    /(^|[/-])main\.ts$/.test(path) || path.startsWith("gateway/cli/") || isOutermost(path);
  expect(violations(({ path }, { specifier }) => specifier === "#platform" && !isRoot(path))).toEqual([]);
});

describe("what the rules rest on", () => {
  it("every form of import is seen", () => {
    const code = [
      'import a from "a";',
      'import type { B } from "./b.ts";',
      "import {",
      "  c,",
      "} from '../c.ts';",
      'export { d } from "d";',
      'import "e";',
      'const f = await import("f");',
    ].join("\n");
    const seen = importsOf(code).map(({ specifier, isType }) => (isType ? `type ${specifier}` : specifier));
    expect(seen.sort()).toEqual(["../c.ts", "a", "d", "e", "f", "type ./b.ts"]);
  });

  it("comments do not count, strings that look like one stay", () => {
    const code = withoutComments(`/** import "a" */\nconst type = "*/*"; // import "b"\nimport "c";`);
    expect(importsOf(code).map(({ specifier }) => specifier)).toEqual(["c"]);
    expect(code).toContain(`"*/*"`);
  });

  it("a cycle is found, a diamond is none, nor is one of types", () => {
    const file = (path: string, ...targets: string[]) => ({
      path,
      imports: targets.map((target) => ({
        specifier: target,
        target,
        isType: target === target.toUpperCase(),
      })),
    });
    expect(findCycle([file("a", "b"), file("b", "c"), file("c", "b")])).toEqual(["b", "c", "b"]);
    expect(findCycle([file("a", "b", "c"), file("b", "d"), file("c", "d"), file("d")])).toBeUndefined();
    expect(findCycle([file("A", "b"), file("b", "A")])).toBeUndefined();
  });
});
