/** Programs for WebGPU: the same on Dawn in this process, and in a handler. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { create, globals } from "webgpu";
import { gatewayFor } from "./running-gateway.ts";
import { gpuPrograms } from "./webgpu-programs.ts";
import { zipped } from "./zipped.ts";

const server = gatewayFor("all tests");
const call = (path: string) => fetch(`${server.client.url}/function/${path}`);

/** A device with all that its adapter has, as handlers' devices are. */
const deviceSource = `
  const adapter = await gpu.requestAdapter();
  return adapter.requestDevice({ requiredFeatures: adapter.features.has("timestamp-query") ? ["timestamp-query"] : [] });`;

describe("a program", () => {
  /** Kept: Dawn stops answering once it is collected. */
  let gpu: GPU;
  const openDevice = new Function("gpu", `return (async () => {${deviceSource}})();`) as (
    gpu: GPU,
  ) => Promise<GPUDevice>;

  beforeAll(async () => {
    Object.assign(globalThis, globals);
    gpu = create([]);
    const bundle = await zipped({
      "function.json": { kind: "handler" },
      "webgpu-programs.ts": readFileSync(join(import.meta.dirname, "webgpu-programs.ts"), "utf8"),
      "handler.ts": `
        import { gpuPrograms } from "./webgpu-programs.ts";
        async function openDevice(gpu: GPU) {${deviceSource}}
        export default {
          async fetch(request: Request) {
            const index = Number(new URL(request.url).pathname.slice(1));
            const device = await openDevice(navigator.gpu);
            const result = await gpuPrograms[index]!.run(device, navigator.gpu);
            device.destroy();
            return Response.json(result);
          },
        };`,
    });
    await server.client.mustDeploy("programs", bundle);
  });

  test.each(gpuPrograms.map((program, index) => [program.name, program, index] as const))(
    "in a handler gives what it gives here: %s",
    async (_, program, index) => {
      const device = await openDevice(gpu);
      const expected: unknown = JSON.parse(JSON.stringify(await program.run(device, gpu)));
      device.destroy();
      if (typeof expected === "object" && expected !== null && "isRight" in expected)
        expect(expected.isRight).toBe(true);
      const response = await call(`programs/${index}`);
      expect(await response.json()).toEqual(expected);
    },
  );
});

test("memory beyond the handler's budget is an error of out-of-memory scopes, and comes back when it is freed", async () => {
  await server.client.mustDeploy(
    "greedy",
    await zipped({
      "function.json": { kind: "handler", limits: { gpuBytes: "32MiB" } },
      "handler.js": `
        export default {
          async fetch() {
            const adapter = await navigator.gpu.requestAdapter();
            const device = await adapter.requestDevice();
            const take = async (size) => {
              device.pushErrorScope("out-of-memory");
              const buffer = device.createBuffer({ size, usage: GPUBufferUsage.STORAGE });
              const error = await device.popErrorScope();
              return { buffer, isRefused: error instanceof GPUOutOfMemoryError };
            };
            const mebibyte = 2 ** 20;
            const taken = [await take(16 * mebibyte), await take(15 * mebibyte), await take(2 * mebibyte)];
            taken[0].buffer.destroy();
            taken.push(await take(2 * mebibyte), await take(14 * mebibyte), await take(4 * mebibyte));
            device.destroy();
            const second = await adapter.requestDevice();
            second.pushErrorScope("out-of-memory");
            second.createBuffer({ size: 30 * mebibyte, usage: GPUBufferUsage.STORAGE });
            const again = await second.popErrorScope();
            second.destroy();
            return Response.json({ refused: taken.map(({ isRefused }) => isRefused), again, largest: adapter.limits.maxBufferSize });
          },
        };`,
    }),
  );
  expect(await (await call("greedy")).json()).toEqual({
    refused: [false, false, true, false, false, true],
    again: null,
    largest: 32 * 2 ** 20,
  });
});
