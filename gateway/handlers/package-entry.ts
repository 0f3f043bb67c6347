/**
 * What a `package.json` says about which of its package's files an import means: `exports` and `imports` with
 * conditions and patterns, `module`, `main` and `browser`. Pure; the file is a stranger's and may hold anything.
 * As in https://nodejs.org/api/esm.html#resolution-algorithm-specification, without its legacy folder mappings.
 */

export interface PackageJson {
  readonly exports?: unknown;
  readonly imports?: unknown;
  readonly module?: unknown;
  readonly main?: unknown;
  readonly browser?: unknown;
  readonly sideEffects?: unknown;
}

export type ImportStyle = "import" | "require";

/** Conditions that count in `exports`, beside the style of the import and "default". */
const conditions: ReadonlySet<string> = new Set(["browser", "worker", "module", "production"]);

/** Conditions in conditions: nobody needs as many. */
const deepest = 16;

/** Undefined where the bytes are no JSON object: the package is taken for one without a `package.json`. */
export function parsePackageJson(bytes: Uint8Array | undefined): PackageJson | undefined {
  if (bytes === undefined) return undefined;
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return isObject(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

/** Paths to try, in order, for the package itself where it has no `exports`. */
export function mainFiles(json: PackageJson, style: ImportStyle): readonly string[] {
  const { browser, module, main } = json;
  const stated = style === "import" ? [browser, module, main] : [browser, main, module];
  return [...stated.filter((path) => typeof path === "string"), "index"];
}

/**
 * What `exports` gives for `.` or `./subpath`.
 * @returns undefined where the package does not export that.
 */
export function exportedPath(exports: unknown, subpath: string, style: ImportStyle): string | undefined {
  const isMap = isObject(exports) && Object.keys(exports).some((key) => key.startsWith("."));
  return matchedTarget(isMap ? exports : { ".": exports }, subpath, style);
}

/** What `imports` gives for `#name`: a path in the package, or another package. */
export function importedPath(imports: unknown, name: string, style: ImportStyle): string | undefined {
  return isObject(imports) ? matchedTarget(imports, name, style) : undefined;
}

/**
 * What a `browser` map puts in the place of a path (`./lib/node.js`) or a package.
 * @returns false where it is left out, undefined where the map does not name it.
 */
export function browserReplacement(json: PackageJson, name: string): string | false | undefined {
  if (!isObject(json.browser)) return undefined;
  const names = [name, name.replace(/\.[cm]?jsx?$/, "")];
  for (const key of names) {
    if (!Object.hasOwn(json.browser, key)) continue;
    const value = json.browser[key];
    if (value === false || typeof value === "string") return value;
  }
  return undefined;
}

function matchedTarget(
  map: Readonly<Record<string, unknown>>,
  name: string,
  style: ImportStyle,
): string | undefined {
  if (Object.hasOwn(map, name) && !name.includes("*")) return target(map[name], "", style, 0);
  let best: { readonly key: string; readonly prefix: string; readonly match: string } | undefined;
  for (const key of Object.keys(map)) {
    const star = key.indexOf("*");
    if (star === -1) continue;
    const prefix = key.slice(0, star);
    const suffix = key.slice(star + 1);
    const fits =
      name.length > prefix.length + suffix.length && name.startsWith(prefix) && name.endsWith(suffix);
    if (!fits || (best !== undefined && best.prefix.length >= prefix.length)) continue;
    best = { key, prefix, match: name.slice(prefix.length, name.length - suffix.length) };
  }
  return best && target(map[best.key], best.match, style, 0);
}

function target(value: unknown, match: string, style: ImportStyle, depth: number): string | undefined {
  if (typeof value === "string") return value.replaceAll("*", () => match);
  if (typeof value !== "object" || value === null || depth > deepest) return undefined;
  if (Array.isArray(value)) {
    for (const one of value) {
      const found = target(one, match, style, depth + 1);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  for (const [condition, inner] of Object.entries(value)) {
    if (condition !== style && condition !== "default" && !conditions.has(condition)) continue;
    // A null that fits hides the path: conditions after it do not count.
    if (inner === null) return undefined;
    const found = target(inner, match, style, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
