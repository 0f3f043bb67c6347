/**
 * ONNX Runtime Web as a server would use it, in a process of its own: a session that is kept, and one that is made
 * anew for a call because the memory was needed for others in between.
 */
import { readFile } from "node:fs/promises";
import type * as Ort from "onnxruntime-web/webgpu";
import * as v from "valibot";
import { platform } from "#platform";
import { acceptSharedMemory } from "../../models/record/shared-memory.ts";
import { gpuOptionsFor, openDevice } from "../../runtime/device/open.ts";
import { adapterChoice } from "../../runtime/device/protocol.ts";
import { serveRpc } from "../../runtime/port/rpc-server.ts";
import { zeroFeeds } from "../harness/ort-feeds.ts";

const openParams = v.object({ ...adapterChoice, modelPath: v.string() });

interface Contestant {
  /** Milliseconds of a run. */
  kept(): Promise<number>;
  /** Milliseconds of creating a session and running it once. */
  recreated(): Promise<number>;
}

async function open(params: unknown): Promise<Contestant> {
  const { modelPath, ...adapter } = v.parse(openParams, params);
  const opened = await platform.openGpu(gpuOptionsFor(adapter));
  Object.defineProperty(globalThis.navigator, "gpu", { value: opened.gpu, configurable: true });
  const { device } = await openDevice({ open: opened, backend: adapter.backend, ask: "all" });
  acceptSharedMemory(device);
  const ort: typeof Ort = await import("onnxruntime-web/jspi");
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = 1;
  const model = await readFile(modelPath);
  const create = () =>
    ort.InferenceSession.create(model, {
      executionProviders: [{ name: "webgpu", device }],
      logSeverityLevel: 3,
    });
  let session = await create();
  const feeds = zeroFeeds(ort, session);
  const timed = async (action: () => Promise<unknown>): Promise<number> => {
    const startedAt = performance.now();
    await action();
    return performance.now() - startedAt;
  };
  await session.run(feeds);
  return {
    kept: () => timed(() => session.run(feeds)),
    recreated: async () => {
      await session.release();
      return timed(async () => {
        session = await create();
        await session.run(feeds);
      });
    },
  };
}

let contestant: Contestant | undefined;
const opened = (): Contestant => {
  if (contestant === undefined) throw new Error("Nothing is open");
  return contestant;
};
const port = await platform.connectParent();
serveRpc(port, {
  open: async (params) => {
    contestant = await open(params);
    return {};
  },
  kept: async () => ({ result: await opened().kept() }),
  recreated: async () => ({ result: await opened().recreated() }),
});
await port.closed;
platform.exit(0);
