/**
 * Tells when what would be deployed has changed: a file, or a folder with all below it. Folders are watched one by one, as
 * recursive watching differs among systems and runtimes; what is in `node_modules` is not, but its top, which an install
 * changes. Whether something has really changed, names, sizes and times of the files say: readers make events too.
 */
import { type FSWatcher, watch } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { DawnletError } from "../../kernels/errors.ts";
import { bundleFiles } from "./bundle-source.ts";

/** Editors write a file in several steps, version control many files. */
const quietMs = 50;
/** Files that are not there for a moment, as they are being replaced: how often to look again. */
const mostMisses = 4;

interface Watched {
  /** Of the folder: inodes are used again. */
  readonly identity: string;
  readonly watcher: FSWatcher;
}

export class BundleWatch implements Disposable {
  readonly #path: string;
  readonly #onChange: () => void;
  /** By path. */
  readonly #folders = new Map<string, Watched>();
  #seen: string | undefined;
  #misses = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isLooking = false;
  #isEnded = false;

  /** @throws DawnletError UNAVAILABLE where the system watches nothing, or nothing more. */
  static async start(path: string, onChange: () => void): Promise<BundleWatch> {
    const bundle = new BundleWatch(resolve(path), onChange);
    await bundle.#watchAll();
    bundle.#seen = await stampOf(bundle.#path);
    return bundle;
  }

  private constructor(path: string, onChange: () => void) {
    this.#path = path;
    this.#onChange = onChange;
  }

  [Symbol.dispose](): void {
    this.#isEnded = true;
    clearTimeout(this.#timer);
    for (const { watcher } of this.#folders.values()) watcher.close();
    this.#folders.clear();
  }

  /** Once nothing happens for a moment. */
  #lookSoon(): void {
    if (this.#isEnded) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#look(), quietMs);
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return this.#lookSoon();
    this.#isLooking = true;
    try {
      // First: what changes from here on makes an event.
      await this.#watchAll().catch(() => {});
      const stamp = await stampOf(this.#path);
      if (this.#isEnded) return;
      if (stamp === undefined && this.#misses < mostMisses) {
        this.#misses++;
        this.#lookSoon();
        return;
      }
      this.#misses = 0;
      if (stamp === this.#seen) return;
      this.#seen = stamp;
      this.#onChange();
    } finally {
      this.#isLooking = false;
    }
  }

  async #watchAll(): Promise<void> {
    // What replaces it by renaming is seen from the folder that it is in.
    const name = basename(this.#path);
    const above = dirname(this.#path);
    await this.#watch(above, (changed) => changed === null || changed === name);
    const folders = await foldersOf(this.#path);
    for (const folder of folders) await this.#watch(folder);
    const kept = new Set([above, ...folders]);
    for (const [path, { watcher }] of this.#folders) {
      if (kept.has(path)) continue;
      watcher.close();
      this.#folders.delete(path);
    }
  }

  /** A folder that was replaced by another one is watched anew. */
  async #watch(folder: string, isMeant: (name: string | null) => boolean = () => true): Promise<void> {
    const status = await stat(folder, { bigint: true }).catch(() => undefined);
    const identity = `${status?.ino} ${status?.birthtimeNs}`;
    const known = this.#folders.get(folder);
    if (known?.identity === identity) return;
    this.#folders.delete(folder);
    if (known !== undefined) {
      known.watcher.close();
      // Deno 2.9 still takes the path for watched in this turn, and watches nothing.
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    if (status === undefined || this.#isEnded) return;
    try {
      const watcher = watch(folder, (_, changed) => {
        if (isMeant(changed)) this.#lookSoon();
      });
      // Its folder went: the one above tells.
      watcher.on("error", () => this.#lookSoon());
      this.#folders.set(folder, { identity, watcher });
    } catch (cause) {
      const why = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
      throw new DawnletError("UNAVAILABLE", `Cannot watch '${folder}' for changes (${why})`, { cause });
    }
  }
}

/** A folder and those below it whose files are deployed. */
async function foldersOf(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => undefined);
  if (entries === undefined) return [];
  if (basename(path) === "node_modules") return [path];
  const below: string[] = [];
  for (const entry of entries)
    if (entry.isDirectory() && !entry.name.startsWith("."))
      below.push(...(await foldersOf(join(path, entry.name))));
  return [path, ...below];
}

/** Of all files: differs where one has changed. Undefined where they cannot be read now. */
async function stampOf(path: string): Promise<string | undefined> {
  try {
    return (await bundleFiles(path)).map(({ name, stamp }) => `${name} ${stamp}\n`).join("");
  } catch {
    return undefined;
  }
}
