import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { type BundledHandler, bundleHandler } from "../../../gateway/handlers/bundle-handler.ts";
import { largestImportedBytes } from "../../../gateway/handlers/loaders.ts";
import { libraryName, libraryPath } from "../../../gateway/handlers/provided-packages.ts";
import { answerOf, bundleOf, loadHandler, provideHost } from "./bundles.ts";

const bundle = (files: Readonly<Record<string, string | Uint8Array>>, entry = "handler.ts") =>
  bundleHandler(bundleOf(files), entry);

/** A handler that answers with the value of an expression. */
const answering = (expression: string, imports = "") =>
  `${imports}\nexport default { async fetch(request: Request) { return new Response(String(${expression})) } }`;

/** Written so that readers of this file do not take it for an import of its own. */
const load = "import";

describe("bundleHandler()", () => {
  it("makes one module of TypeScript with what it imports", async () => {
    const { code, map, warnings, builtins, assets } = await bundle({
      "handler.ts": answering(
        "greet('you') + data.n + page",
        [
          'import { greet } from "./lib/greet.js";',
          'import data from "./data.json";',
          'import page from "./pages/index.html";',
        ].join("\n"),
      ),
      "lib/greet.ts": 'export { greet } from "./deeper";',
      "lib/deeper/index.ts": 'export const greet = (name: string): string => "hi " + name;',
      "data.json": '{"n":7}',
      "pages/index.html": "<b>",
    });
    expect(await answerOf(code)).toBe("hi you7<b>");
    expect(JSON.parse(map).sources).toContain("lib/deeper/index.ts");
    expect({ warnings, builtins, assets }).toEqual({ warnings: [], builtins: [], assets: [] });
  });

  it("takes JavaScript, CommonJS, and JSX, which is Hono's", async () => {
    const { code: plain } = await bundle(
      { "handler.js": "module.exports = { fetch: () => new Response('cjs') };" },
      "handler.js",
    );
    expect(await answerOf(plain)).toBe("cjs");
    const tsx = 'export default { fetch: () => new Response(String(<b class="x">{1 + 1}</b>)) };';
    const { code } = await bundle({ "handler.tsx": tsx }, "handler.tsx");
    expect(await answerOf(code)).toBe('<b class="x">2</b>');
  });

  it("imports small files as bytes and refuses large ones", async () => {
    const bytes = Uint8Array.of(1, 2, 255);
    const handler = answering("bytes instanceof Uint8Array && bytes.join()", 'import bytes from "./a.bin";');
    const { code } = await bundle({ "handler.ts": handler, "a.bin": bytes });
    expect(await answerOf(code)).toBe("1,2,255");
    await expect(
      bundle({ "handler.ts": handler, "a.bin": new Uint8Array(largestImportedBytes + 1) }),
    ).rejects.toThrow('read it with ctx.file("a.bin")');
    await expect(bundle({ "handler.ts": handler.replace("a.bin", "a.mp4"), "a.mp4": bytes })).rejects.toThrow(
      "handler.ts:1:19: Cannot import 'a.mp4' as its type is not one that is imported",
    );
  });

  it("provides Hono", async () => {
    const { code, map } = await bundle({
      "handler.ts": `import { Hono } from "hono";
import { cors } from "hono/cors";
const app = new Hono();
app.use(cors());
app.get("/hi/:name", (c) => c.text("hi " + c.req.param("name")));
export default app;`,
    });
    expect(await answerOf(code, "/hi/you")).toBe("hi you");
    expect(JSON.parse(map).sources).toContain("hono/dist/hono.js");
    expect(code + map).not.toContain(resolve(import.meta.dirname, "../../.."));
    expect(code + map).not.toMatch(/["./]node_modules/);
  });

  it("provides ONNX Runtime, with WebAssembly from who runs the handler", async (context) => {
    const model = await readFile(resolve(import.meta.dirname, "../../../../shared/models/mnist.onnx")).catch(
      () => undefined,
    );
    if (model === undefined) context.skip("../shared/models/mnist.onnx is missing");
    const bundled = await bundle({
      "handler.ts": `import { InferenceSession, Tensor, env } from "onnxruntime-web/wasm";
export default {
  async fetch(request: Request): Promise<Response> {
    const session = await InferenceSession.create(new Uint8Array(await request.arrayBuffer()));
    const input = new Tensor("float32", new Float32Array(28 * 28), [1, 1, 28, 28]);
    const output = await session.run({ [session.inputNames[0]!]: input });
    return Response.json([env.wasm.numThreads, output[session.outputNames[0]!]!.dims]);
  },
};`,
    });
    expect(bundled.assets).toEqual(["ort-wasm-simd-threaded.wasm"]);
    using host = provideHost();
    const handler = await loadHandler(bundled.code);
    expect(host.asked).toEqual(bundled.assets);
    const request = new Request("http://localhost/", { method: "POST", body: new Uint8Array(model!) });
    expect(await (await handler.fetch(request)).json()).toEqual([1, [1, 10]]);
  });

  it.each(["onnxruntime-web", "onnxruntime-web/webgpu", "onnxruntime-web/jspi"])(
    "bundles %s with its JavaScript inside",
    async (specifier) => {
      const handler = answering("env.wasm.wasmBinary.length", `import { env } from "${specifier}";`);
      const { code, assets } = await bundle({ "handler.ts": handler });
      using host = provideHost();
      expect(Number(await answerOf(code))).toBeGreaterThan(10_000_000);
      expect(host.asked).toEqual(assets);
    },
  );

  it("provides the library of handlers", async (context) => {
    if ((await readFile(libraryPath).catch(() => undefined)) === undefined)
      context.skip(`${libraryPath} is missing`);
    const { map } = await bundle({
      "handler.ts": answering("Object.keys(library)", `import * as library from "${libraryName}";`),
    });
    expect(JSON.parse(map).sources).toContain("dawnlet/runtime/library/dawnlet.ts");
  });

  it("says where each error is, up to ten", async () => {
    await expect(
      bundle({ "handler.ts": 'const ä = "ö"; let b c;\nexport default {};' }),
    ).rejects.toMatchObject({
      code: "INVALID_BUNDLE",
      message: 'Cannot deploy the bundle as handler.ts:1:22: Expected ";" but found "c"',
    });
    const imports = Array.from({ length: 13 }, (_, i) => `import "./none-${i}";`).join("\n");
    const failure: Error = await bundle({ "handler.ts": `${imports}\nexport default {};` }).then(
      () => expect.unreachable(),
      (error) => error,
    );
    const lines = failure.message.split("\n");
    expect(lines).toHaveLength(11);
    expect(lines[1]).toBe('handler.ts:2:8: Cannot import "./none-1": there is no such file in the bundle');
    expect(lines[10]).toBe("… and 3 more");
  });

  it.each([
    ["no default export", "export const fetch = 1;", /handler\.ts has no default export: expected `export/],
    ["nothing in it", "", /handler\.ts has no default export/],
  ])("refuses an entry with %s", async (_, code, message) => {
    await expect(bundle({ "handler.ts": code })).rejects.toMatchObject({ code: "INVALID_BUNDLE", message });
  });

  it("refuses an entry that is missing or no code", async () => {
    await expect(bundle({ "a.ts": "" }, "b.ts")).rejects.toThrow('it has no file "b.ts"');
    await expect(bundle({ "a.json": "{}" }, "a.json")).rejects.toThrow("is no code");
  });

  it("refuses modules of Node and says what to use", async () => {
    for (const [name, advice] of [
      ["fs", "ctx.file(path)"],
      ["node:fs/promises", "ctx.file(path)"],
      ["crypto", "the global crypto"],
      ["node:worker_threads", "limits.instances"],
      ["node:unheard-of", "the web's standard interfaces"],
    ] as const)
      await expect(bundle({ "handler.ts": `import "${name}"; export default {};` })).rejects.toThrow(
        new RegExp(
          `Cannot import "${name}" as handlers have no modules of Node: .*${advice.replaceAll(/[()]/g, "\\$&")}`,
        ),
      );
  });

  it("limits the code that comes out", async () => {
    const half = `export default "${"x".repeat(9 * 1024 ** 2)}";`;
    const handler = answering("a.length + b.length", 'import a from "./a.js"; import b from "./b.js";');
    await expect(bundle({ "handler.ts": handler, "a.js": half, "b.js": half })).rejects.toMatchObject({
      code: "PAYLOAD_TOO_LARGE",
      message: /at most 16777216 are taken/,
    });
    // Control: one of them is let through.
    const one = await bundle({ "handler.ts": handler, "a.js": half, "b.js": 'export default "x";' });
    expect(one.code.length).toBeGreaterThan(9 * 1024 ** 2);
  });

  it("replaces computed paths by an error that says what is wrong, and warns of it", async () => {
    const code = `/* ß\u2028 */ export default {
  async fetch(request: Request) {
    const name = new URL(request.url).searchParams.get("name");
    const tried = [];
    for (const load of [
      () => ${load}("./parts/" + name), async () => require(\`./\${name}\`),
      () => ${load}(name ? "./parts/" + name : "./x"), () => ${load}(/* why */ name!),
    ])
      tried.push(await load().catch((error) => error.message));
    return Response.json([tried, (await ${load}("./parts/" + "a.ts")).a]);
  },
};`;
    const { code: bundled, warnings } = await bundle({
      "handler.ts": code,
      "parts/a.ts": "export const a = 1;",
    });
    const [tried, a] = JSON.parse(await answerOf(bundled, "/?name=b"));
    const words = (path: string) =>
      `Cannot import '${path}': only paths that are written out are part of the bundle`;
    expect(tried).toEqual([words("./parts/b"), words("./b"), words("./parts/b"), words("b")]);
    expect(a).toBe(1);
    expect(warnings).toHaveLength(4);
    expect(warnings[0]).toBe("handler.ts:7:13: a path that is put together at run time leads nowhere");
  });
});

describe("a bundle's own packages", () => {
  const inPackages = (files: Readonly<Record<string, string>>, handler: string): Promise<BundledHandler> =>
    bundle({
      "handler.ts": handler,
      ...Object.fromEntries(
        Object.entries(files).map(([path, content]) => [`node_modules/${path}`, content]),
      ),
    });
  const dependent = answering("value", 'import value from "pkg";');

  it.each<[string, Readonly<Record<string, string>>]>([
    ["index.js", { "pkg/index.js": "export default 'yes'" }],
    ["main", { "pkg/package.json": '{"main":"./lib/x"}', "pkg/lib/x.js": "module.exports = 'yes'" }],
    [
      "module before main",
      {
        "pkg/package.json": '{"main":"no.js","module":"yes.mjs"}',
        "pkg/no.js": "module.exports = 'no'",
        "pkg/yes.mjs": "export default 'yes'",
      },
    ],
    [
      "exports with conditions before all",
      {
        "pkg/package.json": JSON.stringify({
          main: "no.js",
          exports: {
            ".": { node: "./no.js", require: "./no.js", browser: ["./yes.js"], default: "./no.js" },
          },
        }),
        "pkg/no.js": "export default 'no'",
        "pkg/yes.js": "export default 'yes'",
      },
    ],
    [
      "exports without paths",
      { "pkg/package.json": '{"exports":{"import":"./yes.js"}}', "pkg/yes.js": "export default 'yes'" },
    ],
    [
      "a browser map for a file",
      {
        "pkg/package.json": '{"main":"no.js","browser":{"./no.js":"./yes.js"}}',
        "pkg/no.js": "module.exports = 'no'",
        "pkg/yes.js": "module.exports = 'yes'",
      },
    ],
    [
      "a browser map for a module of Node",
      {
        "pkg/package.json": '{"browser":{"fs":false}}',
        "pkg/index.js": "const fs = require('fs'); module.exports = fs.readFile ? 'no' : 'yes'",
      },
    ],
    [
      "imports by '#'",
      {
        "pkg/package.json": '{"imports":{"#inner/*":{"node":"./no.js","default":"./in/*.js"}}}',
        "pkg/index.js": "export { default } from '#inner/a'",
        "pkg/in/a.js": "export default 'yes'",
      },
    ],
    [
      "a package in a package",
      {
        "pkg/index.js": "export { default } from 'inner'",
        "pkg/node_modules/inner/index.js": "export default 'yes'",
        "inner/index.js": "export default 'no'",
      },
    ],
    [
      "a guarded module of Node",
      {
        "pkg/index.js":
          "let fs; try { fs = require('fs') } catch {} module.exports = fs === undefined ? 'yes' : 'yes, and fs'",
      },
    ],
  ])("are found by %s", async (_, files) => {
    const { code } = await inPackages(files, dependent);
    expect(await answerOf(code)).toMatch(/^yes/);
  });

  it("have scopes and paths", async () => {
    const { code } = await inPackages(
      {
        "@a/b/package.json": '{"exports":{"./x/*.js":"./src/*.js","./x/hidden/*.js":null}}',
        "@a/b/src/y.js": "export default 'y'",
        "c/deep/z.js": "export default 'z'",
      },
      answering("y + z", 'import y from "@a/b/x/y.js"; import z from "c/deep/z";'),
    );
    expect(await answerOf(code)).toBe("yz");
    await expect(
      inPackages(
        { "@a/b/package.json": '{"exports":{"./x/*":"./*","./x/hidden/*":null}}', "@a/b/hidden/y.js": "" },
        answering("1", 'import "@a/b/x/hidden/y.js";'),
      ),
    ).rejects.toThrow("the package '@a/b' does not export it");
  });

  it("go before what Dawnlet provides", async () => {
    const { code } = await inPackages(
      { "hono/index.js": "export class Hono { name = 'mine' }" },
      answering("new Hono().name", 'import { Hono } from "hono";'),
    );
    expect(await answerOf(code)).toBe("mine");
  });

  it("may import what Dawnlet provides, and report which modules of Node they name", async () => {
    const { code, builtins, warnings } = await inPackages(
      {
        "pkg/index.js":
          "import { Hono } from 'hono'; export default typeof Hono; export const later = () => import('node:fs'); export const load = (x) => require(x);",
      },
      dependent,
    );
    expect(await answerOf(code)).toBe("function");
    expect(builtins).toEqual(["node:fs"]);
    expect(warnings).toEqual([]);
  });

  it.each<[string, Readonly<Record<string, string>>, RegExp]>([
    ["is missing", {}, /node_modules has no 'pkg', and Dawnlet provides dawnlet, hono and onnxruntime-web/],
    [
      "leads in circles",
      {
        "pkg/package.json": '{"browser":{"./index.js":"./b.js","./b.js":"./index.js"}}',
        "pkg/index.js": "",
        "pkg/b.js": "",
      },
      /without end/,
    ],
    ["needs a module of Node", { "pkg/index.js": "import 'fs'" }, /pkg\/index\.js:1:7: Cannot import "fs"/],
  ])("are refused where one %s", async (_, files, message) => {
    await expect(inPackages(files, dependent)).rejects.toMatchObject({ code: "INVALID_BUNDLE", message });
  });
});
