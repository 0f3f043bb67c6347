/**
 * The program of a sealed process as one module of JavaScript: it starts in a third of the time that Node takes for the
 * sources (106 instead of 320 ms, Deno 95 instead of 126, 2-core x86-64 under load), and may not even read those.
 */
import { fileURLToPath } from "node:url";
import type { Platform } from "../../runtime/platform/platform.ts";
import { withBundler } from "./bundler.ts";
import { projectFolder } from "./provided-packages.ts";

const isolateMain = new URL("../../runtime/isolate/main.ts", import.meta.url);

/**
 * For `Sealing.script`.
 * @param entry uses no `import.meta` before it has started; packages that it imports later are not there.
 * @throws DawnletError where it takes too long; what esbuild throws.
 */
export function sealedScript(
  { runtime, sealModule }: Pick<Platform, "runtime" | "sealModule">,
  entry: URL = isolateMain,
): Promise<string> {
  const modules = sealModule === undefined ? [entry] : [sealModule, entry];
  const imports = modules.map((module) => `import ${JSON.stringify(fileURLToPath(module))};`);
  return withBundler("", async ({ build }) => {
    const { outputFiles } = await build({
      stdin: { contents: imports.join("\n"), resolveDir: projectFolder },
      ...{ bundle: true, write: false, packages: "external", platform: "node", conditions: [runtime] },
      ...{ format: "esm", target: "esnext", minifyWhitespace: true, minifySyntax: true },
      // package.json says that modules have no effects: these have.
      ...{ ignoreAnnotations: true, logLevel: "silent" },
    });
    return outputFiles[0]!.text;
  });
}
