/** Which files of the project import what: read from their text, for tests of the layers. */
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export interface SourceFile {
  /** From the project's folder, with slashes. */
  readonly path: string;
  /** Its text without comments. */
  readonly code: string;
  readonly imports: readonly SourceImport[];
}

export interface SourceImport {
  readonly specifier: string;
  /** True for `import type`: nothing of it is left when the file runs. */
  readonly isType: boolean;
  /** The file of the project that it names, as in `SourceFile.path`; undefined for packages. */
  readonly target: string | undefined;
}

export const projectFolder = fileURLToPath(new URL("../", import.meta.url));
export const layers = ["kernels", "models", "runtime", "gateway", "bench", "test"] as const;

export async function readSourceFiles(): Promise<readonly SourceFile[]> {
  const files: SourceFile[] = [];
  for (const layer of layers) {
    const names = await readdir(join(projectFolder, layer), { recursive: true });
    for (const name of names.filter((one) => one.endsWith(".ts") && !one.includes("node_modules")).sort()) {
      const path = join(layer, name).replaceAll("\\", "/");
      const code = withoutComments(await readFile(join(projectFolder, path), "utf8"));
      const imports = importsOf(code).map((one) => ({ ...one, target: targetOf(path, one.specifier) }));
      files.push({ path, code, imports });
    }
  }
  return files;
}

/** Static, side-effect, re-exporting and dynamic imports, types included. */
export function importsOf(code: string): Array<Omit<SourceImport, "target">> {
  const patterns = [
    /^\s*(?:import|export)\b(?<type>\s+type\b(?!\s+from))?[^;"'`]*?\bfrom\s*["'](?<specifier>[^"']+)["']/gm,
    /^\s*import\s*["'](?<specifier>[^"']+)["']/gm,
    /\bimport\(\s*["'`](?<specifier>[^"'`]+)["'`]/g,
  ];
  return patterns.flatMap((pattern) =>
    [...code.matchAll(pattern)].map(({ groups }) => ({
      specifier: groups!.specifier!,
      isType: groups!.type !== undefined,
    })),
  );
}

/** Comments that begin a line: elsewhere `/*` may stand in a string, such as a media type. */
export function withoutComments(text: string): string {
  return text.replaceAll(/^[ \t]*\/\*[\s\S]*?\*\//gm, "").replaceAll(/(^|\s)\/\/(?!\/).*$/gm, "$1");
}

function targetOf(path: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  const target = resolve(projectFolder, dirname(path), specifier.replace(/\?.*$/, ""));
  return relative(projectFolder, target).replaceAll("\\", "/");
}

/** The files of a cycle, the first one again at its end; undefined where there is none. Types do not count. */
export function findCycle(files: readonly Pick<SourceFile, "path" | "imports">[]): string[] | undefined {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const done = new Set<string>();
  const way: string[] = [];
  const visit = (path: string): string[] | undefined => {
    const at = way.indexOf(path);
    if (at >= 0) return [...way.slice(at), path];
    if (done.has(path)) return undefined;
    way.push(path);
    for (const { target, isType } of byPath.get(path)?.imports ?? []) {
      const cycle = target === undefined || isType ? undefined : visit(target);
      if (cycle) return cycle;
    }
    way.pop();
    done.add(path);
    return undefined;
  };
  for (const { path } of files) {
    const cycle = visit(path);
    if (cycle) return cycle;
  }
  return undefined;
}
