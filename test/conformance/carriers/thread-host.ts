/**
 * A process with a device in a thread of its own. The suite runs here, beside the thread; a test asks for it by
 * name. Half of the weights are given to the thread over its port, the others it reads from a folder.
 */
import { platform } from "#platform";
import { serveRpc } from "../../../runtime/port/rpc-server.ts";
import { type SuiteWorker, startWorker, type WorkerSuite } from "./worker.ts";

let worker: SuiteWorker | undefined;

serveRpc(await platform.connectParent(), {
  async start(params, [encoded, ...blobs]) {
    const { open, digests } = params as { open: WorkerSuite["open"]; digests: readonly string[] };
    const given = new Map(digests.map((digest, i) => [digest, new Uint8Array(blobs[i]!)]));
    worker = await startWorker(platform, { encoded: encoded!, given, open });
    return { result: worker.description };
  },
  run: async (name) => ({ result: await worker!.run(String(name)) }),
  async close() {
    await worker?.close();
    return {};
  },
});
