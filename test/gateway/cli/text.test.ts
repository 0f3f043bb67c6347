/** What commands print and what options take, without a process. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { curlLine } from "../../../gateway/cli/curl-line.ts";
import { defaultDataFolder } from "../../../gateway/cli/data-folder.ts";
import { messageText, printable } from "../../../gateway/cli/log-text.ts";
import { parseHandlerLimits, parsePort, parseSize, parseYes } from "../../../gateway/cli/option-values.ts";
import { jsonOf, tensorLines } from "../../../gateway/cli/show-tensor.ts";
import type { FunctionSignature } from "../../../gateway/functions/functions.ts";
import type { TensorSignature } from "../../../kernels/tensor.ts";

describe("parseSize()", () => {
  it("takes bytes with and without a unit, in powers of 1024", () => {
    expect(["512", "4GiB", "4g", "1.5 MB", "64k"].map(parseSize)).toEqual([
      512,
      4 * 2 ** 30,
      4 * 2 ** 30,
      1.5 * 2 ** 20,
      65_536,
    ]);
  });

  it.each(["", "much", "-1", "0", "4XiB", "1e3"])("refuses '%s'", (text) => {
    expect(() => parseSize(text)).toThrow("expected a size such as");
  });
});

it("parsePort() takes 0 to 65535 and refuses the rest", () => {
  expect(["0", "8080", "65535"].map(parsePort)).toEqual([0, 8080, 65_535]);
  for (const text of ["65536", "-1", "http", "80.5", ""])
    expect(() => parsePort(text)).toThrow("expected a port");
});

it("parseYes() takes what a variable of the environment may say and refuses the rest", () => {
  expect(["yes", "true", "1", "no", "false", "0", ""].map(parseYes)).toEqual([
    ...[true, true, true],
    ...[false, false, false, false],
  ]);
  for (const text of ["maybe", "2"]) expect(() => parseYes(text)).toThrow("expected yes or no");
});

describe("parseHandlerLimits()", () => {
  it("takes pairs and JSON, with sizes as a manifest has them", () => {
    const limits = { memoryBytes: 2 ** 30, instances: 8, gpuShare: 0.5 };
    expect(parseHandlerLimits("memoryBytes=1GiB, instances=8,gpuShare=0.5")).toEqual(limits);
    expect(parseHandlerLimits('{"memoryBytes": "1GiB", "instances": 8, "gpuShare": 0.5}')).toEqual(limits);
  });

  it.each([
    ["memory=1GiB", "'memory' is none of timeoutMs, cpuMs"],
    ["instances=0", "instances: expected 1 or more"],
    ["instances=many", "instances: "],
    ["memoryBytes=much", "memoryBytes: expected a number of bytes, or a size"],
    ["gpuShare=2", "gpuShare: expected more than 0"],
    ["instances", "expected name=value"],
    ["{instances: 8}", "it is no JSON"],
  ])("refuses '%s'", (text, message) => {
    expect(() => parseHandlerLimits(text)).toThrow(message);
  });
});

describe("messageText()", () => {
  it("shows level, message and fields, further lines below", () => {
    const fields = { path: "/a", text: "two words", n: 3, list: [1, "x"] };
    expect(messageText({ level: "warn", version: 1, instance: 1, message: "first\nsecond", fields })).toBe(
      'warn  first path=/a text="two words" n=3 list=[1,"x"]\nsecond',
    );
  });

  it("has nothing that a terminal would obey", () => {
    expect(printable("a\u001b[31mb\tc\nd\u0007\u009b\r\u202e")).toBe(
      "a\ufffd[31mb\tc\nd\ufffd\ufffd\ufffd\ufffd",
    );
    expect(printable("Grüße, 世界 👋")).toBe("Grüße, 世界 👋");
  });
});

describe("tensorLines()", () => {
  const float = (shape: number[], ...values: number[]) =>
    ({ dataType: "float32", shape, data: new Uint8Array(Float32Array.from(values).buffer) }) as const;

  it("shows a vector in a line, a matrix in rows, more dimensions by index", () => {
    expect(tensorLines("v", float([2], 1, 0.1))).toEqual(["v  float32 [2]", "  1  0.1"]);
    expect(tensorLines("m", float([2, 2], 1, 2, 3, 10))).toEqual(["m  float32 [2, 2]", "  1  2", "  3  10"]);
    expect(tensorLines("t", float([2, 1, 1], 1, 2)).slice(1)).toEqual(["  [0]", "  1", "  [1]", "  2"]);
    expect(tensorLines("s", float([], 7))).toEqual(["s  float32 []", "  7"]);
  });

  it("sums a large tensor up", () => {
    const values = Array.from({ length: 1000 }, (_, i) => i);
    expect(tensorLines("big", float([1000], ...values)).join("\n")).toMatch(/from 0 to 999, mean 499\.5/);
  });

  it("shows 16-bit floats, which have no JSON form, by their values", () => {
    const data = new Uint8Array(Float16Array.of(1.5, -2).buffer);
    expect(jsonOf("h", { dataType: "float16", shape: [2], data })).toBe("[1.5,-2]");
  });
});

describe("curlLine()", () => {
  const gateway = { url: "http://127.0.0.1:8080", hasToken: false };
  const signature = (
    inputs: TensorSignature[],
    outputs: TensorSignature[],
    parameters: FunctionSignature["parameters"] = [],
  ) => ({ name: "f", signature: { inputs, outputs, parameters } });
  const vector: TensorSignature = { name: "x", dataType: "float32", shape: ["n"] };
  const image: TensorSignature = { name: "image", dataType: "uint8", shape: ["h", "w", 4] };

  it("makes up values that fit the signature", () => {
    const ids: TensorSignature = { name: "ids", dataType: "int64", shape: [1, "length"] };
    const line = curlLine(gateway, signature([vector, ids], [vector]));
    expect(line).toBe(`curl 'http://127.0.0.1:8080/function/f' -d '{"x":[1,2],"ids":[[1,2]]}'`);
  });

  it("asks for a PNG where the output is an image, and shows the token where one is needed", () => {
    const line = curlLine({ ...gateway, hasToken: true }, signature([], [image]));
    expect(line).toContain("-H 'accept: image/png' -o f.png");
    expect(line).toContain(`-H "authorization: Bearer $DAWNLET_TOKEN"`);
  });

  it("leaves to the handler's author what it takes", () => {
    const handler = { ...signature([], []), kind: "handler" };
    expect(curlLine(gateway, handler)).toBe("curl http://127.0.0.1:8080/function/f/");
    expect(curlLine({ ...gateway, hasToken: true }, handler)).toContain("Bearer $DAWNLET_TOKEN");
  });

  it("gives parameters that have no default", () => {
    const parameters = [{ name: "width", dataType: "uint32", minimum: 8 }] as const;
    expect(curlLine(gateway, signature([], [vector], parameters))).toContain("/function/f?width=8'");
  });

  it("reads tensors that are too large for a line from files", () => {
    const large: TensorSignature = { name: "data", dataType: "float32", shape: [1, 3, 224, 224] };
    expect(curlLine(gateway, signature([large], [vector]))).toContain("--data-binary @data.npy");
    expect(curlLine(gateway, signature([large, vector], [vector]))).toMatch(
      /^dawnlet invoke f .* data=@data.npy x=@x.npy$/,
    );
  });

  it("quotes names that mean something to a shell", () => {
    const odd: TensorSignature = { name: "it's/x:0", dataType: "float32", shape: [2] };
    const line = curlLine(gateway, signature([odd], [vector]));
    expect(line).toContain(`-d '{"it'\\''s/x:0":[1,2]}'`);
    const large = { ...odd, shape: [100] };
    expect(curlLine(gateway, signature([large], [vector]))).toContain("--data-binary @it_s_x_0.npy");
    expect(curlLine(gateway, signature([large, vector], [vector]))).toContain(`'it'\\''s/x:0=@it_s_x_0.npy'`);
  });

  it("is one line that a shell can take, whatever the shapes", () => {
    const shape = fc.array(fc.oneof(fc.integer({ min: 0, max: 4 }), fc.constantFrom("n", "m")), {
      maxLength: 4,
    });
    const dataType = fc.constantFrom("float32", "int64", "bool", "string");
    const tensor = fc.record({ name: fc.constantFrom("a", "b"), dataType, shape });
    fc.assert(
      fc.property(fc.array(tensor, { minLength: 1, maxLength: 2 }), (inputs) => {
        const line = curlLine(gateway, signature(inputs as TensorSignature[], [vector]));
        expect(line).not.toContain("\n");
        const json = /-d '(.*)'$/.exec(line)?.[1];
        if (json !== undefined) expect(Object.keys(JSON.parse(json))).toContain(inputs[0]!.name);
      }),
    );
  });
});

it("defaultDataFolder() is the project's for who works in it, and the user's elsewhere", () => {
  const host = (environment: Record<string, string>) => ({
    environment: (name: string) => environment[name],
    system: { name: "linux", architecture: "x64" },
  });
  expect(defaultDataFolder(host({}), process.cwd())).toMatch(/[\\/]\.data$/);
  expect(defaultDataFolder(host({ XDG_DATA_HOME: "/data" }), "/")).toBe("/data/dawnlet");
  expect(defaultDataFolder(host({}), "/")).toMatch(/\.local\/share\/dawnlet$/);
});
