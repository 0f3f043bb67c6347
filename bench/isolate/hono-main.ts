/** The yardstick of the isolate benchmark: the same work in the process that serves HTTP. */
import { platform } from "#platform";
import { serveRpc } from "../../runtime/port/rpc-server.ts";
import app from "./app.ts";

const server = await platform.serveHttp((request) => app.fetch(request), { hostname: "127.0.0.1", port: 0 });
const parent = await platform.connectParent();
serveRpc(parent, { address: () => ({ result: { port: server.port } }) });
await parent.closed;
platform.exit(0);
