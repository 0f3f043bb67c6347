/**
 * Everything wrong that can be sent: bundles, calls, sockets. After each refusal, which has a status, a code and words
 * for people, the server still has its functions and answers.
 */
import { createHash } from "node:crypto";
import { access, open } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { buildZip } from "../gateway/bundle/zip-builder.ts";
import { missingFiles } from "../models/onnx/shared-files.ts";
import { modelFile } from "./media.ts";
import { sendRaw } from "./raw-http.ts";
import { dataFolder, gatewayFor } from "./running-gateway.ts";
import { diagonal, shaderBundle, timesModel, timesModelWithFile, timesShader } from "./small-functions.ts";
import { floats } from "./tensors.ts";

const limits = { callBytes: 2 ** 20, deployBytes: 2 ** 22 };
const server = gatewayFor("all tests", { limits });

beforeAll(async () => {
  await server.client.mustDeploy("times", timesShader(2));
  await server.client.mustDeploy("add", addShader);
  await server.client.mustDeploy("grid", gridBundle);
  await server.client.mustDeploy("model", timesModel(3));
});

/** The control: whatever a test sent, the server has lost nothing. */
afterEach(async () => {
  const names = (await server.client.send<{ functions: { name: string }[] }>("/v1/functions")).body.functions;
  expect(names.map(({ name }) => name)).toEqual(["add", "grid", "model", "times"]);
  expect(await server.client.answer("times", floats([2], [4, 5]))).toEqual([8, 10]);
  expect(server.started.filter((kind) => kind === "device")).toHaveLength(1);
});

const addShader = `
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> c: array<f32>;
@group(0) @binding(3) var<storage, read_write> sum: array<f32>;
@group(0) @binding(4) var<uniform> options: Options;
struct Options { n: u32, scale: f32 }
@compute @workgroup_size(1)
fn main(@builtin(global_invocation_id) id: vec3u) {
  sum[id.x] = (a[id.x] + b[id.x] + c[id.x]) * options.scale;
}`;

const zipOf = (manifest: Readonly<Record<string, unknown>>, shader: string) => shaderBundle(shader, manifest);

/** One input with two free dimensions. */
const gridBundle = zipOf(
  {
    inputs: { x: { type: "float32", shape: ["h", "w"] } },
    outputs: { y: { type: "float32", shape: ["h", "w"] } },
    steps: [{ kernel: "main", bind: { x: "x", y: "y" }, workgroups: ["ceil(h * w / 64)"] }],
  },
  timesShader(2),
);

/** So many arrays bound at once. */
function manyBindings(count: number): string {
  const declarations = Array.from(
    { length: count - 1 },
    (_, i) => `@group(0) @binding(${i}) var<storage, read> x${i}: array<f32>;`,
  );
  const sum = Array.from({ length: count - 1 }, (_, i) => `x${i}[id.x]`).join(" + ");
  return `${declarations.join("\n")}
@group(0) @binding(${count - 1}) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) { y[id.x] = ${sum}; }`;
}

interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly words: RegExp;
}

function expectRefusal(
  answer: { status: number; code: string | undefined; error: string | undefined },
  { status, code, words }: Refusal,
): void {
  expect({ status: answer.status, code: answer.code }).toEqual({ status, code });
  expect(answer.error).toMatch(words);
  // No stack traces, no paths of this machine.
  expect(answer.error).not.toMatch(/\.ts:\d|node_modules|dawnlet-e2e-/);
}

describe("a deploy is refused for", () => {
  const bad = (code: string, words: RegExp): Refusal => ({ status: 400, code, words });
  const cases: readonly (readonly [string, Uint8Array | string, Refusal])[] = [
    ["an empty body", "", bad("INVALID_ARGUMENT", /has no body/)],
    [
      "text that is no shader",
      "hello",
      bad("INVALID_BUNDLE", /expected a zip .* ONNX model, WGSL text .* JavaScript/),
    ],
    [
      "random bytes",
      Uint8Array.from({ length: 500 }, (_, i) => (i * 37) % 251),
      bad("INVALID_BUNDLE", /expected/),
    ],
    ["a zip that is cut short", gridBundle.subarray(0, 200), bad("INVALID_BUNDLE", /zip as it is broken/)],
    [
      "a zip with a wrong checksum",
      buildZip([{ name: "main.wgsl", content: timesShader(2), crc: 1 }]),
      bad("INVALID_BUNDLE", /'main.wgsl' is broken/),
    ],
    ["an empty zip", buildZip([]), bad("INVALID_BUNDLE", /holds nothing/)],
    [
      "a path that leaves the zip",
      buildZip([{ name: "../evil.wgsl", content: timesShader(2) }]),
      bad("INVALID_BUNDLE", /\.\.\/evil\.wgsl/),
    ],
    [
      "an absolute path",
      buildZip([{ name: "/etc/evil.wgsl", content: timesShader(2) }]),
      bad("INVALID_BUNDLE", /\/etc\/evil\.wgsl/),
    ],
    [
      "a manifest that is no JSON",
      buildZip([{ name: "function.json", content: "{" }]),
      bad("INVALID_BUNDLE", /function\.json is no JSON/),
    ],
    [
      "a manifest with an unknown key",
      zipOf({ inpust: {} }, timesShader(2)),
      bad("INVALID_BUNDLE", /inpust is not a key/),
    ],
    [
      "a manifest that names a shader that is missing",
      zipOf({ kernels: { main: { file: "gone.wgsl" } } }, timesShader(2)),
      bad("INVALID_BUNDLE", /no file 'gone\.wgsl'/),
    ],
    [
      "a manifest that names a model that is missing",
      buildZip([{ name: "function.json", content: '{"kind": "onnx", "model": "gone.onnx"}' }]),
      bad("INVALID_BUNDLE", /"gone\.onnx", which is not in it/),
    ],
    [
      "a model whose weights are missing",
      timesModelWithFile("gone.bin"),
      bad("INVALID_MODEL", /'gone\.bin' is not beside it/),
    ],
    [
      "a model whose weights are outside of the bundle",
      timesModelWithFile("../../etc/passwd"),
      bad("INVALID_MODEL", /'\.\.\/\.\.\/etc\/passwd' is no path inside/),
    ],
    [
      "a shader that does not compile",
      timesShader(2).replace("arrayLength(&y)", "arrayLength(&nothing)"),
      bad("INVALID_SHADER", /main\.wgsl:7:\d+: unresolved value 'nothing'/),
    ],
    [
      "a shader in a zip that does not compile",
      zipOf({}, timesShader(2).replace("vec3u", "vec3q")),
      bad("INVALID_SHADER", /kernel\.wgsl:6:\d+: unresolved type 'vec3q'/),
    ],
    [
      "a manifest that binds what the shader has not",
      zipOf({ steps: [{ kernel: "main", bind: { x: "x", z: "y" }, workgroups: [1] }] }, timesShader(2)),
      bad("INVALID_SHADER", /z/),
    ],
    [
      "a manifest that reads what no step wrote",
      zipOf(
        {
          temporaries: { t: { type: "float32", shape: ["n"] } },
          steps: [{ kernel: "main", bind: { x: "t", y: "y" }, workgroups: [1] }],
        },
        timesShader(2),
      ),
      bad("INVALID_BUNDLE", /steps\[0\]\.bind\.x .* kernel 'main' reads temporary 't' .*\{"clear": "t"\}/),
    ],
    [
      "more workgroups than a device runs",
      zipOf({ steps: [{ kernel: "main", bind: { x: "x", y: "y" }, workgroups: [70000] }] }, timesShader(2)),
      { status: 422, code: "LIMIT_EXCEEDED", words: /70000 workgroups|65535/ },
    ],
    [
      "a body over the limit",
      new Uint8Array(limits.deployBytes + 1),
      { status: 413, code: "PAYLOAD_TOO_LARGE", words: /exceeds the maximum of 4194304 bytes/ },
    ],
  ];

  test.each(cases)("%s", async (_, bytes, refusal) => {
    expectRefusal(await server.client.deploy("bad", bytes), refusal);
    expect(await server.client.send("/v1/functions/bad")).toMatchObject({ status: 404, code: "NOT_FOUND" });
  });

  test("nothing was written outside of the data folder", async () => {
    await expect(access(join(server.folder, "..", "evil.wgsl"))).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("more bindings than the device allows, in words that say how many", async () => {
    const { limits: device } = await server.gateway.backends.devices.describe();
    const most = device.maxStorageBuffersPerShaderStage!;
    const words = new RegExp(`binds ${most + 1} storage buffers: this device allows ${most}`);
    expectRefusal(await server.client.deploy("bad", manyBindings(most + 1)), {
      status: 422,
      code: "LIMIT_EXCEEDED",
      words,
    });
    const control = await server.client.deploy("bad", manyBindings(most));
    expect(control.status).toBe(201);
    await server.client.remove("bad");
  });

  test("weights beside a model whose SHA-1 is not the one that it states", async () => {
    const weights = new Uint8Array(diagonal(5).buffer);
    const checksum = createHash("sha1").update(weights).digest("hex");
    const model = timesModelWithFile("weights/w.bin", checksum);
    const zipWith = (content: Uint8Array) =>
      buildZip([
        { name: "model.onnx", content: model },
        { name: "weights/w.bin", content },
      ]);
    const changed = weights.slice();
    changed[17]! ^= 1;
    const words = new RegExp(`SHA-1 of 'weights/w\\.bin' is [0-9a-f]{40}: expected ${checksum}`);
    const refusal = { status: 400, code: "INVALID_MODEL", words };
    expectRefusal(await server.client.deploy("bad", zipWith(changed)), refusal);
    expect(await server.client.send("/v1/functions/bad")).toMatchObject({ status: 404 });
    const control = await server.client.deploy("bad", zipWith(weights));
    expect(control.status).toBe(201);
    await server.client.remove("bad");
  });

  test("names that are none", async () => {
    for (const name of [".hidden", "a%2Fb", "a%20b", "x".repeat(129)]) {
      const answer = await server.client.deploy(name, timesShader(2));
      expectRefusal(answer, { status: 400, code: "INVALID_ARGUMENT", words: /name/ });
    }
  });

  test.skipIf(missingFiles !== undefined)("a model that is cut short", async () => {
    for (const name of ["mnist.onnx", "ultraface-rfb-320.onnx"]) {
      const bytes = modelFile(name);
      const answer = await server.client.deploy("bad", bytes.subarray(0, bytes.length / 2));
      expectRefusal(answer, { status: 400, code: "INVALID_MODEL", words: /Cannot read the model/ });
    }
  });

  test("a model of more than 2 GiB, which is not even read", async () => {
    await using other = await dataFolder();
    const path = join(other.path, "large.onnx");
    const file = await open(path, "w");
    await file.write(timesModel(2));
    // Sparse: no bytes are allocated on the disk.
    await file.truncate(2 ** 31 + 5);
    await file.close();
    const source = { modelPath: path, files: {} };
    await expect(server.gateway.backends.compilers.inspect("", source, 30_000)).rejects.toMatchObject({
      code: "UNSUPPORTED_MODEL",
      message: expect.stringContaining("at most 2 GiB"),
    });
  });

  test("a body over the limit that does not say its length", async () => {
    const chunk = new Uint8Array(2 ** 20);
    let sent = 0;
    const body = new ReadableStream({
      pull(controller) {
        if (sent++ < 8) controller.enqueue(chunk);
        else controller.close();
      },
    });
    const init = { method: "PUT", body, duplex: "half" } as RequestInit;
    // The server may close before it has all of it: then fetch has no answer.
    const answer = await server.client.send("/v1/functions/bad", init).catch(() => undefined);
    if (answer !== undefined)
      expectRefusal(answer, { status: 413, code: "PAYLOAD_TOO_LARGE", words: /exceeds the maximum/ });
    expect(await server.client.send("/v1/functions/bad")).toMatchObject({ status: 404 });
  });
});

describe("a call is refused for", () => {
  const x = { name: "x", shape: [2], datatype: "FP32", data: [1, 2] };
  const infer = (model: string, request: unknown) =>
    server.client.send(`/v2/models/${model}/infer`, { method: "POST", body: JSON.stringify(request) });
  const bad = (words: RegExp): Refusal => ({ status: 400, code: "INVALID_ARGUMENT", words });
  const missing = (words: RegExp): Refusal => ({ status: 404, code: "NOT_FOUND", words });

  const cases: readonly (readonly [string, string, unknown, Refusal])[] = [
    ["an unknown function", "nobody", { inputs: [x] }, missing(/no function 'nobody'/)],
    ["an unknown version", "times/versions/7", { inputs: [x] }, missing(/no version '7': there are 1/)],
    ["an unknown input", "times", { inputs: [{ ...x, name: "z" }] }, bad(/no input "z": it takes x/)],
    ["a missing input", "times", { inputs: [] }, bad(/input 'x' is missing/)],
    ["an unknown output", "times", { inputs: [x], outputs: [{ name: "z" }] }, bad(/output 'z'/)],
    ["an unknown parameter", "times", { inputs: [x], parameters: { z: 1 } }, bad(/no parameter 'z'/)],
    ["a parameter of a model", "model", { inputs: [], parameters: { z: 1 } }, bad(/'z'|'x' is missing/)],
    ["a missing parameter", "add", { inputs: ["a", "b", "c"].map((name) => ({ ...x, name })) }, bad(/scale/)],
    ["another rank", "times", { inputs: [{ ...x, shape: [1, 2] }] }, bad(/shape is \[1,2\]: expected \[n\]/)],
    ["another data type", "times", { inputs: [{ ...x, datatype: "INT32" }] }, bad(/INT32: expected FP32/)],
    ["fewer elements than its shape", "times", { inputs: [{ ...x, data: [1] }] }, bad(/1 elements/)],
    [
      "sizes that contradict each other",
      "add",
      {
        inputs: [
          { ...x, name: "a" },
          { ...x, name: "b" },
          { ...x, name: "c", shape: [1], data: [1] },
        ],
        parameters: { scale: 1 },
      },
      bad(/dimension 'n' is 2 in input 'a' and 1 in input 'c'/),
    ],
    [
      "a model's fixed dimension",
      "model",
      { inputs: [{ ...x, shape: [1, 2] }] },
      bad(/\[1,2\]: expected \[rows, 96\]/),
    ],
    [
      "a shape whose product overflows",
      "grid",
      { inputs: [{ ...x, shape: [2 ** 40, 2 ** 40] }] },
      bad(/more elements than can be counted/),
    ],
    ["a negative dimension", "times", { inputs: [{ ...x, shape: [-1] }] }, bad(/dimension -1/)],
    [
      "an output asked for twice",
      "times",
      { inputs: [x], outputs: [{ name: "y" }, { name: "y" }] },
      bad(/asked for twice/),
    ],
  ];

  test.each(cases)("%s", async (_, model, request, refusal) => {
    expectRefusal(await infer(model, request), refusal);
  });

  test("more workgroups than a device runs, known only from the call", async () => {
    const count = 65536;
    const many = floats([count], new Array(count).fill(0));
    // One element a workgroup.
    const answer = await server.client.tryInfer("add", { a: many, b: many, c: many }, { scale: 1 });
    expect(answer).toMatchObject({
      status: 422,
      code: "LIMIT_EXCEEDED",
      error: expect.stringMatching(/65536.*65535/),
    });
  });

  test("bytes that are not as many as the shape says", async () => {
    const short = { ...floats([2], [1, 2]), shape: [3] };
    const answer = await server.client.tryInfer("times", { x: short });
    expect(answer).toMatchObject({ status: 400, code: "INVALID_ARGUMENT" });
  });

  test("a body over the limit, with and without a length", async () => {
    const large = JSON.stringify({
      inputs: [{ ...x, shape: [300_000], data: new Array(300_000).fill(1.5) }],
    });
    const tooLarge = { status: 413, code: "PAYLOAD_TOO_LARGE", words: /exceeds the maximum of 1048576/ };
    const path = "/v2/models/times/infer";
    expectRefusal(await server.client.send(path, { method: "POST", body: large }), tooLarge);
    const load = { method: "POST", body: JSON.stringify({ parameters: { config: "x".repeat(2 ** 20) } }) };
    expectRefusal(await server.client.send("/v2/repository/models/m/load", load), tooLarge);
  });

  test("a file of 256 letters in a repository load", async () => {
    const parameters = { config: "{}", [`file:1/${"m".repeat(254)}`]: "AAAA" };
    const answer = await server.client.send("/v2/repository/models/m/load", {
      method: "POST",
      body: JSON.stringify({ parameters }),
    });
    expectRefusal(answer, bad(/256 characters/));
  });
});

describe("over a bare socket", () => {
  const sound = JSON.stringify({ inputs: [{ name: "x", shape: [1], datatype: "FP32", data: [1] }] });
  const post = (path: string, body: string, headers = `Content-Length: ${body.length}`, breakOff = false) =>
    sendRaw(server.client.url, `POST ${path} HTTP/1.1\n${headers}`, body, breakOff);
  const infer = "/v2/models/times/infer";

  test("a sound request is answered", async () => {
    const answer = await post(infer, sound);
    expect(answer?.status).toBe(200);
    expect(JSON.parse(answer!.body).outputs[0].data).toEqual([2]);
  });

  test("a body that breaks off is no call", async () => {
    const answer = await post(infer, sound.slice(0, 20), `Content-Length: ${sound.length}`, true);
    // A client that is gone gets no answer; one that only stopped sending gets a refusal.
    if (answer !== undefined) expect(answer.status).toBe(400);
  });

  test("an upload that breaks off deploys nothing", async () => {
    const head = `PUT /v1/functions/bad HTTP/1.1\nContent-Length: 5000`;
    const answer = await sendRaw(server.client.url, head, timesShader(2), true);
    if (answer !== undefined) expect(answer.status).toBe(400);
    expect(await server.client.send("/v1/functions/bad")).toMatchObject({ status: 404 });
  });

  test.each([
    ["99999999999", /99999999999/],
    ["-5", /-5/],
    ["abc", /abc/],
  ])("a header length of %s is refused", async (length, words) => {
    const headers = `Content-Length: ${sound.length}\nInference-Header-Content-Length: ${length}`;
    const answer = await post(infer, sound, headers);
    expect(answer).toMatchObject({ status: 400, body: expect.stringMatching(words) });
    expect(JSON.parse(answer!.body)).toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test.each([120, 250_000])("JSON nested %i deep is refused", async (depth) => {
    const body = `{"ready":${"[".repeat(depth)}${"]".repeat(depth)}}`;
    for (const path of [infer, "/v2/repository/models/times/load"]) {
      const answer = await post(path, body);
      expect(answer?.status).toBe(400);
      expect(JSON.parse(answer!.body)).toMatchObject({ error: expect.stringContaining("100 levels") });
    }
  });

  test.each([
    ["three inputs", "add", /exactly one input: function 'add' has 3/],
    ["two free dimensions", "grid", /h|w/],
  ])("a raw body for %s is refused", async (_, model, words) => {
    const headers = "Content-Length: 12\nInference-Header-Content-Length: 0";
    const answer = await post(`/v2/models/${model}/infer`, "\0".repeat(12), headers);
    expect(answer?.status).toBe(400);
    expect(JSON.parse(answer!.body).error).toMatch(words);
  });

  test("a raw body for one free dimension is answered", async () => {
    const headers = "Content-Length: 12\nInference-Header-Content-Length: 0";
    expect((await post(infer, "\0".repeat(12), headers))?.status).toBe(200);
  });

  test("what is no HTTP is refused", async () => {
    const answer = await sendRaw(server.client.url, "NONSENSE");
    if (answer !== undefined) expect(answer.status).toBe(400);
  });

  test("methods and paths that are none", async () => {
    expect((await post("/v2/models/times", ""))?.status).toBe(405);
    expect((await post("/v3/nothing", ""))?.status).toBe(404);
  });
});
