/**
 * What an import in a handler bundle means: a file of the bundle, a package that Dawnlet provides, or something
 * of Node. Looks at the bundle's own files only, and never at a disk.
 */
import { BundleFiles, folderOf, joined, resolvePath } from "./bundle-files.ts";
import { isNodeBuiltin } from "./node-builtins.ts";
import {
  browserReplacement,
  exportedPath,
  type ImportStyle,
  importedPath,
  mainFiles,
  type PackageJson,
  parsePackageJson,
} from "./package-entry.ts";
import { isProvided, providedNames } from "./provided-packages.ts";

export type Resolution =
  | { readonly type: "file"; readonly path: string; readonly hasSideEffects: boolean }
  /** Nothing: what a package leaves out in browsers. */
  | { readonly type: "empty" }
  | { readonly type: "provided"; readonly specifier: string }
  | { readonly type: "builtin"; readonly specifier: string }
  | { readonly type: "refused"; readonly reason: string };

/** Imports that lead to imports (`imports`, `browser`): no package needs more. */
const longestChain = 8;

export class ImportResolver {
  readonly #files: BundleFiles;
  readonly #packages = new Map<string, PackageJson | undefined>();

  constructor(files: ReadonlyMap<string, Uint8Array>) {
    this.#files = new BundleFiles(files);
  }

  /** @param importer path of the file with the import. */
  resolve(importer: string, specifier: string, style: ImportStyle): Resolution {
    return this.#resolve(folderOf(importer), specifier, style, 0);
  }

  #resolve(folder: string, specifier: string, style: ImportStyle, depth: number): Resolution {
    if (depth > longestChain)
      return refused("its package.json leads from one import to the next without end");
    const unusable = whyUnusable(specifier);
    if (unusable !== undefined) return refused(unusable);
    if (/^\.\.?(\/|$)/.test(specifier)) {
      const path = resolvePath(folder, specifier);
      if (path === undefined) return refused("it leads outside the bundle");
      const found = this.#findPath(path, style);
      return found === undefined
        ? refused("there is no such file in the bundle")
        : this.#file(found, style, depth);
    }
    const home = this.#packageOf(folder);
    const owner = home === undefined ? undefined : this.#packageJson(home);
    if (specifier.startsWith("#")) {
      const target = importedPath(owner?.imports, specifier, style);
      if (home === undefined || target === undefined)
        return refused("no package.json around it has that in its 'imports'");
      return this.#resolve(home, target, style, depth + 1);
    }
    const replacement = owner && browserReplacement(owner, specifier);
    if (replacement === false) return { type: "empty" };
    if (home !== undefined && replacement !== undefined && replacement !== specifier)
      return this.#resolve(home, replacement, style, depth + 1);
    return this.#resolvePackage(folder, specifier, style, depth);
  }

  #resolvePackage(folder: string, specifier: string, style: ImportStyle, depth: number): Resolution {
    const [, name, subpath] = /^((?:@[^/]+\/)?[^/]+)(\/.*)?$/.exec(specifier) ?? [];
    const parts = specifier.split("/");
    if (name === undefined || name.startsWith("@/") || parts.some((part) => part === ".." || part === "."))
      return refused("that is no name of a package");
    for (let from = folder; !specifier.startsWith("node:"); from = folderOf(from)) {
      const home = joined(from, `node_modules/${name}`);
      if (this.#files.hasFolder(home)) return this.#packageFile(home, name, subpath ?? "", style, depth);
      if (from === "") break;
    }
    if (isProvided(specifier)) return { type: "provided", specifier };
    if (isNodeBuiltin(specifier)) return { type: "builtin", specifier };
    return refused(
      `the bundle's node_modules has no '${name}', and Dawnlet provides ${providedNames} only: put the package into the bundle`,
    );
  }

  #packageFile(home: string, name: string, subpath: string, style: ImportStyle, depth: number): Resolution {
    const json = this.#packageJson(home) ?? {};
    if (json.exports !== undefined && json.exports !== null) {
      const target = exportedPath(json.exports, `.${subpath}`, style);
      if (target === undefined) return refused(`the package '${name}' does not export it`);
      const path = target.startsWith("./") ? resolvePath("", target) : undefined;
      const isInside = path !== undefined && !target.split("/").includes("..");
      const found = isInside ? this.#files.find(joined(home, path)) : undefined;
      if (found === undefined) return refused(`the package '${name}' has no file for what it exports there`);
      return this.#file(found, style, depth);
    }
    const found = subpath === "" ? this.#mainOf(home, style) : this.#findPath(`${home}${subpath}`, style);
    if (found === undefined) return refused(`the package '${name}' in the bundle has no file for it`);
    return this.#file(found, style, depth);
  }

  /** A file, or a folder with a package.json of its own. */
  #findPath(path: string, style: ImportStyle): string | undefined {
    const clean = resolvePath("", path);
    if (clean === undefined) return undefined;
    const hasPackageJson = this.#files.read(joined(clean, "package.json")) !== undefined;
    return (hasPackageJson ? this.#mainOf(clean, style) : undefined) ?? this.#files.find(clean);
  }

  #mainOf(home: string, style: ImportStyle): string | undefined {
    for (const main of mainFiles(this.#packageJson(home) ?? {}, style)) {
      const path = resolvePath("", main);
      // What leads out of the package is no main file, wherever in the bundle it leads.
      if (path === undefined || main.split("/").includes("..")) continue;
      const found = this.#files.find(joined(home, path));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #file(path: string, style: ImportStyle, depth: number): Resolution {
    const home = this.#packageOf(folderOf(path));
    const json = home === undefined ? undefined : this.#packageJson(home);
    if (home !== undefined && json !== undefined) {
      const own = `./${home === "" ? path : path.slice(home.length + 1)}`;
      const replacement = browserReplacement(json, own);
      if (replacement === false) return { type: "empty" };
      if (replacement !== undefined && replacement !== own)
        return this.#resolve(home, replacement, style, depth + 1);
    }
    return { type: "file", path, hasSideEffects: json?.sideEffects !== false };
  }

  /** The nearest folder with a package.json. */
  #packageOf(folder: string): string | undefined {
    for (let from = folder; ; from = folderOf(from)) {
      if (this.#files.read(joined(from, "package.json")) !== undefined) return from;
      if (from === "") return undefined;
    }
  }

  #packageJson(home: string): PackageJson | undefined {
    if (!this.#packages.has(home))
      this.#packages.set(home, parsePackageJson(this.#files.read(joined(home, "package.json"))));
    return this.#packages.get(home);
  }
}

function whyUnusable(specifier: string): string | undefined {
  if (specifier === "") return "it is empty";
  if (specifier.includes("\0") || specifier.includes("\\")) return "it has a NUL or a backslash in it";
  if (specifier.startsWith("/"))
    return "paths are relative to the file with the import and begin with './' or '../'";
  if (/^https?:/i.test(specifier)) return "code is not loaded over the network: put it into the bundle";
  if (/^[a-z][a-z0-9+.-]*:/i.test(specifier) && !specifier.startsWith("node:"))
    return `URLs are not imported: put the file into the bundle, and import it by its path`;
  return undefined;
}

function refused(reason: string): Resolution {
  return { type: "refused", reason };
}
