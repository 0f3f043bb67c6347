/** What code of strangers can do in a sealed process, and that the same is possible in any other. */
import { readdirSync } from "node:fs";
import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, parse } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { platform } from "#platform";
import { sealedScript } from "../../../gateway/handlers/isolate-script.ts";
import type { ChildProcess } from "../../../runtime/platform/platform.ts";
import { RpcClient } from "../../../runtime/port/rpc-client.ts";

const entry = new URL("./children/stranger.ts", import.meta.url);
let folder: string;
let allowed: string;
let server: Server;
const children: ChildProcess[] = [];
/** Started on its sources. */
let sealed: RpcClient;
/** Started on one module. */
let bundled: RpcClient;
let open: RpcClient;

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "dawnlet-sealed-")));
  allowed = join(folder, "bundle.txt");
  await writeFile(allowed, "for all to read");
  await writeFile(join(folder, "secret.txt"), "for nobody");
  server = createServer((_, response) => response.end("hello")).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  process.env.DAWNLET_TEST_SECRET = "the host's";
  const environment = { GREETING: "hello" };
  const readable = [allowed, new URL("./children", import.meta.url).pathname];
  const script = await sealedScript(platform, entry);
  const ways = [{ sealed: { readable } }, { sealed: { readable: [allowed], script } }, {}];
  for (const way of ways) children.push(await platform.spawnProcess(entry, { environment, ...way }));
  [sealed, bundled, open] = children.map(({ port }) => new RpcClient(port)) as [
    RpcClient,
    RpcClient,
    RpcClient,
  ];
});

afterAll(async () => {
  for (const child of children) await child.stop();
  server.close();
  delete process.env.DAWNLET_TEST_SECRET;
  await rm(folder, { recursive: true });
});

/** Dawn's, which loads anywhere. */
function addonPath(): string {
  const folder = join(platform.files.packageFolder("webgpu")!, "dist");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const systems = [`${process.platform}-${process.arch}`, `${process.platform}-universal`];
  return join(
    folder,
    files.find((name) => name.endsWith(".node") && systems.some((system) => name.startsWith(system)))!,
  );
}

type Outcome = { readonly done?: string; readonly denied?: string };

async function attempt(client: RpcClient, name: string, target = ""): Promise<Outcome> {
  return (await client.call("attempt", [name, target])).result as Outcome;
}

const port = () => String((server.address() as AddressInfo).port);
const attacks: ReadonlyArray<readonly [what: string, name: string, target: () => string]> = [
  ["read a file of the host", "read", () => "/etc/passwd"],
  ["read a file beside its own", "read", () => join(folder, "secret.txt")],
  ["list a folder", "list", () => folder],
  ["write a file", "write", () => join(folder, "written.txt")],
  ["make a link to another file", "link", () => join(folder, "link.txt")],
  ["start a process", "spawn", () => ""],
  ["read in a thread that has no limits", "thread", () => "/etc/passwd"],
  ["open a socket", "connect", port],
  ["fetch", "fetch", () => `http://127.0.0.1:${port()}/`],
  ["listen", "listen", () => join(folder, "socket")],
  ["load an addon", "addon", addonPath],
  ["signal its parent", "signal", () => String(process.pid)],
  // Deno has no such calls.
  ...(platform.runtime === "node"
    ? ([
        ["open the inspector", "inspect", () => ""],
        ["change a priority", "priority", () => String(process.pid)],
        ["change flags of V8", "flags", () => ""],
      ] as const)
    : []),
];

test.each(attacks)("a stranger cannot %s", async (_, name, target) => {
  expect((await attempt(sealed, name, target())).denied).toEqual(expect.any(String));
  expect((await attempt(bundled, name, target())).denied).toEqual(expect.any(String));
  // Where nothing is sealed, the same attempt succeeds: it is the seal that denies it.
  expect(await attempt(open, name, target())).toHaveProperty("done");
});

test("a stranger cannot import a module of the network", async () => {
  // The same in an open process would ask a server of the world: there is no control.
  const { denied } = await attempt(sealed, "importRemote", `http://127.0.0.1:${port()}/module.js`);
  expect(denied).toMatch(/remote|https?:|protocol|scheme/i);
});

test("a stranger sees the variables that it was given, and none of the host's", async () => {
  expect(await attempt(sealed, "environment", "GREETING")).toEqual({ done: "hello" });
  for (const name of ["DAWNLET_TEST_SECRET", "HOME", "DAWNLET_PARENT_TOKEN", "DAWNLET_PARENT_SOCKET"])
    expect(await attempt(sealed, "environment", name), name).toHaveProperty("denied");
});

test("a process that is one module may not even read what Dawnlet is made of", async () => {
  expect(
    await attempt(sealed, "read", fileURLToPath(new URL("../../../package.json", import.meta.url))),
  ).toHaveProperty("done");
  for (const file of ["../../../package.json", "../../../runtime/isolate/main.ts", "./children/stranger.ts"])
    expect(await attempt(bundled, "read", fileURLToPath(new URL(file, import.meta.url)))).toHaveProperty(
      "denied",
    );
  expect(await attempt(bundled, "read", allowed)).toEqual({ done: "15" });
});

test("a process that is one module is not told where the gateway runs", async () => {
  expect(await attempt(open, "workingFolder")).toEqual({ done: process.cwd() });
  const { done } = await attempt(bundled, "workingFolder");
  // Deno denies it altogether.
  expect([parse(process.cwd()).root, undefined]).toContain(done);
});

test("it reads what it was given, and its Port carries messages of any size", async () => {
  expect(await attempt(sealed, "read", allowed)).toEqual({ done: "15" });
  const bytes = new Uint8Array(5_000_000).map((_, i) => i % 251);
  const { result, attachments } = await sealed.call("echo", { a: 1 }, [bytes]);
  expect(result).toEqual({ a: 1 });
  expect(Buffer.compare(attachments[0]!, bytes)).toBe(0);
});
