/**
 * The files of a handler bundle as a file system of their own: paths, folders, and which file an import without
 * an extension means. It knows nothing outside the bundle: a path that leads there is no path.
 */

/** Tried in this order after the path as it is written. */
const extensions = [".ts", ".tsx", ".js", ".mjs", ".jsx", ".json", ".cjs", ".mts", ".cts"];

/** TypeScript lets an import name the file that a compiler would write. */
const sourcesOf: Readonly<Record<string, readonly string[]>> = {
  ".js": [".ts", ".tsx"],
  ".jsx": [".tsx"],
  ".mjs": [".mts"],
  ".cjs": [".cts"],
};

export class BundleFiles {
  readonly #files: ReadonlyMap<string, Uint8Array>;
  readonly #folders = new Set<string>([""]);

  constructor(files: ReadonlyMap<string, Uint8Array>) {
    this.#files = files;
    for (const path of files.keys())
      for (let folder = folderOf(path); !this.#folders.has(folder); folder = folderOf(folder))
        this.#folders.add(folder);
  }

  read(path: string): Uint8Array | undefined {
    return this.#files.get(path);
  }

  hasFolder(path: string): boolean {
    return this.#folders.has(path);
  }

  /** The file that an import of `path` means: itself, with an extension, or the index of a folder. */
  find(path: string): string | undefined {
    return this.#findFile(path) ?? (this.hasFolder(path) ? this.#findFile(joined(path, "index")) : undefined);
  }

  #findFile(path: string): string | undefined {
    if (this.#files.has(path)) return path;
    const [, stem, written] = /^(.*)(\.[cm]?jsx?)$/.exec(path) ?? [];
    const candidates = [
      ...(sourcesOf[written ?? ""] ?? []).map((extension) => `${stem}${extension}`),
      ...extensions.map((extension) => path + extension),
    ];
    return candidates.find((candidate) => this.#files.has(candidate));
  }
}

/** Of a path in a bundle; empty for what lies at its root. */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

/** `relative` as seen from `folder`, or undefined where it leads outside the bundle. */
export function resolvePath(folder: string, relative: string): string | undefined {
  const parts = folder === "" ? [] : folder.split("/");
  for (const part of relative.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.join("/");
}

export function joined(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}
