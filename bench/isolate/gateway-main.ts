/** A gateway for the isolate benchmark, in a process of its own, that tells which processes of handlers it has. */
import { basename, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import { platform } from "#platform";
import { openGateway } from "../../gateway/gateway.ts";
import type { Platform } from "../../runtime/platform/platform.ts";
import { serveRpc } from "../../runtime/port/rpc-server.ts";

const isolates = new Set<number>();
const watched: Platform = {
  ...platform,
  spawnProcess: async (entry, options) => {
    const child = await platform.spawnProcess(entry, options);
    if (basename(dirname(fileURLToPath(entry))) !== "isolate") return child;
    isolates.add(child.pid);
    void child.exited.then(() => isolates.delete(child.pid));
    return child;
  },
};

const parent = await platform.connectParent();
serveRpc(parent, {
  start: async (params) => {
    const { dataFolder } = v.parse(v.object({ dataFolder: v.string() }), params);
    const gateway = await openGateway({ platform: watched, dataFolder, port: 0 });
    return { result: { port: Number(new URL(gateway.url).port) } };
  },
  isolates: () => ({ result: { pids: [...isolates] } }),
});
await parent.closed;
platform.exit(0);
