/** Where what can be made again is kept for later. Used by Node and Deno. */
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";

export function cacheFolder(): string {
  if (process.env.XDG_CACHE_HOME) return join(process.env.XDG_CACHE_HOME, "dawnlet");
  if (process.platform === "darwin") return join(homedir(), "Library", "Caches", "dawnlet");
  if (process.env.LOCALAPPDATA) return join(process.env.LOCALAPPDATA, "dawnlet", "cache");
  return join(homedir(), ".cache", "dawnlet");
}
