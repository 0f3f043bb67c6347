/** A gateway for the benchmark, in a process of its own as in production: quiet, on a free port. */
import * as v from "valibot";
import { platform } from "#platform";
import { openGateway } from "../../gateway/gateway.ts";
import { serveRpc } from "../../runtime/port/rpc-server.ts";

const parent = await platform.connectParent();
serveRpc(parent, {
  start: async (params) => {
    const { dataFolder } = v.parse(v.object({ dataFolder: v.string() }), params);
    const gateway = await openGateway({ platform, dataFolder, port: 0 });
    return { result: { port: Number(new URL(gateway.url).port) } };
  },
});
await parent.closed;
platform.exit(0);
