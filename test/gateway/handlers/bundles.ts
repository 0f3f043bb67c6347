/** Handler bundles as maps of files. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { projectFolder } from "../../../gateway/handlers/provided-packages.ts";

export function bundleOf(files: Readonly<Record<string, string | Uint8Array>>): Map<string, Uint8Array> {
  const encoder = new TextEncoder();
  return new Map(
    Object.entries(files).map(([path, content]) => [
      path,
      typeof content === "string" ? encoder.encode(content) : content,
    ]),
  );
}

export interface LoadedHandler {
  fetch(request: Request, ...rest: readonly unknown[]): Response | Promise<Response>;
}

/** Loads bundled code into this process: for handlers of tests, which are no strangers. */
export async function loadHandler(code: string): Promise<LoadedHandler> {
  const base64 = new TextEncoder().encode(code).toBase64();
  const module: { default: LoadedHandler } = await import(
    /* @vite-ignore */ `data:text/javascript;base64,${base64}`
  );
  return module.default;
}

export async function answerOf(code: string, path = "/"): Promise<string> {
  const handler = await loadHandler(code);
  return (await handler.fetch(new Request(`http://localhost${path}`))).text();
}

/** What a handler's process provides, while it is not disposed. */
export function provideHost(): Disposable & { readonly asked: readonly string[] } {
  const key = Symbol.for("dawnlet.host");
  const asked: string[] = [];
  const asset = async (name: string) => {
    asked.push(name);
    return new Uint8Array(
      await readFile(join(projectFolder, "node_modules", "onnxruntime-web", "dist", name)),
    );
  };
  Object.assign(globalThis, { [key]: { asset } });
  return {
    asked,
    [Symbol.dispose]: () => {
      Reflect.deleteProperty(globalThis, key);
    },
  };
}
