/**
 * The plugin through which esbuild sees a handler bundle, and nothing else: every import is resolved here. A file of
 * the bundle comes from memory; a file of a provided package from disk, under a name that does not tell where it lies.
 * esbuild resolves by itself only between files of provided packages, and the result is checked here.
 */
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { OnLoadArgs, OnLoadResult, OnResolveArgs, OnResolveResult, Plugin, PluginBuild } from "esbuild";
import { bundleNamespace, hasMessages, messageIn, providedNamespace } from "./build-messages.ts";
import type { Bundler } from "./bundler.ts";
import { withoutComputedImports } from "./computed-imports.ts";
import { isCode, largestImportedBytes, loaderOf } from "./loaders.ts";
import { insteadOf, isNodeBuiltin } from "./node-builtins.ts";
import {
  Disk,
  libraryName,
  libraryPath,
  onnxRuntimeAssets,
  onnxRuntimeModule,
  projectFolder,
} from "./provided-packages.ts";
import { ImportResolver, type Resolution } from "./resolve-import.ts";

/** What bundling found out beside the code. */
export interface Findings {
  /** Modules of Node that packages may ask for when they run. */
  readonly builtins: Set<string>;
  /** WebAssembly files that the code asks `asset()` for. */
  readonly assets: Set<string>;
  /** Calls that were replaced: see computed-imports.ts. */
  readonly computedImports: Array<{ readonly path: string; readonly line: number; readonly column: number }>;
}

export function noFindings(): Findings {
  return { builtins: new Set(), assets: new Set(), computedImports: [] };
}

const runtimeNamespace = "runtime";
const emptyNamespace = "empty";

/** More code than this is not parsed: esbuild takes a multiple of it in memory. */
const mostCodeBytes = 32 * 1024 ** 2;

/** Marks our own question to esbuild's resolver; only code in this process can say it. */
const askedByPlugin = Symbol("asked by the plugin");

export function bundlePlugin(
  bundler: Bundler,
  files: ReadonlyMap<string, Uint8Array>,
  findings: Findings,
): Plugin {
  return {
    name: "handler-bundle",
    setup(build) {
      const source = new BundleSource(build, bundler, files, findings);
      build.onResolve({ filter: /.*/ }, (args) => source.resolve(args));
      build.onLoad({ filter: /.*/, namespace: bundleNamespace }, (args) => source.loadOwn(args));
      build.onLoad({ filter: /.*/, namespace: providedNamespace }, (args) => source.loadProvided(args));
      build.onLoad({ filter: /.*/, namespace: runtimeNamespace }, (args) => source.loadRuntime(args));
      build.onLoad({ filter: /.*/, namespace: emptyNamespace }, () => ({
        contents: "module.exports = {};",
        loader: "js",
      }));
      // Whatever esbuild finds on a disk by itself does not come in.
      build.onLoad({ filter: /.*/ }, () => refuse("it is not part of the bundle"));
    },
  };
}

class BundleSource {
  readonly #build: PluginBuild;
  readonly #bundler: Bundler;
  readonly #files: ReadonlyMap<string, Uint8Array>;
  readonly #findings: Findings;
  readonly #imports: ImportResolver;
  readonly #disk = new Disk();
  #codeBytes = 0;

  constructor(
    build: PluginBuild,
    bundler: Bundler,
    files: ReadonlyMap<string, Uint8Array>,
    findings: Findings,
  ) {
    this.#build = build;
    this.#bundler = bundler;
    this.#files = files;
    this.#findings = findings;
    this.#imports = new ImportResolver(files);
  }

  async resolve(args: OnResolveArgs): Promise<OnResolveResult | undefined> {
    if (args.pluginData === askedByPlugin) return undefined;
    if (args.kind === "entry-point") return { path: args.path, namespace: bundleNamespace };
    switch (args.namespace) {
      case bundleNamespace: {
        const style = args.kind.startsWith("require") ? "require" : "import";
        return this.#resolved(args, this.#imports.resolve(args.importer, args.path, style));
      }
      case runtimeNamespace:
        return this.#resolveProvided(args, args.path, projectFolder);
      case providedNamespace: {
        const importer = this.#disk.pathOf(args.importer);
        if (importer !== undefined) return this.#resolveProvided(args, args.path, dirname(importer));
        break;
      }
    }
    return refuse(`Cannot import ${JSON.stringify(args.path)} from there`);
  }

  #resolved(args: OnResolveArgs, resolution: Resolution): OnResolveResult | Promise<OnResolveResult> {
    const shown = JSON.stringify(args.path.slice(0, 200));
    switch (resolution.type) {
      case "file":
        return {
          path: resolution.path,
          namespace: bundleNamespace,
          ...(!resolution.hasSideEffects && { sideEffects: false }),
        };
      case "empty":
        return { path: args.path, namespace: emptyNamespace };
      case "provided": {
        const { specifier } = resolution;
        if (specifier === libraryName) return this.#onDisk(libraryPath, shown);
        if (onnxRuntimeAssets.has(specifier)) return { path: specifier, namespace: runtimeNamespace };
        return this.#resolveProvided(args, specifier, projectFolder);
      }
      case "builtin": {
        const { specifier } = resolution;
        const isGuarded = args.kind === "require-call" || args.kind === "dynamic-import";
        // Packages ask for them in branches that are for Node; handlers' own code means it.
        if (isGuarded && isOfPackage(args.importer)) return this.#leaveBuiltin(specifier);
        return refuse(`Cannot import ${shown} as handlers have no modules of Node: ${insteadOf(specifier)}`);
      }
      case "refused":
        return refuse(`Cannot import ${shown}: ${resolution.reason}`);
      default:
        return resolution satisfies never;
    }
  }

  #leaveBuiltin(specifier: string): OnResolveResult {
    this.#findings.builtins.add(specifier);
    return { path: specifier, external: true };
  }

  /** By esbuild's own rules, from a folder of this project. */
  async #resolveProvided(args: OnResolveArgs, specifier: string, folder: string): Promise<OnResolveResult> {
    if (isNodeBuiltin(specifier)) return this.#leaveBuiltin(specifier);
    const result = await this.#build.resolve(specifier, {
      kind: args.kind,
      resolveDir: folder,
      pluginData: askedByPlugin,
    });
    const shown = JSON.stringify(specifier.slice(0, 200));
    // Its own words may name folders of this machine.
    if (result.errors.length > 0 || result.external || result.namespace !== "file")
      return result.namespace === "(disabled):file" || result.namespace === "disabled"
        ? { path: specifier, namespace: emptyNamespace }
        : refuse(`Cannot import ${shown}: the package that Dawnlet provides does not have it`);
    const resolved = this.#onDisk(result.path, shown);
    return { ...resolved, ...(result.sideEffects === false && { sideEffects: false }) };
  }

  #onDisk(path: string, shown: string): OnResolveResult {
    const name = this.#disk.nameOf(path);
    return name === undefined
      ? refuse(`Cannot import ${shown}: it is not part of a package that Dawnlet provides`)
      : { path: name, namespace: providedNamespace };
  }

  async loadOwn({ path }: OnLoadArgs): Promise<OnLoadResult> {
    const bytes = this.#files.get(path);
    if (bytes === undefined) return refuse("there is no such file in the bundle");
    const loader = loaderOf(path);
    if (loader === undefined)
      return refuse(
        `Cannot import '${path}' as its type is not one that is imported: read it with ctx.file(${JSON.stringify(path)})`,
      );
    if (!isCode(loader)) {
      if (bytes.byteLength <= largestImportedBytes) return { contents: bytes, loader };
      return refuse(
        `Cannot import '${path}' as it has ${bytes.byteLength} bytes and at most ${largestImportedBytes} are imported: read it with ctx.file(${JSON.stringify(path)})`,
      );
    }
    this.#codeBytes += bytes.byteLength;
    if (this.#codeBytes > mostCodeBytes)
      return refuse(`the code that is imported has more than ${mostCodeBytes} bytes`);
    let text: string;
    try {
      text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      return refuse(`Cannot import '${path}' as it is no UTF-8 text`);
    }
    try {
      const plain = await withoutComputedImports(this.#bundler, withoutMapLinks(text), loader);
      for (const position of plain.replaced) this.#findings.computedImports.push({ path, ...position });
      return { contents: plain.code, loader };
    } catch (error) {
      if (hasMessages(error)) return { errors: error.errors.map((message) => messageIn(path, message)) };
      throw error;
    }
  }

  /** The module that stands for ONNX Runtime. */
  loadRuntime({ path: specifier }: OnLoadArgs): OnLoadResult {
    this.#findings.assets.add(onnxRuntimeAssets.get(specifier)!);
    return { contents: onnxRuntimeModule(specifier), loader: "js" };
  }

  async loadProvided({ path: name }: OnLoadArgs): Promise<OnLoadResult> {
    const path = this.#disk.pathOf(name);
    const loader = loaderOf(name);
    if (path === undefined || loader === undefined) return refuse(`Cannot import '${name}'`);
    try {
      return { contents: withoutMapLinks(await readFile(path, "utf8")), loader };
    } catch {
      // The error would name the path.
      return refuse(`Cannot read '${name}' of this installation of Dawnlet`);
    }
  }
}

/**
 * esbuild follows `sourceMappingURL`, to any file of this machine. In a comment the escape hides it; in a string or a
 * regular expression, where it might stand as well, it means the same letter.
 */
function withoutMapLinks(code: string): string {
  return code.replaceAll(/([#@]\s+sourceMapping)URL=/g, "$1\\u0055RL=");
}

/** True for files of the bundle's own packages. */
export function isOfPackage(path: string): boolean {
  return /(^|\/)node_modules\//.test(path);
}

function refuse(text: string): { readonly errors: Array<{ readonly text: string }> } {
  return { errors: [{ text }] };
}
