/** The yardstick of the gateway benchmark: a Hono app that answers each POST with its body, in a process of its own. */
import { Hono } from "hono";
import { platform } from "#platform";
import { serveRpc } from "../../runtime/port/rpc-server.ts";

const app = new Hono();
app.post("/echo", async (c) => c.body(await c.req.text(), 200, { "content-type": "application/json" }));
const server = await platform.serveHttp((request) => app.fetch(request), { hostname: "127.0.0.1", port: 0 });
const port = await platform.connectParent();
serveRpc(port, { address: () => ({ result: { port: server.port } }) });
await port.closed;
platform.exit(0);
