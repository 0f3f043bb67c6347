/**
 * What a user of ONNX Runtime Web writes to get a first output under Node or Deno, and nothing else: opens WebGPU,
 * loads the library, creates a session, runs it once with zeros. Prints the time of each phase as JSON.
 * Arguments: path of the model, build of the library (`webgpu` or `jspi`), backend (`null` or empty).
 */
import { readFile } from "node:fs/promises";
import process from "node:process";
import type * as Ort from "onnxruntime-web/webgpu";
import { create, globals } from "webgpu";
import { zeroFeeds } from "../harness/ort-feeds.ts";

const startedAt = performance.now();
const [modelPath = "", build = "webgpu", backend = ""] = process.argv.slice(2);
Object.assign(globalThis, globals);
const gpu = create(backend === "" ? [] : [`backend=${backend}`]);
Object.defineProperty(globalThis.navigator, "gpu", { value: gpu, configurable: true });
const adapter = await gpu.requestAdapter();
if (adapter === null) throw new Error("WebGPU found no adapter");
const { maxBufferSize, maxStorageBufferBindingSize, maxStorageBuffersPerShaderStage } = adapter.limits;
const requiredLimits = { maxBufferSize, maxStorageBufferBindingSize, maxStorageBuffersPerShaderStage };
const device = await adapter.requestDevice({ requiredLimits });
// Dawn's binding refuses writes from shared memory, in which ORT keeps its heap.
const write = device.queue.writeBuffer.bind(device.queue);
device.queue.writeBuffer = (buffer, offset, source, at = 0, size) => {
  const view = source as Uint8Array;
  write(buffer, offset, new Uint8Array(view.subarray(at, size === undefined ? undefined : at + size)));
};
const ort: typeof Ort =
  build === "jspi" ? await import("onnxruntime-web/jspi") : await import("onnxruntime-web/webgpu");
ort.env.logLevel = "error";
ort.env.wasm.numThreads = 1;
const engineAt = performance.now();
const session = await ort.InferenceSession.create(await readFile(modelPath), {
  executionProviders: [{ name: "webgpu", device }],
  logSeverityLevel: 3,
});
const sessionAt = performance.now();
const feeds = zeroFeeds(ort, session);
const readyAt = performance.now();
await session.run(feeds);
const doneAt = performance.now();
const phases = {
  bootMs: startedAt,
  engineMs: engineAt - startedAt,
  sessionMs: sessionAt - engineAt,
  runMs: doneAt - readyAt,
};
console.log(JSON.stringify(phases));
process.kill(process.pid, "SIGKILL");
