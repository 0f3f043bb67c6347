/**
 * Finds the file behind an import as a browser's bundler would: `exports` and `imports` of package.json under the
 * conditions `browser`, `import`, `default`. Relative imports need no help and are not its business.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const conditions = ["browser", "import", "default"];

type Target = string | null | readonly Target[] | { readonly [key: string]: Target };

interface PackageJson {
  readonly exports?: Target;
  readonly imports?: Target;
  readonly browser?: unknown;
  readonly module?: string;
  readonly main?: string;
}

/** @returns a path, or undefined where the specifier is relative, a URL, or leads nowhere. */
export function resolveImport(specifier: string, importer: string): string | undefined {
  if (/^(\.|\/|[\w+.-]+:)/.test(specifier)) return undefined;
  if (specifier.startsWith("#")) {
    const folder = ownPackage(importer);
    const target = folder && matchKey(readPackage(folder).imports, specifier);
    return target ? join(folder, target) : undefined;
  }
  const [, name = "", rest = ""] = /^(@[^/]+\/[^/]+|[^/]+)(.*)$/.exec(specifier) ?? [];
  const folder = installedPackage(name, importer);
  if (!folder) return undefined;
  const description = readPackage(folder);
  if (description.exports === undefined) {
    const entry = typeof description.browser === "string" ? description.browser : undefined;
    return join(folder, rest || (entry ?? description.module ?? description.main ?? "index.js"));
  }
  const isMap =
    typeof description.exports === "object" && Object.keys(description.exports ?? {})[0]?.startsWith(".");
  const target = matchKey(isMap ? description.exports : { ".": description.exports }, `.${rest}`);
  return target && join(folder, target);
}

/** The target of a key in a map of subpaths, with its `*` filled in. The longest pattern wins. */
function matchKey(map: Target | undefined, key: string): string | undefined {
  if (typeof map !== "object" || map === null || Array.isArray(map)) return undefined;
  const targets = map as { readonly [key: string]: Target };
  if (Object.hasOwn(targets, key)) return choose(targets[key]);
  const patterns = Object.keys(targets).filter((pattern) => pattern.includes("*"));
  for (const pattern of patterns.toSorted((a, b) => b.length - a.length)) {
    const [head = "", tail = ""] = pattern.split("*");
    if (!key.startsWith(head) || !key.endsWith(tail) || key.length < pattern.length) continue;
    return choose(targets[pattern])?.replaceAll("*", key.slice(head.length, key.length - tail.length));
  }
  return undefined;
}

/** The first target whose conditions hold. */
function choose(target: Target | undefined): string | undefined {
  if (typeof target === "string") return target;
  if (typeof target !== "object" || target === null) return undefined;
  if (Array.isArray(target)) return target.map(choose).find((path) => path !== undefined);
  for (const [condition, each] of Object.entries(target)) {
    const chosen = conditions.includes(condition) ? choose(each) : undefined;
    if (chosen) return chosen;
  }
  return undefined;
}

function readPackage(folder: string): PackageJson {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
}

function ownPackage(file: string): string | undefined {
  return upwards(file, (folder) => (existsSync(join(folder, "package.json")) ? folder : undefined));
}

function installedPackage(name: string, importer: string): string | undefined {
  return upwards(importer, (folder) => {
    const candidate = join(folder, "node_modules", name);
    return existsSync(join(candidate, "package.json")) ? candidate : undefined;
  });
}

function upwards(file: string, look: (folder: string) => string | undefined): string | undefined {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const found = look(folder);
    if (found || folder === dirname(folder)) return found;
  }
}
