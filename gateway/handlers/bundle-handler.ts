/**
 * From the files of a handler bundle to one ES module with a source map. The files are a stranger's: they are parsed
 * in esbuild's process, which sees them and the packages that Dawnlet provides. Nothing is run here.
 */
import type { BuildOptions, BuildResult } from "esbuild";
import { DawnletError } from "../../kernels/errors.ts";
import { buildFailure, describeMessage, hasMessages, shownPath } from "./build-messages.ts";
import { bundlePlugin, type Findings, isOfPackage, noFindings } from "./bundle-plugin.ts";
import { type Bundler, withBundler } from "./bundler.ts";
import { computedImportFunctions } from "./computed-imports.ts";
import { isCode, loaderOf } from "./loaders.ts";
import { projectFolder } from "./provided-packages.ts";
import { bundleFileName } from "./source-positions.ts";

export interface BundledHandler {
  /** One ES module whose default export is the handler. It may have `await` at its top level. */
  readonly code: string;
  /** Source map as JSON: paths in the bundle, and of provided packages (`hono/dist/hono.js`); no sources. */
  readonly map: string;
  /** `file:line:column: text`. */
  readonly warnings: readonly string[];
  /** Modules of Node that are still imported, by packages only. Most are never asked for. */
  readonly builtins: readonly string[];
  /** Files that the code gets from `globalThis[Symbol.for("dawnlet.host")].asset(name)` while it starts. */
  readonly assets: readonly string[];
}

/** Most bytes of the code that comes out. */
export const largestCodeBytes = 16 * 1024 ** 2;

const mostWarnings = 20;

/**
 * Bundles a handler with what it imports.
 * @param entry path of the file with the default export.
 * @param owner whose it is, see `withBundler`.
 * @throws DawnletError INVALID_BUNDLE with the positions of up to ten errors; PAYLOAD_TOO_LARGE.
 */
export async function bundleHandler(
  files: ReadonlyMap<string, Uint8Array>,
  entry: string,
  owner = "",
): Promise<BundledHandler> {
  if (!files.has(entry)) throw invalid(`it has no file ${JSON.stringify(entry)}, which is its entry`);
  if (!isCode(loaderOf(entry)))
    throw invalid(`its entry ${JSON.stringify(entry)} is no code: expected .ts, .tsx, .js, .mjs or .jsx`);
  const findings = noFindings();
  const { outputFiles, metafile, warnings } = await withBundler(owner, (bundler) =>
    build(bundler, files, entry, findings),
  );
  if (metafile.outputs[bundleFileName]?.exports.includes("default") !== true)
    throw invalid(
      `${entry} has no default export: expected \`export default { fetch(request, env, ctx) { … } }\``,
    );
  const output = (name: string) => outputFiles.find(({ path }) => path.endsWith(name))?.text ?? "";
  const code = output(bundleFileName) + (findings.computedImports.length > 0 ? computedImportFunctions : "");
  const codeBytes = new TextEncoder().encode(code).byteLength;
  if (codeBytes > largestCodeBytes)
    throw new DawnletError(
      "PAYLOAD_TOO_LARGE",
      `Cannot deploy the bundle as its code has ${codeBytes} bytes with all that it imports: at most ${largestCodeBytes} are taken; read large files with ctx.file(path)`,
    );
  return {
    code,
    map: withoutHostPaths(output(`${bundleFileName}.map`)),
    warnings: [...computedImportWarnings(findings), ...warnings.map(describeMessage)].slice(0, mostWarnings),
    builtins: [...findings.builtins].sort(),
    assets: [...findings.assets].sort(),
  };
}

const options: BuildOptions = {
  bundle: true,
  outfile: bundleFileName,
  // Not the folder of this process, which may be anybody's: only what is provided lies there.
  absWorkingDir: projectFolder,
  format: "esm",
  platform: "browser",
  conditions: ["worker", "browser", "module"],
  target: "esnext",
  charset: "utf8",
  legalComments: "none",
  sourcemap: "external",
  sourcesContent: false,
  jsx: "automatic",
  jsxImportSource: "hono/jsx",
  // No tsconfig.json, neither the bundle's nor ours.
  tsconfigRaw: "{}",
  define: {
    "import.meta.url": JSON.stringify(`file:///handler/${bundleFileName}`),
    "process.env.NODE_ENV": '"production"',
    global: "globalThis",
  },
  logLevel: "silent",
  logLimit: 0,
  // Would be a path that computed-imports.ts has not seen.
  logOverride: { "empty-glob": "error" },
};

/** What the type of the result follows from. */
const results = { write: false, metafile: true } as const;

async function build(
  bundler: Bundler,
  files: ReadonlyMap<string, Uint8Array>,
  entry: string,
  findings: Findings,
): Promise<BuildResult<typeof results>> {
  try {
    const plugins = [bundlePlugin(bundler, files, findings)];
    return await bundler.build({ ...options, ...results, entryPoints: [entry], plugins });
  } catch (error) {
    if (hasMessages(error)) throw buildFailure(error.errors);
    const message =
      "Cannot deploy the bundle as the bundler ended while it read the code: is it nested deeply?";
    throw new DawnletError("INVALID_BUNDLE", message, { cause: error });
  }
}

/** For the handler's own code: packages have calls that are never reached. */
function computedImportWarnings({ computedImports }: Findings): readonly string[] {
  return computedImports
    .filter(({ path }) => !isOfPackage(path))
    .map(
      ({ path, line, column }) =>
        `${path}:${line}:${column}: a path that is put together at run time leads nowhere`,
    );
}

/** esbuild names sources by namespace and path. */
function withoutHostPaths(text: string): string {
  const map: { sources: string[] } = JSON.parse(text);
  return JSON.stringify({ ...map, sources: map.sources.map((source) => shownPath(source) ?? "dawnlet") });
}

function invalid(reason: string): DawnletError {
  return new DawnletError("INVALID_BUNDLE", `Cannot deploy the bundle as ${reason}`);
}
