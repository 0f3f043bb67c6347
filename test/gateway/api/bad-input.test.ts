import { beforeEach, describe, expect, test } from "vitest";
import { createApp } from "../../../gateway/app.ts";
import { DawnletError } from "../../../kernels/errors.ts";
import { FakeFunctions } from "../fake-functions.ts";

let functions: FakeFunctions;
let app: ReturnType<typeof createApp>;

beforeEach(() => {
  functions = new FakeFunctions();
  app = createApp({ functions });
});

const post = (path: string, body: BodyInit, headers: Record<string, string> = {}) =>
  app.request(path, { method: "POST", body, headers });

const a = { name: "a", shape: [1], datatype: "FP32", data: [1] };
const b = { name: "b", shape: [1], datatype: "FP32", data: [2] };
const sound = JSON.stringify({ inputs: [a, b] });

/** Each refusal is followed by a sound call: the server must have survived. */
async function expectRefusal(response: Response, status: number, message: RegExp): Promise<void> {
  expect(response.status).toBe(status);
  const body = await response.json();
  expect(body.error).toMatch(message);
  expect(body.error).not.toMatch(/ at .*\.ts:\d/);
  const control = await post("/v2/models/add/infer", sound);
  expect(control.status).toBe(200);
  expect((await control.json()).outputs[0].data).toEqual([3]);
}

describe("an inference request is refused with 400 for", () => {
  const cases: Array<[string, unknown, RegExp]> = [
    [
      "a shape whose product overflows",
      { inputs: [{ ...a, shape: [2 ** 32, 2 ** 32] }, b] },
      /more elements than can be counted/,
    ],
    [
      "a shape whose bytes overflow",
      { inputs: [{ ...a, shape: [2 ** 51] }, b] },
      /more elements than can be counted/,
    ],
    ["a negative dimension", { inputs: [{ ...a, shape: [-1] }, b] }, /dimension -1/],
    ["a fractional dimension", { inputs: [{ ...a, shape: [1.5] }, b] }, /dimension 1.5/],
    ["a shape that is no list", { inputs: [{ ...a, shape: "1" }, b] }, /shape is no list/],
    [
      "a shape that does not fit the data",
      { inputs: [{ ...a, shape: [3] }, b] },
      /has 1 elements: its shape \[3\] needs 3/,
    ],
    ["another rank", { inputs: [{ ...a, shape: [1, 1] }, b] }, /shape is \[1,1\]: expected \[n\]/],
    ["another datatype", { inputs: [{ ...a, datatype: "INT32" }, b] }, /'a' is INT32: expected FP32/],
    [
      "an unknown datatype",
      { inputs: [{ ...a, datatype: "FLOAT" }, b] },
      /datatype is "FLOAT": expected one of FP32/,
    ],
    ["an input twice", { inputs: [a, b, a] }, /input 'a' is given twice/],
    ["an unknown input", { inputs: [a, b, { ...a, name: "c" }] }, /no input "c": it takes a, b/],
    [
      "an input named like a property",
      { inputs: [a, b, { ...a, name: "__proto__" }] },
      /no input "__proto__"/,
    ],
    ["a missing input", { inputs: [a] }, /input 'b' is missing: it takes a, b/],
    ["no inputs at all", {}, /input 'a' is missing/],
    ["an input without data", { inputs: [{ ...a, data: undefined }, b] }, /its data is no list/],
    ["an input that is no object", { inputs: [5] }, /entry of 'inputs' is no object/],
    ["inputs that are no list", { inputs: { a } }, /'inputs' is no list/],
    [
      "an output twice",
      { inputs: [a, b], outputs: [{ name: "sum" }, { name: "sum" }] },
      /'sum' as it is asked for twice/,
    ],
    [
      "an unknown output",
      { inputs: [a, b], outputs: [{ name: "y" }] },
      /output 'y' as function 'add' has sum/,
    ],
    ["an output without name", { inputs: [a, b], outputs: [{}] }, /entry of 'outputs' has no name/],
    [
      "an unknown parameter",
      { inputs: [a, b], parameters: { scale: 2 } },
      /no parameter 'scale': it takes none/,
    ],
    ["a negative timeout", { inputs: [a, b], parameters: { timeout: -1 } }, /timeout is -1/],
    ["an id that is no string", { id: 5, inputs: [a, b] }, /'id' is no string/],
    [
      "binary data without its header",
      { inputs: [{ ...a, data: undefined, parameters: { binary_data_size: 4 } }, b] },
      /Inference-Header-Content-Length is missing/,
    ],
    [
      "data in both forms",
      { inputs: [{ ...a, parameters: { binary_data_size: 4 } }, b] },
      /both data and binary_data_size/,
    ],
    [
      "shared memory",
      { inputs: [{ ...a, parameters: { shared_memory_region: "r" } }, b] },
      /'shared_memory_region', which is not supported/,
    ],
    [
      "classification",
      { inputs: [a, b], outputs: [{ name: "sum", parameters: { classification: 3 } }] },
      /'classification', which is not supported/,
    ],
    ["a body that is no object", [1], /body is no JSON object/],
  ];
  test.each(cases)("%s", async (_, request, message) => {
    await expectRefusal(await post("/v2/models/add/infer", JSON.stringify(request)), 400, message);
  });

  test.each([
    ["an empty body", "", /not JSON/],
    ["text that is no JSON", "{inputs: }", /not JSON/],
    ["bytes that are no UTF-8", new Uint8Array([0xff, 0xfe]), /not UTF-8/],
    ["nesting of 120 levels", `{"inputs":${"[".repeat(119)}${"]".repeat(119)}}`, /deeper than 100 levels/],
    [
      "nesting of 250,000 levels",
      `{"inputs":${"[".repeat(25_000)}${"]".repeat(25_000)}}`,
      /deeper than 100 levels/,
    ],
  ] as Array<[string, BodyInit, RegExp]>)("%s", async (_, body, message) => {
    await expectRefusal(await post("/v2/models/add/infer", body), 400, message);
  });

  test.each(["99999999999", "-1", "5x", "1e3"])("a header length of %s", async (length) => {
    const headers = { "inference-header-content-length": length };
    await expectRefusal(
      await post("/v2/models/add/infer", sound, headers),
      400,
      /Inference-Header-Content-Length is/,
    );
  });

  test("binary inputs that exceed the body, or fall short of it", async () => {
    const input = (name: string, size: number) => ({
      name,
      shape: [1],
      datatype: "FP32",
      parameters: { binary_data_size: size },
    });
    for (const [size, message] of [
      [1e12, /bytes of the body are left/],
      [2, /has 2 bytes: float32/],
    ] as const) {
      const json = JSON.stringify({ inputs: [input("a", size), input("b", 4)] });
      const headers = { "inference-header-content-length": String(json.length) };
      await expectRefusal(await post("/v2/models/add/infer", `${json}12345678`, headers), 400, message);
    }
    const json = JSON.stringify({ inputs: [input("a", 4), input("b", 4)] });
    const headers = { "inference-header-content-length": String(json.length) };
    await expectRefusal(
      await post("/v2/models/add/infer", `${json}123456789`, headers),
      400,
      /1 bytes follow/,
    );
  });

  test.each([
    ["add", /exactly one input: function 'add' has 2/],
    ["grid", /2 free dimensions: state the shape/],
    ["echo", /has 2 elements: its shape is \[rows, 3\]/],
  ])("a raw body that %s cannot take", async (name, message) => {
    const headers = { "inference-header-content-length": "0" };
    await expectRefusal(await post(`/v2/models/${name}/infer`, new Uint8Array(8), headers), 400, message);
  });

  test("a repository index with 25,000 levels, and one that is too large", async () => {
    const body = `{"ready":${"[".repeat(25_000)}${"]".repeat(25_000)}}`;
    await expectRefusal(await post("/v2/repository/index", body), 400, /deeper than 100 levels/);
    const larger = `{"ready":true${" ".repeat(100_000)}}`;
    await expectRefusal(await post("/v2/repository/index", larger), 413, /exceeds the maximum/);
  });
});

describe("errors of functions", () => {
  test.each([
    ["QUEUE_FULL", 503, "1"],
    ["UNAVAILABLE", 503, "1"],
    ["DEVICE_LOST", 503, "1"],
    ["OUT_OF_MEMORY", 503, null],
    ["QUARANTINED", 503, null],
    ["TIME_LIMIT_EXCEEDED", 504, null],
    ["NOT_FOUND", 404, null],
    ["DEADLINE_EXCEEDED", 504, null],
    ["CANCELLED", 499, null],
    ["UNSUPPORTED_MODEL", 422, null],
    ["INVALID_ARGUMENT", 400, null],
    ["CORRUPT_DATA", 500, null],
  ] as const)("%s is %i", async (code, status, retryAfter) => {
    functions.failure = new DawnletError(code, "Cannot do it as asked");
    const response = await post("/v2/models/add/infer", sound);
    expect(response.status).toBe(status);
    expect(response.headers.get("retry-after")).toBe(retryAfter);
    expect(await response.json()).toEqual({ error: "Cannot do it as asked", code });
  });

  test.each([new TypeError("secret of /home/me"), new DawnletError("INTERNAL", "secret"), "secret"])(
    "a defect tells the client a request id and nothing else (%#)",
    async (failure) => {
      functions.failure = failure;
      const response = await post("/v2/models/add/infer", sound, { "x-request-id": "abc-1" });
      expect(response.status).toBe(500);
      const text = await response.text();
      expect(text).not.toContain("secret");
      expect(JSON.parse(text)).toMatchObject({ code: "INTERNAL", error: expect.stringContaining("'abc-1'") });
    },
  );
});

describe("paths", () => {
  test("that are unknown are 404 in JSON", async () => {
    const response = await app.request("/v2/nothing");
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ code: "NOT_FOUND" });
  });

  test.each([
    ["GET", "/v2/models/add/infer", "POST"],
    ["POST", "/v2", "GET, HEAD"],
    ["POST", "/v1/functions/add", "GET, HEAD, PUT, PATCH, DELETE"],
    ["DELETE", "/function/add", "GET, HEAD, POST"],
    ["OPTIONS", "/metrics", "GET, HEAD"],
  ])("that are known refuse %s %s with 405 and Allow: %s", async (method, path, allow) => {
    const response = await app.request(path, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe(allow);
    expect(await response.json()).toMatchObject({ code: "UNSUPPORTED" });
  });
});
