/**
 * Secrets that `dawnlet dev` is given: `KEY=value` as options, or lines of a file. No message says a value, as what stands
 * on a line that is wrong may be one.
 */
import { readFile } from "node:fs/promises";
import { DawnletError } from "../../kernels/errors.ts";
import { checkSecretKey } from "../functions/secrets.ts";

/** @param pairs win over the file. @throws DawnletError INVALID_ARGUMENT */
export async function readDevSecrets(
  pairs: readonly string[],
  path: string | undefined,
): Promise<ReadonlyMap<string, string>> {
  const fromFile = path === undefined ? new Map<string, string>() : await readSecretsFile(path);
  const given = pairs.map((pair, index) => {
    const end = pair.indexOf("=");
    if (end < 0) throw wrong(`--secret number ${index + 1}`, "KEY=value");
    return keyAndValue(pair.slice(0, end), pair.slice(end + 1));
  });
  return new Map([...fromFile, ...given]);
}

async function readSecretsFile(path: string): Promise<ReadonlyMap<string, string>> {
  try {
    return parseSecretsFile(await readFile(path, "utf8"), path);
  } catch (cause) {
    if (cause instanceof DawnletError) throw cause;
    const why = cause instanceof Error && "code" in cause ? String(cause.code) : "it cannot be opened";
    throw new DawnletError("INVALID_ARGUMENT", `Cannot read the secrets of '${path}': ${why}`, { cause });
  }
}

/**
 * Lines `KEY=value`, `KEY="value"` with `\n` for line breaks, `KEY='value'`, each with or without `export` before it;
 * `#` begins a comment at the beginning of a line, or after a blank behind a value without quotes.
 * @throws DawnletError INVALID_ARGUMENT naming the line.
 */
export function parseSecretsFile(text: string, path: string): ReadonlyMap<string, string> {
  const secrets = new Map<string, string>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const [, key, rest] = /^\s*(?:export\s+)?([^\s=]+)\s*=\s*(.*)$/.exec(line) ?? [];
    const value = rest === undefined ? undefined : unquoted(rest.trim());
    if (key === undefined || value === undefined) throw wrong(`line ${index + 1} of '${path}'`, "KEY=value");
    secrets.set(...keyAndValue(key, value));
  }
  return secrets;
}

/** Undefined where a quote is open. */
function unquoted(text: string): string | undefined {
  if (text.startsWith("'")) return /^'([^']*)'\s*(?:#.*)?$/.exec(text)?.[1];
  if (!text.startsWith('"')) return text.replace(/\s+#.*$/, "");
  const inner = /^"((?:[^"\\]|\\.)*)"\s*(?:#.*)?$/.exec(text)?.[1];
  return inner?.replaceAll(/\\(.)/g, (_, character) => (character === "n" ? "\n" : character));
}

function keyAndValue(key: string, value: string): [string, string] {
  checkSecretKey(key);
  if (value === "") throw new DawnletError("INVALID_ARGUMENT", `Cannot set secret '${key}' as it is empty`);
  return [key, value];
}

function wrong(where: string, expected: string): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot read the secret at ${where}: expected ${expected}`);
}
