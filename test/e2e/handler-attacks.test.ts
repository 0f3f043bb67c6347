/**
 * Handlers of a stranger that try to get out of their process: to files, networks, processes and threads of the host. Each
 * attempt is made in this process too, which nothing seals: there it succeeds.
 */
import { createSocket, type Socket } from "node:dgram";
import { readdirSync } from "node:fs";
import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { handlerWorld, isNode } from "./handler-world.ts";

const world = handlerWorld();

/** Runs the code that it is sent, as the body of an async function of `load` and `args`. */
const stranger = `
  const AsyncFunction = (async () => {}).constructor;
  const load = new AsyncFunction("name", 'return import("node:" + name)');
  export default {
    async fetch(request) {
      const { code, args } = await request.json();
      try {
        // In Deno's modules some attempts end in an error that nobody catches.
        const late = new Promise((_, reject) => setTimeout(() => reject(new Error("nothing came of it")), 1000));
        const done = await Promise.race([new AsyncFunction("load", "args", code)(load, args), late]);
        return Response.json({ done: String(done) });
      } catch (error) {
        return Response.json({ denied: String(error?.message ?? error) });
      }
    },
  };`;

let folder: string;
let secret: string;
let tcp: Server;
let udp: Socket;
let heard = 0;

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "dawnlet-attacked-")));
  secret = join(folder, "secret.txt");
  await writeFile(secret, "for nobody");
  const hear = (): void => {
    heard++;
  };
  tcp = createServer((socket) => {
    hear();
    socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi");
  }).listen(0, "127.0.0.1");
  udp = createSocket("udp4").on("message", hear);
  await new Promise<void>((resolve) => tcp.once("listening", resolve));
  await new Promise<void>((resolve) => udp.bind(0, "127.0.0.1", resolve));
  process.env.DAWNLET_TEST_SECRET = "the host's";
  await world.deploy("stranger", stranger);
});

afterAll(async () => {
  tcp.close();
  udp.close();
  delete process.env.DAWNLET_TEST_SECRET;
  await rm(folder, { recursive: true });
});

interface Outcome {
  readonly done?: string;
  readonly denied?: string;
}

type Arguments = Readonly<Record<string, string | number>>;

const argumentsOf = (): Arguments => ({
  secret,
  folder,
  gateway: world.url,
  gatewayPort: Number(new URL(world.url).port),
  tcpPort: (tcp.address() as AddressInfo).port,
  udpPort: udp.address().port,
  pid: process.pid,
});

async function attempt(code: string): Promise<Outcome> {
  const body = JSON.stringify({ code, args: argumentsOf() });
  const response = await world.call("stranger", { method: "POST", body });
  expect(response.status, await response.clone().text()).toBe(200);
  return response.json();
}

const AsyncFunction = (async () => {}).constructor as new (
  ...names: string[]
) => (load: (name: string) => Promise<unknown>, args: Arguments) => Promise<unknown>;

/** The same in a process that is not sealed. */
async function attemptHere(code: string): Promise<Outcome> {
  const done = await new AsyncFunction("load", "args", code)(
    (name) => import(/* @vite-ignore */ `node:${name}`),
    argumentsOf(),
  );
  return { done: String(done) };
}

const socketAnswer = (connecting: string) =>
  `return new Promise((resolve, reject) => { const socket = ${connecting}; socket.on("error", reject); socket.on("data", resolve); });`;

const files: ReadonlyArray<readonly [what: string, code: string]> = [
  ["with fs", `return (await load("fs")).readFileSync(args.secret, "utf8")`],
  ["with fs/promises", `return (await load("fs/promises")).readFile(args.secret, "utf8")`],
  [
    "with fs of getBuiltinModule",
    `return (await load("process")).getBuiltinModule("fs").readFileSync(args.secret, "utf8")`,
  ],
  ["as a blob", `return (await (await load("fs")).openAsBlob(args.secret)).text()`],
  [
    "with require",
    `return (await load("module")).createRequire("file:///tmp/x.js")("fs").readFileSync(args.secret, "utf8")`,
  ],
  ["of the kernel about itself", `return (await load("fs")).readFileSync("/proc/self/environ").length`],
  ["as a list of a folder", `return (await load("fs")).readdirSync(args.folder)`],
  ["by watching it", `(await load("fs")).watch(args.folder).close()`],
  ["by writing it", `(await load("fs")).writeFileSync(args.folder + "/written.txt", "x")`],
  ["by a link", `(await load("fs")).symlinkSync(args.secret, args.folder + "/link-" + Math.random())`],
  [
    "with SQLite",
    `new (await load("sqlite")).DatabaseSync(args.folder + "/" + Math.random() + ".db").exec("CREATE TABLE a(b)")`,
  ],
  [
    "with SQLite that attaches one",
    `new (await load("sqlite")).DatabaseSync(":memory:").exec("ATTACH '" + args.folder + "/" + Math.random() + ".db' AS a; CREATE TABLE a.b(c)")`,
  ],
];

test.each(files)("a stranger's handler reaches no file %s", async (_, code) => {
  const before = readdirSync(folder);
  expect((await attempt(code)).denied).toEqual(expect.any(String));
  expect(readdirSync(folder)).toEqual(before);
  expect(await attemptHere(code)).toHaveProperty("done");
});

const networks: ReadonlyArray<readonly [what: string, code: string]> = [
  [
    "over TCP",
    `const { connect } = await load("net"); ${socketAnswer('connect(args.tcpPort, "127.0.0.1")')}`,
  ],
  [
    "with http",
    `const { get } = await load("http"); ${socketAnswer(`get("http://127.0.0.1:" + args.tcpPort, (answer) => socket.emit("data", answer.statusCode))`)}`,
  ],
  [
    "over UDP",
    `const socket = (await load("dgram")).createSocket("udp4");
     return new Promise((resolve, reject) => {
       socket.on("error", reject);
       socket.send("x", args.udpPort, "127.0.0.1", (error) => { socket.close(); error ? reject(error) : resolve(); });
     });`,
  ],
  ["with fetch", `return (await fetch("http://127.0.0.1:" + args.tcpPort + "/")).status`],
];

test.each(networks)("a stranger's handler reaches no network %s", async (_, code) => {
  const before = heard;
  expect((await attempt(code)).denied).toEqual(expect.any(String));
  expect(heard).toBe(before);
  expect(await attemptHere(code)).toHaveProperty("done");
  await expect.poll(() => heard).toBeGreaterThan(before);
});

test("a stranger's handler does not reach the gateway itself, nor name servers", async () => {
  const { denied } = await attempt(`return (await fetch(args.gateway + "/v2/health/live")).status`);
  expect(denied).toContain("hosts");
  const asked = `const { Resolver } = await load("dns/promises");
    const resolver = new Resolver({ timeout: 200, tries: 1 });
    resolver.setServers(["127.0.0.1:" + args.udpPort]);
    return resolver.resolve4("secret.example.com");`;
  const before = heard;
  expect((await attempt(asked)).denied).toEqual(expect.any(String));
  expect(heard).toBe(before);
  // Nobody answers: but the question arrives.
  await attemptHere(asked).catch(() => undefined);
  await expect.poll(() => heard).toBeGreaterThan(before);
});

const processes: ReadonlyArray<readonly [what: string, code: string]> = [
  [
    "listens nowhere",
    `const server = (await load("net")).createServer();
     return new Promise((resolve, reject) => { server.on("error", reject); server.listen(0, () => server.close(resolve)); });`,
  ],
  ["starts no process", `return (await load("child_process")).execFileSync("true").length`],
  ["sends the gateway no signal", `return (await load("process")).kill(args.pid, 0)`],
  [
    "sends no signal with what kill goes by",
    `const own = (await load("process")).default; return own._kill ? own._kill(args.pid, 0) : own.kill(args.pid, 0)`,
  ],
  ["sees nothing of its user", `return JSON.stringify((await load("os")).userInfo())`],
  ["sees nothing of its networks", `return JSON.stringify((await load("os")).networkInterfaces())`],
  ["does not see the machine's name", `return (await load("os")).hostname()`],
];

test.each(processes)("a stranger's handler %s", async (_, code) => {
  expect((await attempt(code)).denied).toEqual(expect.any(String));
  expect(await attemptHere(code)).toHaveProperty("done");
});

/** Deno has no such thing, or gives it no more than the process has. */
const ofNode: ReadonlyArray<readonly [what: string, code: string]> = [
  [
    "starts no thread",
    `const { Worker } = await load("worker_threads"); return new Worker("0", { eval: true }).threadId`,
  ],
  [
    "forks nothing",
    `const { default: cluster } = await load("cluster"); cluster.setupPrimary({ exec: "/bin/true" }); return cluster.fork().id`,
  ],
  ["opens no inspector", `(await load("inspector")).open(0, "127.0.0.1"); (await load("inspector")).close()`],
  ["gets no bindings", `return Object.keys((await load("process")).binding("fs")).length`],
  ["writes no report", `return (await load("process")).report.writeReport(args.folder + "/report.json")`],
  ["gets no report", `return Object.keys((await load("process")).report.getReport()).length`],
  ["changes no flags of V8", `(await load("v8")).setFlagsFromString("--stack-size=900")`],
];

test.skipIf(!isNode).each(ofNode)("a stranger's handler %s (Node)", async (_, code) => {
  expect((await attempt(code)).denied).toEqual(expect.any(String));
});

test.skipIf(isNode)("a thread of a stranger's handler may do no more than its process (Deno)", async () => {
  const reading = `const { Worker } = await load("worker_threads");
    const code = 'const { parentPort } = require("node:worker_threads"); try { parentPort.postMessage("read " + require("node:fs").readFileSync(' + JSON.stringify(args.secret) + ', "utf8")) } catch (error) { parentPort.postMessage("denied") }';
    return new Promise((resolve, reject) => {
      const worker = new Worker(code, { eval: true });
      worker.on("message", (message) => { worker.terminate(); resolve(message); });
      worker.on("error", reject);
    });`;
  const outcome = await attempt(reading);
  expect(outcome.done ?? outcome.denied).not.toContain("for nobody");
  expect((await attemptHere(reading)).done).toContain("for nobody");
});

test("a stranger's handler replaces its process by no other, and loads no addon", async () => {
  for (const code of [
    `return (await load("process")).execve("/bin/true", ["true"], {})`,
    `return (await load("process")).dlopen({ exports: {} }, args.secret)`,
    `return (await load("ffi")).dlopen("libc.so.6", {})`,
    `return new (await load("wasi")).WASI({ version: "preview1", preopens: { "/": args.folder } })`,
  ])
    expect((await attempt(code)).denied, code).toEqual(expect.any(String));
});

test("the scope shows nothing of the host, however it is asked", async () => {
  for (const scope of [
    `globalThis`,
    `Function("return this")()`,
    `globalThis.constructor.constructor("return this")()`,
    `(0, eval)("this")`,
  ]) {
    const names = `["process", "Deno", "require", "module", "Worker", "WebSocket"]`;
    const seen = await attempt(`const scope = ${scope}; return ${names}.filter((name) => name in scope)`);
    expect(seen).toEqual({ done: "" });
  }
  expect((await attempt(`return import.meta.url`)).denied).toEqual(expect.any(String));
});

test("the environment of the host is not there", async () => {
  const read = `const { env } = await load("process");
    let seen = "nothing"; try { seen = env.DAWNLET_TEST_SECRET ?? "nothing" } catch {}
    return seen`;
  expect((await attempt(read)).done ?? "nothing").toBe("nothing");
  expect(await attemptHere(read)).toEqual({ done: "the host's" });
});

describe("after all this", () => {
  test("the neighbour's functions answer as before", () => world.checkNeighbour());
});
