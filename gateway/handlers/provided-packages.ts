/**
 * Packages that handlers may import without bringing them along. Their files are read from this project and its
 * node_modules, and from nowhere else: `Disk` gives each a name that tells nothing of the host.
 */
import { realpathSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";

export const projectFolder = realpathSync(fileURLToPath(new URL("../..", import.meta.url)));

/** The library of handlers, by the name under which they import it. */
export const libraryName = "dawnlet";
export const libraryPath = join(projectFolder, "runtime", "library", "dawnlet.ts");

/** Builds of ONNX Runtime Web that have their JavaScript in one file, and the WebAssembly that each asks for. */
export const onnxRuntimeAssets: ReadonlyMap<string, string> = new Map([
  ["onnxruntime-web", "ort-wasm-simd-threaded.jsep.wasm"],
  ["onnxruntime-web/webgpu", "ort-wasm-simd-threaded.asyncify.wasm"],
  ["onnxruntime-web/jspi", "ort-wasm-simd-threaded.jspi.wasm"],
  ["onnxruntime-web/wasm", "ort-wasm-simd-threaded.wasm"],
]);

export const providedNames = `${libraryName}, hono and onnxruntime-web`;

/** True for what `import` may name; the packages' own `exports` say whether it is there. */
export function isProvided(specifier: string): boolean {
  if (specifier === libraryName || onnxRuntimeAssets.has(specifier)) return true;
  return /^hono(\/[a-z0-9][a-z0-9._-]*)*$/.test(specifier);
}

/**
 * The module that stands for ONNX Runtime Web. Its WebAssembly comes from whoever runs the handler, which can
 * read files; and it starts no threads, as a sealed process may not.
 */
export function onnxRuntimeModule(specifier: string): string {
  const source = JSON.stringify(specifier);
  return `import { env } from ${source};
export * from ${source};
export { default } from ${source};
env.wasm.wasmBinary = await globalThis[Symbol.for("dawnlet.host")].asset(${JSON.stringify(onnxRuntimeAssets.get(specifier))});
env.wasm.numThreads = 1;
`;
}

/** Folders whose files may be bundled, with the name that stands for them. */
export class Disk {
  readonly #roots: ReadonlyArray<readonly [folder: string, name: string]>;
  readonly #paths = new Map<string, string>();

  constructor() {
    const sources = ["kernels", "models", "runtime"].map(
      (layer) => [join(projectFolder, layer), `${libraryName}/${layer}/`] as const,
    );
    this.#roots = [...sources, ...packageFolders().map((folder) => [folder, ""] as const)];
  }

  /** The name of a file, or undefined where it may not be bundled. @param path as links lead to it. */
  nameOf(path: string): string | undefined {
    for (const [folder, prefix] of this.#roots) {
      if (!path.startsWith(folder + sep)) continue;
      const name = prefix + path.slice(folder.length + 1).replaceAll(sep, "/");
      this.#paths.set(name, path);
      return name;
    }
    return undefined;
  }

  /** Where a file that has been named lies. */
  pathOf(name: string): string | undefined {
    return this.#paths.get(name);
  }
}

/** The `node_modules` that this project resolves from, as links lead to them. */
function packageFolders(): readonly string[] {
  const found: string[] = [];
  for (let folder = projectFolder; ; folder = dirname(folder)) {
    try {
      found.push(realpathSync(join(folder, "node_modules")));
    } catch {
      // None here.
    }
    if (dirname(folder) === folder) return found;
  }
}
