import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type BrowserPage, type Chromium, startChromium } from "./chromium.ts";
import { resolveImport } from "./resolve.ts";
import { type ModuleServer, repository, serveModules } from "./serve-modules.ts";

const harness = "test/browser/pages/harness.ts";
const blob = new Uint8Array(5000).map((_, index) => index % 250);

let server: ModuleServer;
beforeAll(async () => {
  server = await serveModules({ extra: new Map([["blob", blob]]) });
});
afterAll(() => server.close());

describe("`serveModules()`", () => {
  test("strips types and leaves no import of a package", async () => {
    const response = await fetch(`${server.origin}runtime/port/comlink.ts`);
    expect(response.headers.get("content-type")).toBe("text/javascript");
    expect(response.headers.get("cross-origin-embedder-policy")).toBe("require-corp");
    const code = await response.text();
    expect(code).not.toContain("export type");
    expect(code).toMatch(/from "\/node_modules\/comlink\/.*"/);
    expect(code).toContain('from "../../kernels/errors.ts"');
  });

  test("serves nothing outside the repository, and says 404 for what is not there", async () => {
    const { port } = new URL(server.origin);
    for (const path of ["/no-such-file.ts", "/kernels", "/..%2f..%2f..%2f..%2fetc%2fpasswd"]) {
      expect((await fetch(`http://127.0.0.1:${port}${path}`)).status).toBe(404);
    }
    expect((await fetch(`${server.origin}kernels/errors.ts`)).status).toBe(200);
  });

  test("resolves packages and `#platform` for a browser", () => {
    const importer = `${repository}/runtime/port/comlink.ts`;
    expect(resolveImport("#platform", importer)).toBe(`${repository}/runtime/platform/browser.ts`);
    for (const name of [
      "comlink",
      "valibot",
      "@bufbuild/protobuf",
      "@bufbuild/protobuf/wire",
      "onnxruntime-web/webgpu",
    ]) {
      expect(existsSync(resolveImport(name, importer) ?? "")).toBe(true);
    }
    for (const name of ["./x.ts", "/x.ts", "node:fs", "https://example.org/x.js", "no-such-package"]) {
      expect(resolveImport(name, importer)).toBeUndefined();
    }
  });
});

describe("a page in Chromium", () => {
  let chromium: Chromium;
  let page: BrowserPage;
  beforeAll(async () => {
    chromium = await startChromium();
    page = await chromium.openPage(server.origin);
  });
  afterAll(() => chromium?.close());

  test("runs the repository's modules, cross-origin isolated", async () => {
    expect(await page.call(harness, "surroundings")).toEqual({ runtime: "browser", isIsolated: true });
  });

  test("computes with WebGPU", async () => {
    expect(await page.call(harness, "computeInPage")).toMatchObject({
      isCorrect: true,
      description: { adapter: { implementation: "browser" } },
    });
  });

  test("computes in a Web Worker, called over a Port", async () => {
    expect(await page.call(harness, "computeInWorker")).toEqual({
      implementation: "browser",
      isCorrect: true,
      usage: 128,
    });
  });

  test("moves bytes to a worker and back, and keeps the codes of errors", async () => {
    expect(await page.call(harness, "callWorker", 100_000)).toEqual({
      sum: 300_000,
      left: 0,
      codes: ["OUT_OF_MEMORY", "DEVICE_LOST"],
    });
  });

  test("calls functions by Comlink", async () => {
    expect(await page.call(harness, "callByComlink")).toBe(5);
  });

  test("reads parts of a blob", async () => {
    expect(await page.call(harness, "readBlob", "/blob", 1000, 5)).toEqual([...blob.subarray(1000, 1005)]);
    expect(await page.call(harness, "readBlob", "/blob", 4998, 5)).toBe("CORRUPT_DATA");
    expect(page.errors).toEqual([]);
    expect(await page.call(harness, "readBlob", "/none", 0, 5)).toBe("NOT_FOUND");
  });

  test("is told where a worker does not load, and keeps what the console says", async () => {
    expect(await page.call(harness, "brokenWorker")).toBe(1);
    await vi.waitFor(() => expect(page.errors.join("\n")).toContain("nowhere.ts"));
  });
});
