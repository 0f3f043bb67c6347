/** ONNX models inside handlers: ONNX Runtime Web itself, and what stands for it by `Symbol.for("onnxruntime")`. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type * as Ort from "onnxruntime-web/webgpu";
import { describe, expect, test } from "vitest";
import { create } from "webgpu";
import { acceptSharedMemory } from "../../models/record/shared-memory.ts";
import { decodeImage } from "../../runtime/library/image-files.ts";
import { imageToTensor } from "../../runtime/library/image-tensor.ts";
import { testDevice } from "../gpu.ts";
import { missingFiles, sharedFolder } from "../models/onnx/shared-files.ts";
import { gatewayFor } from "./running-gateway.ts";
import { floats, floatsIn } from "./tensors.ts";
import { zipped } from "./zipped.ts";

const server = gatewayFor("all tests");
const digits = [0, 3, 5, 7] as const;
const shape = [1, 1, 28, 28] as const;

const shared = (name: string) => new Uint8Array(readFileSync(join(sharedFolder, "models", name)));

async function pixelsOf(digit: number): Promise<Float32Array<ArrayBuffer>> {
  const image = await decodeImage(shared(`digit-${digit}.jpg`));
  return imageToTensor(image, { width: 28, height: 28, channels: 1, scale: 1 }).data;
}

async function call(path: string, body: Float32Array<ArrayBuffer>): Promise<Response> {
  const response = await fetch(`${server.client.url}/function/${path}`, { method: "POST", body });
  if (!response.ok) throw new Error(await response.text());
  return response;
}

const argmax = (scores: ArrayLike<number>) => Array.from(scores).indexOf(Math.max(...Array.from(scores)));

// Where there are no models, shared-files.ts has said so.
describe.skipIf(missingFiles !== undefined)("ONNX Runtime Web in a handler", () => {
  /** The session is made by the first request: a file of the bundle belongs to a request's context. */
  const handler = (build: string, provider: string) => `
    import * as ort from "onnxruntime-web/${build}";
    let submits = 0;
    const { submit } = GPUQueue.prototype;
    GPUQueue.prototype.submit = function (...buffers) { submits++; return submit.apply(this, buffers); };
    let opened;
    export default {
      async fetch(request, env, ctx) {
        opened ??= ctx.file("mnist.onnx").then((model) =>
          ort.InferenceSession.create(model, { executionProviders: ["${provider}"] }));
        const session = await opened;
        const data = new Float32Array(await request.arrayBuffer());
        const input = new ort.Tensor("float32", data, [${shape}]);
        const before = submits;
        const { Plus214_Output_0: scores } = await session.run({ Input3: input });
        const values = await scores.getData();
        return new Response(values.slice(), { headers: { "x-submits": String(submits - before) } });
      },
    };`;

  const builds: Readonly<Record<string, () => Promise<typeof Ort>>> = {
    webgpu: () => import("onnxruntime-web/webgpu"),
    jspi: () => import("onnxruntime-web/jspi"),
    wasm: () => import("onnxruntime-web/wasm"),
  };

  /** Kept: see test/gpu.ts. */
  let gpu: GPU | undefined;

  /** The same build in the process of this test, on a device of its own. */
  async function outside(build: string): Promise<(pixels: Float32Array) => Promise<Float32Array>> {
    const ort = await builds[build]!();
    ort.env.wasm.numThreads = 1;
    let executionProviders: Ort.InferenceSession.ExecutionProviderConfig[] = ["wasm"];
    if (build !== "wasm") {
      const device = await testDevice();
      acceptSharedMemory(device);
      // It looks for an adapter even when it is handed a device.
      gpu ??= create([]);
      Object.defineProperty(navigator, "gpu", { value: gpu, configurable: true });
      executionProviders = [{ name: "webgpu", device } as Ort.InferenceSession.WebGpuExecutionProviderOption];
    }
    const session = await ort.InferenceSession.create(shared("mnist.onnx"), { executionProviders });
    return async (pixels) => {
      const { Plus214_Output_0: scores } = await session.run({
        Input3: new ort.Tensor("float32", pixels, shape),
      });
      return (await scores!.getData()) as Float32Array;
    };
  }

  test.each([
    ["webgpu", "webgpu"],
    ["jspi", "webgpu"],
    ["wasm", "wasm"],
  ])(
    "gives what it gives outside, with the build %s and the provider %s",
    {
      timeout: 120_000,
    },
    async (build, provider) => {
      const name = `ort-${build}`;
      await server.client.mustDeploy(
        name,
        await zipped({
          // The module and its WebAssembly take 200 to 300 MiB.
          "function.json": { kind: "handler", limits: { memoryBytes: "512MiB" } },
          "handler.js": handler(build, provider),
          "mnist.onnx": shared("mnist.onnx"),
        }),
      );
      const run = await outside(build);
      for (const digit of digits) {
        const pixels = await pixelsOf(digit);
        const response = await call(name, pixels);
        const submits = Number(response.headers.get("x-submits"));
        if (provider === "webgpu") expect(submits).toBeGreaterThan(0);
        else expect(submits).toBe(0);
        const scores = new Float32Array(await response.arrayBuffer());
        expect(argmax(scores)).toBe(digit);
        expect(scores).toEqual(await run(pixels));
      }
    },
  );
});

describe.skipIf(missingFiles !== undefined)("what stands for ONNX Runtime", () => {
  /** onnxruntime-common as packages bring it along: their tensors are of its class, not of the host's. */
  const common = () => {
    const folder = join(import.meta.dirname, "../../node_modules/onnxruntime-common");
    const paths = ["package.json", ...globSync("dist/esm/*.js", { cwd: folder }), "dist/esm/package.json"];
    return Object.fromEntries(
      paths.map((path) => [
        `node_modules/onnxruntime-common/${path}`,
        readFileSync(join(folder, path), "utf8"),
      ]),
    );
  };

  const handler = `
    import { Tensor as CommonTensor } from "onnxruntime-common";
    const ort = globalThis[Symbol.for("onnxruntime")];
    ort.env.wasm.numThreads = 4;
    ort.env.logLevel = "error";
    const input = (Tensor, data) => ({ Input3: new Tensor("float32", data, [${shape}]) });
    const routes = {
      async bytes(data, ctx) {
        const session = await ort.InferenceSession.create(await ctx.file("mnist.onnx"), { executionProviders: ["webgpu"] });
        const { inputNames, outputNames, inputMetadata, outputMetadata } = session;
        const { Plus214_Output_0: scores } = await session.run(input(ort.Tensor, data));
        const { type, dims, size, location } = scores;
        const isTensor = scores instanceof ort.Tensor;
        await session.release();
        const after = await session.run(input(ort.Tensor, data)).catch((error) => error.message);
        return { scores: [...scores.data], type, dims, size, location, isTensor, inputNames, outputNames, inputMetadata, outputMetadata, after };
      },
      async named(data) {
        const session = await ort.InferenceSession.create("digits");
        const results = await session.run(input(ort.Tensor, data), ["Plus214_Output_0"], { tag: "x" });
        const wrong = await session.run(input(ort.Tensor, data), ["Other"]).catch((error) => error.message);
        const missing = await session.run({}).catch((error) => error.message);
        return { scores: [...results.Plus214_Output_0.data], wrong, missing };
      },
      async common(data, ctx) {
        const bytes = await ctx.file("mnist.onnx");
        const session = await ort.InferenceSession.create(bytes.buffer, bytes.byteOffset, bytes.byteLength, {});
        const { Plus214_Output_0: scores } = await session.run(input(CommonTensor, data), { Plus214_Output_0: null });
        return { scores: [...scores.data] };
      },
      async device(data) {
        const session = await ort.InferenceSession.create("digits", { preferredOutputLocation: "gpu-buffer" });
        const { Plus214_Output_0: scores } = await session.run(input(ort.Tensor, data));
        const before = scores.location;
        let message;
        try { scores.data } catch (error) { message = error.message }
        const read = await scores.getData(true);
        const after = scores.location;
        scores.dispose();
        return { scores: [...read], message, locations: [before, after, scores.location] };
      },
      async shapes() {
        const made = [
          new ort.Tensor("int64", [1, 2, 3], [3, 1]), new ort.Tensor(Float32Array.of(1, 2)), new ort.Tensor([true, false]),
          new ort.Tensor("float16", Uint16Array.of(0x3c00), []), new ort.Tensor("bool", Uint8Array.of(1)),
          new ort.Tensor("uint8", Uint8ClampedArray.of(7)), new ort.Tensor("float32", [1.5, 2.5]).reshape([1, 2]),
        ];
        const refused = [() => new ort.Tensor("float32", [1], [2]), () => new ort.Tensor("string", ["a"]), () => new ort.Tensor([1, 2]),
          () => new ort.Tensor("int32", Float32Array.of(1)), () => new ort.Tensor("float32", [1], "1")];
        return {
          made: made.map(({ type, dims, data, location }) => [type, dims, data.constructor.name, Array.from(data, Number), location]),
          refused: refused.map((make) => { try { make(); } catch (error) { return error.message; } }),
        };
      },
    };
    export default {
      async fetch(request, env, ctx) {
        const data = new Float32Array(await request.arrayBuffer());
        return Response.json(await routes[new URL(request.url).pathname.slice(1)](data, ctx));
      },
    };`;

  const bundle = () =>
    zipped({
      "function.json": { kind: "handler", uses: { digits: "mnist" } },
      "handler.js": handler,
      "mnist.onnx": shared("mnist.onnx"),
      ...common(),
    });
  const ask = async (path: string, data: Float32Array<ArrayBuffer>) => (await call(path, data)).json();
  const provided = async () => {
    const { body } = await server.client.send<{ functions: { name: string }[] }>("/v1/functions");
    return body.functions.map(({ name }) => name).filter((name) => name.startsWith("onnx-"));
  };

  test("runs a model of bytes, of a name and of the handler's own tensors, on the shared device", {
    timeout: 120_000,
  }, async () => {
    await server.client.mustDeploy("mnist", shared("mnist.onnx"));
    await server.client.mustDeploy("hooked", await bundle());
    const expected = new Map<number, Float32Array>();
    for (const digit of digits) {
      const pixels = await pixelsOf(digit);
      const outputs = await server.client.infer("mnist", { Input3: floats(shape, [...pixels]) });
      expected.set(digit, floatsIn(outputs.get("Plus214_Output_0")!));
    }
    const signature = [{ name: "Input3", isTensor: true, type: "float32", shape: [...shape] }];
    const outputs = [{ name: "Plus214_Output_0", isTensor: true, type: "float32", shape: [1, 10] }];
    const also: Readonly<Record<string, object>> = {
      bytes: {
        ...{ type: "float32", dims: [1, 10], size: 10, location: "cpu", isTensor: true },
        ...{ inputNames: ["Input3"], outputNames: ["Plus214_Output_0"] },
        ...{ inputMetadata: signature, outputMetadata: outputs, after: "The session was released" },
      },
      named: {
        wrong: "'fetches' contains invalid output name: Other.",
        missing: "input 'Input3' is missing in 'feeds'.",
      },
      common: {},
      device: { message: expect.stringContaining("on the device"), locations: ["gpu-buffer", "cpu", "none"] },
    };
    for (const [route, more] of Object.entries(also)) {
      for (const digit of digits) {
        const answer = await ask(`hooked/${route}`, await pixelsOf(digit));
        expect(argmax(answer.scores), route).toBe(digit);
        expect(answer, route).toEqual({ scores: [...expected.get(digit)!], ...more });
      }
    }
  });

  test("compiles equal models once, whichever handlers have them, and shows them as functions", {
    timeout: 120_000,
  }, async () => {
    const names = await provided();
    expect(names).toHaveLength(1);
    expect((await server.client.status(names[0]!)).current).toMatchObject({
      version: 1,
      engine: { type: "program" },
    });
    // Names are everybody's: nobody may take one of these before its model comes.
    expect(await server.client.deploy(names[0]!, shared("mnist.onnx"))).toMatchObject({
      ...{ status: 400, code: "INVALID_ARGUMENT" },
      error: expect.stringContaining("such names are those of models that handlers bring"),
    });
    const compilers = server.started.filter((kind) => kind === "compiler").length;
    await Promise.all(
      ["second", "third"].map(async (name) => server.client.mustDeploy(name, await bundle())),
    );
    const pixels = await pixelsOf(7);
    const answers = await Promise.all(["second", "third"].map((name) => ask(`${name}/bytes`, pixels)));
    for (const { scores } of answers) expect(argmax(scores)).toBe(7);
    expect(await provided()).toEqual(names);
    expect((await server.client.status(names[0]!)).current.version).toBe(1);
    expect(server.started.filter((kind) => kind === "compiler")).toHaveLength(compilers);
  });

  test("makes tensors as onnxruntime-common does, and refuses what it refuses", async () => {
    const { made, refused } = await ask("hooked/shapes", new Float32Array());
    expect(made).toEqual([
      ["int64", [3, 1], "BigInt64Array", [1, 2, 3], "cpu"],
      ["float32", [2], "Float32Array", [1, 2], "cpu"],
      ["bool", [2], "Uint8Array", [1, 0], "cpu"],
      ["float16", [], "Float16Array", [1], "cpu"],
      ["bool", [1], "Uint8Array", [1], "cpu"],
      ["uint8", [1], "Uint8Array", [7], "cpu"],
      ["float32", [1, 2], "Float32Array", [1.5, 2.5], "cpu"],
    ]);
    expect(refused).toEqual(Array(5).fill(expect.any(String)));
  });
});
