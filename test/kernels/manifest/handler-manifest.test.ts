import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DawnletError } from "../../../kernels/errors.ts";
import { parseHandlerManifest } from "../../../kernels/manifest/handler-manifest.ts";

const digest = "0123456789abcdef".repeat(4);
const parse = (more: Record<string, unknown>) => parseHandlerManifest({ kind: "handler", ...more });

describe("parseHandlerManifest()", () => {
  it("needs nothing but the kind", () => {
    expect(parseHandlerManifest({ kind: "handler" })).toEqual({
      uses: new Map(),
      hosts: [],
      variables: new Map(),
      secrets: [],
      limits: {},
    });
  });

  it("reads all that a handler may state", () => {
    const manifest = parse({
      description: "classifies",
      entry: "src/handler.ts",
      uses: { classify: "mnist", blur: "filter@3", exact: `filter@sha256:${digest}` },
      hosts: ["api.example.com", "*.Example.org", "localhost:9000", "[::1]:80", "127.0.0.1"],
      variables: { GREETING: "hi", count: 3, on: true, list: [1, { a: null }] },
      secrets: ["API_KEY"],
      limits: { timeoutMs: 1000, memoryBytes: "512MiB", gpuBytes: 1024, gpuShare: 0.5 },
    });
    expect(manifest).toEqual({
      description: "classifies",
      entry: "src/handler.ts",
      uses: new Map<string, unknown>([
        ["classify", { name: "mnist" }],
        ["blur", { name: "filter", version: "3" }],
        ["exact", { name: "filter", version: digest }],
      ]),
      hosts: ["api.example.com", "*.example.org", "localhost:9000", "[::1]:80", "127.0.0.1"],
      variables: new Map<string, unknown>([
        ["GREETING", "hi"],
        ["count", 3],
        ["on", true],
        ["list", [1, { a: null }]],
      ]),
      secrets: ["API_KEY"],
      limits: { timeoutMs: 1000, memoryBytes: 512 * 1024 ** 2, gpuBytes: 1024, gpuShare: 0.5 },
    });
  });

  const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);
  it.each<[string, Record<string, unknown>, string]>([
    ["a misspelt key", { use: {} }, "use is not a key that is known there"],
    ["another kind", { kind: "wgsl" }, 'kind is "wgsl": expected "handler"'],
    ["an unknown limit", { limits: { memory: 1 } }, "limits.memory is not a key that is known there"],
    ["a limit of zero", { limits: { cpuMs: 0 } }, "limits.cpuMs is wrong: expected 1 or more"],
    [
      "half an instance",
      { limits: { instances: 1.5 } },
      "limits.instances is wrong: expected a whole number",
    ],
    [
      "a size that is none",
      { limits: { gpuBytes: "much" } },
      "limits.gpuBytes is wrong: expected a number of",
    ],
    ["too large a share", { limits: { gpuShare: 1.1 } }, "limits.gpuShare is wrong: expected more than 0"],
    ["a name that is no identifier", { variables: { "a-b": 1 } }, "a name has letters"],
    ["a name that is taken", { secrets: ["constructor"] }, "secrets[0] is wrong: the names __proto__"],
    ["a prototype", { uses: JSON.parse('{"__proto__":"f"}') }, "uses is wrong: the names __proto__"],
    ["a name in two places", { uses: { a: "f" }, secrets: ["a"] }, "the name 'a' is there twice"],
    ["a secret twice", { secrets: ["a", "a"] }, "the name 'a' is there twice"],
    ["a function that has no name", { uses: { a: "../x" } }, "uses.a is wrong: expected a function's name"],
    ["a version that is none", { uses: { a: "f@latest" } }, "uses.a is wrong: expected a function's name"],
    ["a URL for a host", { hosts: ["https://a.b"] }, "hosts[0] is wrong: expected a host such as"],
    ["a host with a path", { hosts: ["a.b/c"] }, "hosts[0] is wrong: expected a host such as"],
    ["a port beyond all", { hosts: ["a.b:65536"] }, "hosts[0] is wrong: expected a host such as"],
    ["all hosts", { hosts: ["*"] }, "hosts[0] is wrong: expected a host such as"],
    ["nearly all hosts", { hosts: ["*.com"] }, "hosts[0] is wrong: expected at least two names"],
    ["an entry outside", { entry: "../handler.ts" }, "entry is wrong: expected a path in the bundle"],
    ["an absolute entry", { entry: "/handler.ts" }, "entry is wrong: expected a path in the bundle"],
    ["a variable that is too deep", { variables: { a: deep(40) } }, "variables.a"],
    ["a variable that is too long", { variables: { a: "x".repeat(70_000) } }, "variables.a"],
  ])("refuses %s", (_, more, message) => {
    const attempt = () => parse(more);
    expect(attempt).toThrow(DawnletError);
    expect(attempt).toThrow(message);
  });

  it("never fails in another way, whatever the JSON", () => {
    const keys = ["entry", "uses", "hosts", "variables", "secrets", "limits"];
    const run = (more: Record<string, unknown>) => {
      try {
        parse(more);
      } catch (error) {
        expect(error).toMatchObject({ name: "DawnletError", code: "INVALID_BUNDLE" });
      }
    };
    fc.assert(fc.property(fc.dictionary(fc.constantFrom(...keys), fc.jsonValue()), run), { numRuns: 300 });
  });
});
