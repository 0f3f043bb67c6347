import { beforeEach, describe, expect, test } from "vitest";
import { createApp } from "../../../gateway/app.ts";
import { joinBody } from "../../../gateway/tensors/binary.ts";
import { DawnletError } from "../../../kernels/errors.ts";
import { encodeStrings } from "../../../kernels/strings.ts";
import { FakeFunctions, valuesOf } from "../fake-functions.ts";

let functions: FakeFunctions;
let app: ReturnType<typeof createApp>;

beforeEach(() => {
  functions = new FakeFunctions();
  app = createApp({ functions });
});

const get = async (path: string) => {
  const response = await app.request(path);
  return { status: response.status, body: await response.json() };
};

const infer = (name: string, request: unknown, headers: Record<string, string> = {}) =>
  app.request(`/v2/models/${name}/infer`, { method: "POST", headers, body: JSON.stringify(request) });

const fp32 = (name: string, data: readonly unknown[]) => ({
  name,
  shape: [data.length],
  datatype: "FP32",
  data,
});
const addRequest = { inputs: [fp32("a", [1, 2]), fp32("b", [0.5, 0.25])] };
const floatBytes = (values: readonly number[]) => new Uint8Array(new Float32Array(values).buffer);

describe("server", () => {
  test("metadata names the extensions that clients look for", async () => {
    const { status, body } = await get("/v2");
    expect(status).toBe(200);
    expect(body).toMatchObject({
      name: "dawnlet",
      extensions: expect.arrayContaining(["binary_tensor_data"]),
    });
    expect(body.version).toMatch(/^\d+\.\d+\.\d+/);
  });

  test("health answers both keys that clients read, and 503 while starting", async () => {
    expect(await get("/v2/health/live")).toEqual({ status: 200, body: { live: true, ready: true } });
    expect(await get("/v2/health/ready")).toEqual({ status: 200, body: { live: true, ready: true } });
    functions.ready = false;
    expect(await get("/v2/health/live")).toEqual({ status: 200, body: { live: true, ready: false } });
    expect(await get("/v2/health/ready")).toEqual({ status: 503, body: { live: true, ready: false } });
    expect(await get("/v2/models/add/ready")).toEqual({ status: 503, body: { name: "add", ready: false } });
  });
});

describe("models", () => {
  test("metadata marks free dimensions with -1 and lists versions", async () => {
    expect((await get("/v2/models/echo")).body).toEqual({
      name: "echo",
      versions: ["1"],
      platform: "onnx_onnxv1",
      inputs: [{ name: "x", datatype: "FP32", shape: [-1, 3] }],
      outputs: [{ name: "y", datatype: "FP32", shape: [-1, 3] }],
    });
    expect((await get("/v2/models/echo/versions/1")).body).toMatchObject({ name: "echo" });
  });

  test("readiness and configuration are there with and without a version", async () => {
    expect(await get("/v2/models/add/ready")).toEqual({ status: 200, body: { name: "add", ready: true } });
    expect(await get("/v2/models/add/versions/1/ready")).toMatchObject({ status: 200 });
    functions.quarantine("add");
    expect(await get("/v2/models/add/ready")).toEqual({ status: 503, body: { name: "add", ready: false } });
    expect((await get("/v2/models/echo/config")).body).toMatchObject({
      name: "echo",
      max_batch_size: 0,
      input: [{ name: "x", data_type: "TYPE_FP32", dims: [-1, 3] }],
    });
    expect(await get("/v2/models/echo/versions/1/config")).toMatchObject({ status: 200 });
  });

  test.each(["", "/ready", "/config", "/stats", "/versions/7", "/versions/7/ready"])(
    "an unknown one is 404 at '%s'",
    async (rest) => {
      const name = rest.startsWith("/versions") ? "add" : "nothing";
      const { status, body } = await get(`/v2/models/${name}${rest}`);
      expect(status).toBe(404);
      expect(body).toEqual({
        error: expect.stringMatching(/^(There is no function|Cannot find version)/),
        code: "NOT_FOUND",
      });
    },
  );
});

describe("inference with JSON", () => {
  test("computes, echoes the id and names model and version", async () => {
    const response = await infer("add", { id: '4 "2"', ...addRequest });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.json()).toEqual({
      model_name: "add",
      model_version: "1",
      id: '4 "2"',
      outputs: [{ name: "sum", shape: [2], datatype: "FP32", data: [1.5, 2.25] }],
    });
  });

  test("takes nested data, any Content-Type or none, and a version", async () => {
    const request = {
      inputs: [
        {
          name: "x",
          shape: [2, 3],
          datatype: "FP32",
          data: [
            [1, 2, 3],
            [4, 5, 6],
          ],
        },
      ],
    };
    for (const headers of [{}, { "content-type": "text/plain" }, { "content-type": "application/json" }]) {
      const response = await infer("echo", request, headers);
      expect((await response.json()).outputs[0].data).toEqual([1, 2, 3, 4, 5, 6]);
    }
    const versioned = await app.request("/v2/models/echo/versions/1/infer", {
      method: "POST",
      body: JSON.stringify(request),
    });
    expect(versioned.status).toBe(200);
    expect(functions.invocations.at(-1)?.version).toBe("1");
  });

  test("answers the outputs that are asked for, in that order", async () => {
    const request = { inputs: [fp32("x", [1.5])], outputs: [{ name: "rest" }, { name: "floor" }] };
    const { outputs } = await (await infer("split", request)).json();
    expect(outputs).toEqual([
      { name: "rest", shape: [1], datatype: "FP32", data: [0.5] },
      { name: "floor", shape: [1], datatype: "INT32", data: [1] },
    ]);
  });

  test("hands parameters to the function and lets the protocol's own pass", async () => {
    const parameters = { offset: -3, priority: 1, sequence_id: 5, triton_x: "y", headers: {}, timeout: 0 };
    const response = await infer("split", { inputs: [fp32("x", [1.5])], parameters });
    expect(response.status).toBe(200);
    expect(functions.invocations.at(-1)?.parameters).toEqual({ offset: -3 });
  });

  test("keeps 64-bit integers exact both ways", async () => {
    const body =
      '{"inputs":[{"name":"x","shape":[2],"datatype":"INT64","data":[9007199254740993,"-9223372036854775808"]}]}';
    const response = await app.request("/v2/models/echo-int64/infer", { method: "POST", body });
    expect(await response.text()).toContain('"data":[9007199254740993,-9223372036854775808]');
  });

  test("carries strings and booleans", async () => {
    const text = { name: "x", shape: [2], datatype: "BYTES", data: ["a", "ö\n"] };
    expect((await (await infer("echo-string", { inputs: [text] })).json()).outputs[0].data).toEqual([
      "a",
      "ö\n",
    ]);
    const truth = { name: "x", shape: [2], datatype: "BOOL", data: [true, false] };
    expect((await (await infer("echo-bool", { inputs: [truth] })).json()).outputs[0].data).toEqual([
      true,
      false,
    ]);
  });
});

describe("inference with binary tensors", () => {
  /** As Triton's Python client sends by default: no Content-Type, binary both ways. */
  const tritonRequest = (request: unknown, tensors: Uint8Array[]) => {
    const { body, jsonBytes } = joinBody(JSON.stringify(request), tensors);
    return { body: new Uint8Array(body), jsonBytes };
  };
  const sendBinary = (
    name: string,
    body: BodyInit,
    jsonBytes: number,
    headers: Record<string, string> = {},
  ) =>
    app.request(`/v2/models/${name}/infer`, {
      method: "POST",
      headers: { "inference-header-content-length": String(jsonBytes), ...headers },
      body,
    });
  const parts = async (response: Response) => {
    const bytes = new Uint8Array(await response.arrayBuffer());
    const length = Number(response.headers.get("inference-header-content-length"));
    return {
      json: JSON.parse(new TextDecoder().decode(bytes.subarray(0, length))),
      rest: bytes.slice(length),
    };
  };
  const input = (name: string, size: number) => ({
    name,
    shape: [2],
    datatype: "FP32",
    parameters: { binary_data_size: size },
  });

  test("takes and gives bytes behind the JSON", async () => {
    const request = { inputs: [input("a", 8), input("b", 8)], parameters: { binary_data_output: true } };
    const { body, jsonBytes } = tritonRequest(request, [floatBytes([1, 2]), floatBytes([10, 20])]);
    const response = await sendBinary("add", body, jsonBytes);
    expect(response.headers.get("content-type")).toBe("application/octet-stream");
    const { json, rest } = await parts(response);
    expect(json.outputs).toEqual([
      { name: "sum", shape: [2], datatype: "FP32", parameters: { binary_data_size: 8 } },
    ]);
    expect(rest).toEqual(floatBytes([11, 22]));
  });

  test("mixes forms: by input, and by output against the request's default", async () => {
    const request = {
      inputs: [input("x", 8)],
      outputs: [{ name: "floor", parameters: { binary_data: false } }, { name: "rest" }],
      parameters: { binary_data_output: true },
    };
    const { body, jsonBytes } = tritonRequest(request, [floatBytes([1.5, -0.5])]);
    const { json, rest } = await parts(await sendBinary("split", body, jsonBytes));
    expect(json.outputs).toEqual([
      { name: "floor", shape: [2], datatype: "INT32", data: [1, -1] },
      { name: "rest", shape: [2], datatype: "FP32", parameters: { binary_data_size: 8 } },
    ]);
    expect(rest).toEqual(floatBytes([0.5, 0.5]));
  });

  test("carries FP16, which JSON does not", async () => {
    const half = new Uint8Array([0, 0x3c, 0, 0xc0]);
    const item = { name: "x", shape: [2], datatype: "FP16", parameters: { binary_data_size: 4 } };
    const { body, jsonBytes } = tritonRequest({ inputs: [item] }, [half]);
    const asJson = await sendBinary("echo-float16", body, jsonBytes);
    expect(asJson.status).toBe(400);
    expect((await asJson.json()).error).toMatch(/output 'y' as JSON as it is FP16/);
    const binary = tritonRequest(
      { inputs: [item], outputs: [{ name: "y", parameters: { binary_data: true } }] },
      [half],
    );
    expect((await parts(await sendBinary("echo-float16", binary.body, binary.jsonBytes))).rest).toEqual(half);
  });

  test("takes a raw body for one input and answers in binary", async () => {
    const response = await sendBinary("echo", floatBytes([1, 2, 3, 4, 5, 6]), 0);
    const { json, rest } = await parts(response);
    expect(json.outputs[0].shape).toEqual([2, 3]);
    expect(rest).toEqual(floatBytes([1, 2, 3, 4, 5, 6]));
    const text = await parts(await sendBinary("echo-string", "hello", 0));
    expect(text.rest).toEqual(encodeStrings(["hello"]));
  });

  test.each(["gzip", "deflate"] as const)(
    "takes %s: the header counts bytes before compression",
    async (encoding) => {
      const { body, jsonBytes } = tritonRequest({ inputs: [input("a", 8), input("b", 8)] }, [
        floatBytes([1, 2]),
        floatBytes([3, 4]),
      ]);
      const packed = await new Response(
        new Blob([body]).stream().pipeThrough(new CompressionStream(encoding)),
      ).bytes();
      const response = await sendBinary("add", packed, jsonBytes, { "content-encoding": encoding });
      expect((await response.json()).outputs[0].data).toEqual([4, 6]);
    },
  );
});

describe("deadlines and cancelling", () => {
  test("a call beyond its timeout is stopped and answered with 504", async () => {
    const started = performance.now();
    const response = await infer("sleep", { inputs: [fp32("x", [5000])], parameters: { timeout: 20_000 } });
    expect(response.status).toBe(504);
    expect(await response.json()).toMatchObject({
      code: "DEADLINE_EXCEEDED",
      error: expect.stringMatching(/20 ms/),
    });
    expect(performance.now() - started).toBeLessThan(2000);
  });

  test("a call within its timeout is answered", async () => {
    const response = await infer("sleep", { inputs: [fp32("x", [1])], parameters: { timeout: 5_000_000 } });
    expect(response.status).toBe(200);
  });

  test("a client that goes away stops the call", async () => {
    const controller = new AbortController();
    const body = JSON.stringify({ inputs: [fp32("x", [5000])] });
    const pending = app.request("/v2/models/sleep/infer", {
      method: "POST",
      body,
      signal: controller.signal,
    });
    await expect.poll(() => functions.invocations.length).toBe(1);
    controller.abort();
    const response = await pending;
    expect(response.status).toBe(499);
    expect(await response.json()).toMatchObject({ code: "CANCELLED" });
  });
});

describe("statistics", () => {
  test("count calls and the time of their phases", async () => {
    await infer("add", addRequest);
    await infer("add", addRequest);
    functions.failure = new DawnletError("OUT_OF_MEMORY", "Cannot load: no room");
    await infer("add", addRequest);
    const { body } = await get("/v2/models/add/stats");
    const [stats] = body.model_stats;
    expect(stats).toMatchObject({ name: "add", version: "1", inference_count: 2, execution_count: 2 });
    expect(stats.inference_stats.success.count).toBe(2);
    expect(stats.inference_stats.success.ns).toBeGreaterThan(0);
    expect(stats.inference_stats.fail.count).toBe(1);
    expect(stats.inference_stats.queue).toEqual({ count: 2, ns: 500_000 });
    expect(stats.inference_stats.compute_input).toEqual({ count: 2, ns: 1_000_000 });
    expect(stats.inference_stats.compute_infer).toEqual({ count: 2, ns: 3_000_000 });
    expect(stats.batch_stats[0]).toMatchObject({ batch_size: 1, compute_infer: { count: 2 } });
    expect(Math.abs(stats.last_inference - Date.now())).toBeLessThan(10_000);
  });

  test("list all models, with zeros where nothing was called", async () => {
    const { body } = await get("/v2/models/stats");
    expect(body.model_stats).toHaveLength(functions.list().length);
    expect(body.model_stats[0]).toMatchObject({ inference_count: 0, batch_stats: [] });
  });
});

test("inputs reach the function as the bytes that were sent", async () => {
  await infer("add", addRequest);
  expect(valuesOf(functions.invocations[0]!.inputs.b!)).toEqual([0.5, 0.25]);
});
