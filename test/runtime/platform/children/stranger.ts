/** Code of a stranger in a sealed process: tries whatever would reach beyond it, and tells what came of it. */
import { platform } from "#platform";
import { serveRpc } from "../../../../runtime/port/rpc-server.ts";

const attempts: Readonly<Record<string, (target: string) => unknown>> = {
  read: async (path) => (await import("node:fs")).readFileSync(path, "utf8").length,
  list: async (path) => (await import("node:fs")).readdirSync(path).length,
  write: async (path) => (await import("node:fs")).writeFileSync(path, "mine"),
  link: async (path) => (await import("node:fs")).symlinkSync("/etc/passwd", path),
  spawn: async () => {
    const { status, error } = (await import("node:child_process")).spawnSync("true");
    if (error) throw error;
    return status;
  },
  /** Where a thread can be started, it tries to read the file. */
  thread: async (path) => {
    const { Worker } = await import("node:worker_threads");
    const code = `const { parentPort } = require("node:worker_threads");
      try { parentPort.postMessage("read " + require("node:fs").readFileSync(${JSON.stringify(path)}).length); }
      catch (error) { parentPort.postMessage("denied: " + error.message); }`;
    const worker = new Worker(code, { eval: true, execArgv: [], env: {} });
    const said = await new Promise((resolve, reject) =>
      worker.once("message", resolve).once("error", reject),
    );
    if (String(said).startsWith("denied")) throw new Error(String(said));
    return said;
  },
  connect: async (port) => {
    const { connect } = await import("node:net");
    await new Promise((resolve, reject) =>
      connect(Number(port), "127.0.0.1").once("connect", resolve).once("error", reject),
    );
  },
  fetch: async (url) => (await fetch(url)).status,
  listen: async (path) => {
    const { createServer } = await import("node:net");
    await new Promise((resolve, reject) =>
      createServer()
        .once("error", reject)
        .listen(path, () => resolve(undefined)),
    );
  },
  addon: async (path) => {
    const { createRequire } = await import("node:module");
    return typeof createRequire(import.meta.url)(path);
  },
  /** Signal 0 only asks whether it could be sent. */
  signal: (pid) => globalThis.process?.kill(Number(pid), 0),
  priority: async (pid) => (await import("node:os")).setPriority(Number(pid), 0),
  flags: async () => (await import("node:v8")).setFlagsFromString("--no-lazy"),
  importRemote: async (url) => Object.keys(await import(url)).length,
  inspect: async () => {
    const inspector = await import("node:inspector");
    inspector.open(0);
    inspector.close();
  },
  workingFolder: () => globalThis.process.cwd(),
  environment: (name) => {
    const value = globalThis.process?.env[name];
    if (value === undefined) throw new Error("there is no such variable");
    return value;
  },
};

serveRpc(await platform.connectParent(), {
  async attempt(params) {
    const [name, target] = params as [string, string];
    try {
      return { result: { done: String(await attempts[name]!(target)) } };
    } catch (error) {
      return { result: { denied: error instanceof Error ? error.message : String(error) } };
    }
  },
  echo: (params, attachments) => ({ result: params, attachments }),
});
