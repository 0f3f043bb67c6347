/**
 * Takes `import(…)` and `require(…)` of paths that are put together at run time out of a handler's code, before it
 * is bundled: for a path that begins with './' esbuild would list the folders of this machine for files that fit
 * (https://esbuild.github.io/api/#glob), without asking a plugin. In their place come functions that say why
 * there is nothing to import: a bundle is one file, and what it does not have cannot be loaded later.
 */
import type { Loader, Message } from "esbuild";
import type { Bundler } from "./bundler.ts";

const importName = "__dawnletImport";
const requireName = "__dawnletRequire";

/** Goes behind the code of a bundle with such calls: function declarations count from its beginning. */
export const computedImportFunctions = `function ${requireName}(path) { throw new TypeError(\`Cannot import '\${path}': only paths that are written out are part of the bundle\`); }
async function ${importName}(path) { ${requireName}(path); }
`;

export interface PlainImports {
  readonly code: string;
  /** Lines of the code, from 1, with calls that were replaced; columns behind them have moved. */
  readonly replaced: ReadonlyArray<{ readonly line: number; readonly column: number }>;
}

/**
 * Replaces what esbuild itself finds, as it parses here what it will parse when bundling.
 * @throws what esbuild throws for code that it cannot parse: nothing gets past this.
 */
export async function withoutComputedImports(
  bundler: Bundler,
  code: string,
  loader: Loader,
): Promise<PlainImports> {
  const messages = await findCalls(bundler, code, loader);
  if (messages.length === 0) return { code, replaced: [] };
  const bytes = new TextEncoder().encode(code);
  const lines = lineStarts(bytes);
  const calls = new Map<number, { length: number; line: number; column: number }>();
  for (const { location } of messages) {
    if (location === null) continue;
    const { line, column, length } = location;
    calls.set((lines[line - 1] ?? Number.NaN) + column, { length, line, column: column + 1 });
  }
  let plain = "";
  let end = 0;
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const replaced: PlainImports["replaced"][number][] = [];
  for (const [start, { length, line, column }] of [...calls].sort(([a], [b]) => a - b)) {
    const word = decoder.decode(bytes.subarray(start, start + length));
    plain += decoder.decode(bytes.subarray(end, start)) + (word === "import" ? importName : requireName);
    end = start + length;
    replaced.push({ line, column });
  }
  return { code: plain + decoder.decode(bytes.subarray(end)), replaced };
}

async function findCalls(bundler: Bundler, code: string, loader: Loader): Promise<readonly Message[]> {
  const ids = ["unsupported-dynamic-import", "unsupported-require-call"];
  const { warnings } = await bundler.transform(code, {
    loader,
    format: "esm",
    target: "esnext",
    jsx: "automatic",
    tsconfigRaw: "{}",
    logLevel: "silent",
    logLimit: 0,
    logOverride: Object.fromEntries(ids.map((id) => [id, "warning"])),
  });
  // It says of `require("a")` as well, under the same id, that it stays as it is: when bundling, it does not.
  return warnings.filter(({ id, text }) => ids.includes(id) && !text.startsWith('Converting "require"'));
}

/** Offsets at which lines begin, as esbuild counts them: after \n, \r, \r\n, U+2028 and U+2029. */
function lineStarts(bytes: Uint8Array): readonly number[] {
  const starts = [0];
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === 0x0a || (byte === 0x0d && bytes[i + 1] !== 0x0a)) starts.push(i + 1);
    const isSeparator = byte === 0xe2 && bytes[i + 1] === 0x80;
    if (isSeparator && (bytes[i + 2] === 0xa8 || bytes[i + 2] === 0xa9)) starts.push(i + 3);
  }
  return starts;
}
