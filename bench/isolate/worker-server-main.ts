/** The naive isolate: a server that starts a worker thread for each request, and ends it with the answer. */
import { Worker } from "node:worker_threads";
import { Hono } from "hono";
import { platform } from "#platform";
import { serveRpc } from "../../runtime/port/rpc-server.ts";
import type { Answer } from "./worker.ts";

const thread = new URL("./worker.ts", import.meta.url);
const app = new Hono();

app.post("/words", async (c) => {
  const worker = new Worker(thread, { workerData: await c.req.text() });
  try {
    const { status, body } = await new Promise<Answer>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    return new Response(body, { status, headers: { "content-type": "application/json" } });
  } finally {
    void worker.terminate();
  }
});

const server = await platform.serveHttp((request) => app.fetch(request), { hostname: "127.0.0.1", port: 0 });
const parent = await platform.connectParent();
serveRpc(parent, { address: () => ({ result: { port: server.port } }) });
await parent.closed;
platform.exit(0);
