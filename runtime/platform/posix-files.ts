/** Files by node:fs. Used by Node and Deno. */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { uptime } from "node:os";
import { dirname, join } from "node:path";
import { cacheFolder } from "./cache-folder.ts";
import type { Files } from "./platform.ts";

export const posixFiles: Files = {
  async read(path) {
    try {
      return new Uint8Array(await readFile(path));
    } catch (error) {
      return ifAbsent(error, undefined);
    }
  },

  async write(path, bytes) {
    await mkdir(dirname(path), { recursive: true });
    const part = `${path}.${crypto.randomUUID()}.part`;
    try {
      await writeFile(part, bytes);
      await rename(part, path);
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
  },

  async stat(path) {
    try {
      const { size, mtimeMs } = await stat(path);
      return { sizeBytes: size, modifiedMs: mtimeMs };
    } catch (error) {
      return ifAbsent(error, undefined);
    }
  },

  async list(folder) {
    try {
      return (await readdir(folder)).sort();
    } catch (error) {
      return ifAbsent(error, []);
    }
  },

  async moveFolder(from, to) {
    try {
      await mkdir(dirname(to), { recursive: true });
      await rename(from, to);
      return true;
    } catch (error) {
      if (existsSync(to)) return false;
      throw error;
    }
  },

  async remove(path) {
    await rm(path, { recursive: true, force: true });
  },

  cacheFolder,

  async bootId() {
    const known = await this.read("/proc/sys/kernel/random/boot_id");
    if (known) return new TextDecoder().decode(known).trim();
    // Elsewhere the minute of the start: a clock that is set meanwhile costs one more look at what is there.
    return `boot-${Math.round((Date.now() / 1000 - uptime()) / 60)}`;
  },

  packageFolder(name) {
    // Not `resolve`: packages need not export anything that can be resolved.
    for (const modules of createRequire(import.meta.url).resolve.paths(name) ?? []) {
      const folder = join(modules, name);
      if (existsSync(join(folder, "package.json"))) return folder;
    }
    return undefined;
  },
};

function ifAbsent<T>(error: unknown, value: T): T {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT" || code === "ENOTDIR") return value;
  throw error;
}
