import { beforeEach, describe, expect, test } from "vitest";
import { createApp } from "../../../gateway/app.ts";
import { DawnletError } from "../../../kernels/errors.ts";
import { FakeFunctions } from "../fake-functions.ts";

let functions: FakeFunctions;
let app: ReturnType<typeof createApp>;

beforeEach(() => {
  functions = new FakeFunctions();
  app = createApp({ functions, limits: { callBytes: 10_000 } });
});

const post = async (path: string, value?: unknown) => {
  const body = value === undefined ? {} : { body: JSON.stringify(value) };
  const response = await app.request(`/v2/repository/${path}`, { method: "POST", ...body });
  return { status: response.status, body: await response.json() };
};

const model = new Uint8Array([8, 7, 18, 0]);
const load = (file: string, more: object = {}) => ({
  parameters: { config: '{"backend":"onnxruntime"}', [file]: model.toBase64(), ...more },
});

describe("the index", () => {
  test("lists every version, for a body that is empty, an object, or asks for what is ready", async () => {
    for (const value of [undefined, {}, { ready: true }]) {
      const { status, body } = await post("index", value);
      expect(status).toBe(200);
      expect(body).toHaveLength(functions.list().length);
      expect(body[0]).toEqual({ name: "add", version: "1", state: "READY", reason: "" });
    }
  });

  test("says LOADING while the server starts, and leaves that out where only ready ones are wanted", async () => {
    functions.ready = false;
    expect((await post("index")).body[0].state).toBe("LOADING");
    expect((await post("index", { ready: true })).body).toEqual([]);
  });

  test("says UNAVAILABLE of a version in quarantine, and leaves it out where only ready ones are wanted", async () => {
    functions.quarantine("add");
    const { body } = await post("index");
    const entry = body.find(({ name }: { name: string }) => name === "add");
    expect(entry).toMatchObject({ state: "UNAVAILABLE", reason: "in quarantine: it hung" });
    const ready = (await post("index", { ready: true })).body.map(({ name }: { name: string }) => name);
    expect(ready).not.toContain("add");
    expect(ready).toContain("echo");
  });

  test("refuses a 'ready' that is no boolean", async () => {
    expect(await post("index", { ready: "yes" })).toMatchObject({
      status: 400,
      body: { error: expect.stringMatching(/'ready'/) },
    });
  });
});

describe("load", () => {
  test("with a file deploys its bytes", async () => {
    expect(await post("models/new/load", load("file:1/model.onnx"))).toEqual({
      status: 200,
      body: { name: "new", load: true },
    });
    expect(functions.uploads).toEqual([
      { name: "new", bytes: model, contentType: "application/octet-stream" },
    ]);
    expect((await app.request("/v2/models/new/ready")).status).toBe(200);
  });

  test("without a file says whether the function is there", async () => {
    expect((await post("models/add/load")).status).toBe(200);
    expect((await post("models/add/load", { parameters: { config: "{}" } })).status).toBe(200);
    expect((await post("models/nothing/load")).status).toBe(404);
    expect(functions.uploads).toEqual([]);
  });

  test.each([
    [
      "a file without config",
      { parameters: { "file:1/model.onnx": "AAAA" } },
      /needs the parameter 'config'/,
    ],
    ["a path of 256 characters", load(`file:${"x".repeat(256)}`), /has 256 characters: at most 255/],
    ["a path that leaves the model", load("file:../model.onnx"), /expected one such as '1\/model.onnx'/],
    ["an absolute path", load("file:/model.onnx"), /expected one such as/],
    ["a path with backslashes", load("file:1\\model.onnx"), /expected one such as/],
    ["an empty path", load("file:"), /expected one such as/],
    ["two files", load("file:1/model.onnx", { "file:1/data": "AAAA" }), /2 files: deploy several as one zip/],
    ["what is no base64", load("file:1/model.onnx", { "file:1/model.onnx": "%%%" }), /not valid base64/],
    [
      "a file that is no string",
      load("file:1/model.onnx", { "file:1/model.onnx": 5 }),
      /no string of base64/,
    ],
    [
      "a config that is no JSON",
      load("file:1/model.onnx", { config: "{" }),
      /config of 'new' as it is not JSON/,
    ],
    ["a config that is no string", load("file:1/model.onnx", { config: {} }), /no string of JSON/],
    ["parameters that are no object", { parameters: [] }, /'parameters' is no object/],
  ])("refuses %s", async (_, request, message) => {
    const { status, body } = await post("models/new/load", request);
    expect(status).toBe(400);
    expect(body.error).toMatch(message);
    expect(functions.uploads).toEqual([]);
  });

  test("refuses a body over the limit, saying so", async () => {
    const { status, body } = await post(
      "models/new/load",
      load("file:1/model.onnx", { more: "x".repeat(10_000) }),
    );
    expect(status).toBe(413);
    expect(body.error).toMatch(/exceeds the maximum of 10000 bytes/);
  });

  test("refuses names that no function can have", async () => {
    for (const name of [".hidden", "a%20b", "x".repeat(129)]) {
      expect((await post(`models/${name}/load`, load("file:1/model.onnx"))).status).toBe(400);
    }
  });

  test("answers 501 for a model that is not supported, as Triton does", async () => {
    functions.failure = new DawnletError("UNSUPPORTED_MODEL", "Cannot run operator 'Loop'");
    expect(await post("models/new/load", load("file:1/model.onnx"))).toMatchObject({
      status: 501,
      body: { code: "UNSUPPORTED_MODEL" },
    });
  });
});

test("unload removes the function, once", async () => {
  const request = { parameters: { unload_dependents: false } };
  expect(await post("models/add/unload", request)).toEqual({
    status: 200,
    body: { name: "add", unload: true },
  });
  expect((await app.request("/v2/models/add")).status).toBe(404);
  expect((await post("models/add/unload", request)).status).toBe(404);
});
