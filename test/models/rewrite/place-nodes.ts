/**
 * A process of its own: loads each ONNX file named on its command line on ONNX Runtime's WebGPU provider and
 * lets it log where it puts each node. Prints `begin` and `end` lines around each log, and `done` when all is said.
 */
import { readFileSync } from "node:fs";
import { create, globals } from "webgpu";
import { acceptSharedMemory } from "../../../models/record/shared-memory.ts";

Object.assign(globalThis, globals);
const gpu = create([]);
const adapter = await gpu.requestAdapter();
if (adapter === null) {
  console.error("no adapter");
  process.exit(3);
}
const device = await adapter.requestDevice();
acceptSharedMemory(device);
Object.defineProperty(globalThis.navigator, "gpu", { value: gpu, configurable: true });
const { InferenceSession } = await import("onnxruntime-web/webgpu");

for (const path of process.argv.slice(2)) {
  console.error(`begin ${path}`);
  const session = await InferenceSession.create(readFileSync(path), {
    executionProviders: [{ name: "webgpu", device }],
    logSeverityLevel: 0,
  });
  await session.release();
  console.error(`end ${path}`);
}
console.error("done");
// Dawn may hang or crash in an orderly exit.
process.kill(process.pid, "SIGKILL");
