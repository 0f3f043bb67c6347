/** Where Dawnlet's own modules lie: a sealed process must be able to read what it is made of. Used by Node and Deno. */
import { fileURLToPath } from "node:url";

const names = ["package.json", "deno.json", "node_modules", "kernels", "models", "runtime"];

/** Absolute paths. There is nothing secret in them. */
export function ownModules(): readonly string[] {
  const root = new URL("../../", import.meta.url);
  return names.map((name) => fileURLToPath(new URL(name, root)));
}
