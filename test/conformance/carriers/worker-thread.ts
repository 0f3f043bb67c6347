/**
 * A device in a worker thread, with Dawn, in the runtime that runs the tests. The thread belongs to a process of
 * its own, because the adapter is named by a process's environment.
 */
import { rm } from "node:fs/promises";
import { platform } from "#platform";
import type { DeviceDescription } from "../../../runtime/device/api.ts";
import { RpcClient } from "../../../runtime/port/rpc-client.ts";
import { openParams } from "../cases.ts";
import type { CarrierTests } from "../describe-carrier.ts";
import type { Report } from "../suite.ts";
import { encodeSuite } from "../wire.ts";
import { writeBlobs } from "./process.ts";

const host = new URL("./thread-host.ts", import.meta.url);

export const workerThread: CarrierTests = {
  name: `a worker thread of ${platform.runtime} with Dawn`,
  implementation: "dawn",
  async start({ suite, blobs, adapter: { environment, ...adapter } }) {
    await using started = new AsyncDisposableStack();
    const all = [...blobs];
    const given = all.filter((_, i) => i % 2 === 0);
    const blobFolder = await writeBlobs(new Map(all.filter((_, i) => i % 2 === 1)));
    started.defer(() => rm(blobFolder, { recursive: true }));
    const lines: string[] = [];
    const onLine = (line: string): void => void lines.push(line);
    const child = await platform.spawnProcess(host, { name: "thread host", environment, onLine });
    started.defer(async () => {
      child.kill();
      await child.exited;
    });
    const rpc = new RpcClient(child.port, { peer: "the thread's process" });
    const params = {
      open: { ...openParams({ environment, ...adapter }), blobFolder },
      digests: given.map(([digest]) => digest),
    };
    const attachments = [encodeSuite(suite), ...given.map(([, blob]) => blob)];
    const { result } = await rpc.call("start", params, attachments);
    const ending = started.move();
    return {
      description: result as DeviceDescription,
      run: async (name) => (await rpc.call("run", name)).result as Report,
      async close() {
        await rpc.call("close");
        await ending.disposeAsync();
        return lines.filter((line) => line.startsWith("uncaptured"));
      },
    };
  },
};
