/** `dawnlet dev` as people use it: a process, files that are saved, and a client. */
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, expect, test } from "vitest";
import { runCli, type ServeProcess, startDev, temporaryFolder } from "../gateway/cli/run-cli.ts";
import { timesShader } from "./small-functions.ts";

const folder = await temporaryFolder();
let dev: ServeProcess | undefined;

afterEach(async () => {
  await dev?.[Symbol.asyncDispose]();
  dev = undefined;
});
afterAll(() => folder[Symbol.asyncDispose]());

const write = async (path: string, text: string) => {
  await mkdir(join(folder.path, path, ".."), { recursive: true });
  await writeFile(join(folder.path, path), text);
};
const started = async (...args: string[]) => {
  dev = await startDev([...args, "--data", join(folder.path, "data")], { cwd: folder.path });
  await dev.printed(/^Watching /);
  return dev;
};
const said = (text: string) => expect.poll(() => dev!.stderr(), { timeout: 20_000 }).toContain(text);
const answer = async (path: string, headers: Record<string, string> = {}) => {
  const response = await fetch(`${dev!.url}/function/${path}`, { headers });
  return { status: response.status, type: response.headers.get("content-type"), text: await response.text() };
};
const answers = (path: string, text: string) =>
  expect.poll(async () => (await answer(path)).text, { timeout: 20_000, interval: 100 }).toBe(text);

test("a handler is deployed again at each change; what is wrong with it is said with its position", async () => {
  const handler = (body: string) => `import { word } from "./lib/word";
export default {
  async fetch(request: Request, env: { readonly KEY: string }, ctx: import("dawnlet").HandlerContext) {
    ctx.log.info("asked", { path: new URL(request.url).pathname });
    ${body}
  },
};
`;
  await write("app/handler.ts", handler("return new Response(word + env.KEY.length);"));
  await write("app/lib/word.ts", `export const word: string = "one";\n`);
  await write("app/function.json", JSON.stringify({ kind: "handler", secrets: ["KEY"] }));
  await write("secrets.env", "KEY='hunter2'\n");
  const { url, lines, printed, end } = await started("app", "--secrets", "secrets.env");
  expect(await printed(/call it/)).toBe(`  call it  curl ${url}/function/app/`);
  expect((await answer("app/first")).text).toBe("one7");
  expect(await printed(/^info /)).toBe("info  asked path=/first");
  expect(await printed(/^GET /)).toMatch(/^GET \/function\/app\/first 200 [\d.]+ ms$/);

  await write("app/lib/word.ts", `export const word: string = "two";\n`);
  await printed(/^Deployed 'app' version 2 in \d+ ms$/);
  await answers("app/", "two7");

  await write("app/lib/word.ts", `export const word: string = ;\n`);
  await said(`lib/word.ts:1:29: Unexpected ";"\n'app' version 2, from before, keeps answering`);
  await answers("app/", "two7");

  await write("app/lib/word.ts", `export const word = "x";\n\nthrow new Error("while it starts");\n`);
  await said("lib/word.ts:3:7: Error: while it starts\n    at lib/word.ts:3:7");
  await answers("app/", "two7");

  // As editors save.
  await write("app/lib/.word.ts.swp", `export const word: string = "three";\n`);
  await rename(join(folder.path, "app/lib/.word.ts.swp"), join(folder.path, "app/lib/word.ts"));
  await answers("app/", "three7");

  await write("app/handler.ts", handler(`throw new RangeError(word + " is too many");`));
  await printed(/^Deployed 'app' version 4 /);
  const stack = "RangeError: three is too many\n    at Object.fetch (handler.ts:5:11)\n";
  expect(await answer("app/")).toEqual({ status: 500, type: "text/plain; charset=utf-8", text: stack });
  expect(await printed(/^error /)).toBe("error handler.ts:5:11: RangeError: three is too many");
  const json = await answer("app/", { accept: "application/json" });
  expect([json.status, JSON.parse(json.text)]).toEqual([
    500,
    { error: "RangeError: three is too many", code: "FUNCTION_FAILED" },
  ]);
  const logged = await runCli(["logs", "app", "--url", url, "--level", "error", "--tail", "1"]);
  expect(logged.stdout).toMatch(
    /^20\S+Z error RangeError: three is too many\n {4}at .*handler\.ts:5:11\)\n$/,
  );

  const { code, stderr } = await end("SIGINT");
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining("Stopped") });
  expect(stderr + lines.join("\n")).not.toContain("hunter2");
});

test("what a handler uses is deployed first and watched too; a handler that is wrong at first is waited for", async () => {
  await write("double/times.wgsl", timesShader(2));
  await write("uses/function.json", JSON.stringify({ kind: "handler", uses: { double: "twice" } }));
  await write("uses/handler.ts", "export default {");
  const { printed, lines } = await started("uses", "--use", "twice=double/times.wgsl", "--name", "main");
  expect(lines.findIndex((line) => line.startsWith("Deployed 'twice' version 1 "))).toBeGreaterThan(0);
  await said("'main' is not deployed yet: it will be when this is mended");
  expect((await answer("main/")).status).toBe(404);
  await write(
    "uses/handler.ts",
    `export default {
      async fetch(_, env) {
        const { y } = await env.double.run({ x: Float32Array.of(3) });
        return new Response(String((await y.data())[0]));
      },
    };`,
  );
  await answers("main/", "6");
  await write("double/times.wgsl", timesShader(5));
  await printed(/^Deployed 'twice' version 2 /);
  await answers("main/", "15");
  await write("double/times.wgsl", "fn main( {");
  await said("times.wgsl:1:10: ");
  await said("'twice' version 2, from before, keeps answering");
  await answers("main/", "15");
});

test("what cannot be started is refused", async () => {
  await write("plain/handler.ts", "export default { fetch: () => new Response('x') };");
  const refusals: ReadonlyArray<readonly [args: string[], message: RegExp]> = [
    [["nowhere", "--data", "data"], /Cannot deploy '.*nowhere': there is no such file or folder/],
    [["plain", "--data", "plain/data"], /Cannot keep data in '.*' as it lies in 'plain', which is deployed/],
    [
      ["plain", "--data", "data", "--secret", "hunter2"],
      /Cannot read the secret at --secret number 1: expected KEY=value/,
    ],
    [["plain", "--data", "data", "--use", "plain"], /Cannot deploy two bundles as 'plain'/],
  ];
  for (const [args, message] of refusals) {
    const { code, stderr } = await runCli(["dev", "--port", "0", ...args], { cwd: folder.path });
    expect({ args, code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(message) });
    expect(stderr).not.toContain("hunter2");
  }
});
