/** The commands that talk to a gateway, as processes against one that runs. */
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decode } from "fast-png";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readNpy, writeNpy } from "../../../kernels/npy.ts";
import { buildBert } from "../../../models/zoo/bert.ts";
import { timesShader } from "../../e2e/small-functions.ts";
import { onlyUnderNode } from "../../left-out.ts";
import { cliCommand, runCli, runShell, type ServeProcess, startServe, temporaryFolder } from "./run-cli.ts";

const folder = await temporaryFolder();
let served: ServeProcess;
const cli = (...args: string[]) =>
  runCli(args, { cwd: folder.path, environment: { DAWNLET_URL: served.url } });

/** A bundle with two inputs, a parameter and two outputs of different types. */
async function writeBundle(name: string): Promise<string> {
  const path = join(folder.path, name);
  const source = new URL("../../../kernels/bundles/saxpy/", import.meta.url);
  await mkdir(path);
  for (const file of ["function.json", "saxpy.wgsl"]) await copyFile(new URL(file, source), join(path, file));
  return path;
}

function floatFile(...values: number[]): Uint8Array {
  const data = new Uint8Array(Float32Array.from(values).buffer);
  return writeNpy({ dataType: "float32", shape: [values.length], data });
}

beforeAll(async () => {
  served = await startServe(["--data", join(folder.path, "data"), "--log-level", "warning"]);
});
afterAll(async () => {
  await served[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

it("a folder is deployed, called with values and files, inspected, and removed", async () => {
  await writeBundle("My saxpy");
  const deployed = await cli("deploy", "My saxpy");
  expect(deployed.code, deployed.stderr).toBe(0);
  expect(deployed.stderr).toMatch(/upload .*100 %\nunpack .*\ncompile .*\nstore /);
  expect(deployed.stdout).toContain("Deployed 'My-saxpy' version 1 (wgsl");
  expect(deployed.stdout).toContain(`curl '${served.url}/function/My-saxpy' -d '{"x":[1,2],"y":[1,2]}'`);
  expect((await cli("deploy", "My saxpy")).stdout).toContain("Nothing to do");

  const values = await cli("invoke", "My-saxpy", "x=[1,2,3]", "y=[10,20,30]", "a=3", "--times");
  expect(values.stdout).toBe("result  float32 [3]\n  13  26  39\n");
  expect(values.stderr).toMatch(/execute +[\d.]+ ms\n.*total +[\d.]+ ms\nseen here/s);

  await writeFile(join(folder.path, "x.npy"), floatFile(1, 2));
  await writeFile(join(folder.path, "y.bin"), new Uint8Array(Float32Array.of(5, 6).buffer));
  const files = await cli("invoke", "My-saxpy", "x=@x.npy", "y=@y.bin", "--shape", "y=2", "-o", "r.npy");
  expect(files).toMatchObject({ code: 0, stdout: "" });
  const result = readNpy(new Uint8Array(await readFile(join(folder.path, "r.npy"))));
  expect([...new Float32Array(result.data.slice().buffer)]).toEqual([7, 10]);

  const inspected = await cli("inspect", "My-saxpy");
  expect(inspected.stdout).toMatch(/step +what +reads +writes\n0 +main \[1, 1, 1\]/);
  expect(JSON.parse((await cli("inspect", "My-saxpy", "--json")).stdout)).toMatchObject({
    name: "My-saxpy",
    program: { kind: "wgsl", programs: [{ dispatches: 1 }, { dispatches: 1 }] },
  });
  expect((await cli("list")).stdout).toMatch(/My-saxpy +1 +wgsl +program .* x float32 \[n\]/);
  expect((await cli("remove", "My-saxpy")).code).toBe(0);
  const gone = await cli("remove", "My-saxpy");
  expect(gone).toMatchObject({ code: 1, stderr: "dawnlet: There is no function 'My-saxpy'\n" });
});

it("a model is compiled, verified, and called; one output of two goes to a file", async () => {
  const options = { layers: 1, hidden: 16, heads: 2, vocabulary: 64, positions: 8 } as const;
  const model = buildBert({ ...options, batch: 1, sequence: 4, idType: "int32" });
  await writeFile(join(folder.path, "small.onnx"), model);
  const deployed = await cli("deploy", "small.onnx", "--name", "text");
  expect(deployed.code, deployed.stderr).toBe(0);
  expect(deployed.stderr).toMatch(/verify /);
  expect(deployed.stdout).toMatch(/engine +program on the GPU; largest difference .*: \d/);
  const inputs = ["input_ids=[1,2,3,4]", "attention_mask=[1,1,1,1]", "token_type_ids=[0,0,0,0]"];
  const both = await cli("invoke", "text", ...inputs, "-o", "out.json");
  expect(both).toMatchObject({ code: 1, stderr: expect.stringContaining("choose one with --output") });
  const one = await cli("invoke", "text", ...inputs, "-o", "out.json", "--output", "pooler_output");
  expect(one.code, one.stderr).toBe(0);
  const rows: number[][] = JSON.parse(await readFile(join(folder.path, "out.json"), "utf8"));
  expect(rows[0]).toHaveLength(16);
  expect(rows[0]!.every((value) => Math.abs(value) <= 1)).toBe(true);
  expect((await cli("inspect", "text")).stdout).toMatch(/variant +the only one\nerror +\d/);
});

const isProfileLeftOut = onlyUnderNode(
  "the command `profile`",
  "what it asks of the gateway is tried without the command",
);

it.skipIf(isProfileLeftOut)(
  "a function is profiled: a table, a picture in a file or at an address, and what was kept",
  async () => {
    await writeFile(join(folder.path, "measured.wgsl"), timesShader(2));
    expect((await cli("deploy", "measured.wgsl")).code).toBe(0);
    const none = await cli("profile", "measured", "--stored");
    expect(none).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("There is no profile of function"),
    });

    const brief = ["--seconds", "1", "--quotas", "0.5,1", "--lanes", "2", "--input", "x=[1,2,3]"];
    const profiled = await cli("profile", "measured", ...brief, "--svg", "m.svg", "--figure", "p98Ms");
    expect(profiled.code, profiled.stderr).toBe(0);
    expect(profiled.stdout).toMatch(
      /^measured on .*: calls a second \(p98 in ms\)\n\nbatch 1\nshare +50 % of time/,
    );
    expect(profiled.stdout).toMatch(/\nspace: 100 % is .*\ntime: .*\nmeasured: \d+ figures/);
    expect(profiled.stderr).toMatch(/^prepare .*version 1.*\n(.*\n)*Picture: m\.svg\n$/);
    expect(await readFile(join(folder.path, "m.svg"), "utf8")).toMatch(/^<svg .*98th percentile/s);

    const stored = await cli("profile", "measured", "--stored");
    expect(stored.stdout).toBe(profiled.stdout);
    const address = `${served.url}/v1/functions/measured/profile.svg?figure=throughput`;
    expect(stored.stderr).toBe(`Picture: ${address}\n`);
    expect((await fetch(address)).headers.get("content-type")).toBe("image/svg+xml");
    const { points } = JSON.parse((await cli("profile", "measured", "--stored", "--json")).stdout);
    expect(points[0]).toMatchObject({ quota: 0.5, lanes: 1, batch: 1 });

    const refusals: ReadonlyArray<readonly [args: string[], message: RegExp]> = [
      [["--input", "y=[1]"], /there is no input or parameter 'y'/],
      [["--size", "m=3"], /there is no free dimension 'm'/],
      [["--size", "n"], /expected name=count/],
      [["--seconds", "601"], /seconds is wrong/],
      [["--quotas", "half"], /expected numbers with commas/],
      [["--figure", "speed"], /Allowed choices are throughput/],
    ];
    for (const [args, message] of refusals)
      expect(await cli("profile", "measured", ...args)).toMatchObject({
        ...{ code: 1, stdout: "" },
        stderr: expect.stringMatching(message),
      });
  },
);

it("a handler is deployed, shown, and asked with curl; its log is shown and followed", async () => {
  await mkdir(join(folder.path, "hello"));
  const manifest = {
    ...{ kind: "handler", uses: { twice: "double" }, hosts: ["api.example.com"], secrets: ["KEY"] },
    limits: { memoryBytes: "300MiB" },
  };
  await writeFile(join(folder.path, "hello", "function.json"), JSON.stringify(manifest));
  await writeFile(
    join(folder.path, "hello", "handler.ts"),
    `export default {
      async fetch(request, env, ctx) {
        ctx.log.warn("asked", { path: new URL(request.url).pathname });
        console.log("then");
        return new Response("hello\\n");
      },
    };`,
  );
  await writeFile(join(folder.path, "times.wgsl"), timesShader(2));
  expect((await cli("deploy", "times.wgsl", "--name", "double")).code).toBe(0);
  const deployed = await cli("deploy", "hello");
  expect(deployed.code, deployed.stderr).toBe(0);
  expect(deployed.stdout).toMatch(/\nuses +env\.twice = double\nhosts +api\.example\.com\nsecrets +KEY\n/);
  const call = `curl ${served.url}/function/hello/`;
  expect(deployed.stdout).toMatch(new RegExp(`\ncall it +${call}\n$`));
  const environment = { DAWNLET_URL: served.url };
  await runCli(["secret", "set", "hello", "KEY"], { environment, input: "value" });
  expect((await runShell(`${call} -sS`)).stdout).toBe("hello\n");

  expect((await cli("list")).stdout).toMatch(/hello +1 +handler +handler .* HTTP request → response/);
  const inspected = await cli("inspect", "hello");
  expect(inspected.stdout).toContain("entry       handler.ts\nfiles       function.json, handler.ts\n");
  expect(inspected.stdout).toContain("uses        env.twice = double\nhosts       api.example.com\n");
  expect(inspected.stdout).toMatch(/limits .*memoryBytes 300 MiB.*\ninstances +1, with 0 requests running/);
  const invoked = await cli("invoke", "hello", "x=[1]");
  expect(invoked).toMatchObject({ code: 1, stderr: expect.stringContaining(`such as ${call}\n`) });

  const logs = await cli("logs", "hello");
  expect(logs.stdout).toMatch(/^20\S+Z warn {2}asked path=\/\n20\S+Z info {2}then\n$/);
  const json = JSON.parse((await cli("logs", "hello", "--json", "--level", "warn")).stdout);
  expect(json).toMatchObject({ level: "warn", version: 1, instance: 2, fields: { path: "/" } });
  // It ends by itself when it writes a third line, as nobody reads that.
  const follow = [...cliCommand, "logs", "hello", "--follow", "--tail", "1"].map((word) => `'${word}'`);
  let isOver = false;
  const following = runShell(`${follow.join(" ")} | head -n 2`, { environment }).finally(() => {
    isOver = true;
  });
  while (!isOver) await runShell(`${call}later -sS; sleep 0.2`);
  expect((await following).stdout).toMatch(/^20\S+Z info {2}then\n20\S+Z warn {2}asked path=\/later\n$/);
  expect((await cli("remove", "hello")).code).toBe(0);
  const gone = await cli("logs", "hello");
  expect(gone).toMatchObject({ code: 1, stderr: "dawnlet: There is no function 'hello'\n" });
});

it("secrets are set from stdin and files, listed without their values, and removed", async () => {
  await writeFile(join(folder.path, "times.wgsl"), timesShader(2));
  expect((await cli("deploy", "times.wgsl")).code).toBe(0);
  const environment = { DAWNLET_URL: served.url };
  const set = (key: string, input: string) =>
    runCli(["secret", "set", "times", key], { cwd: folder.path, environment, input });
  const stored = async () => {
    const text = await readFile(join(folder.path, "data", "secrets", "times.json"), "utf8");
    const { secrets }: { secrets: Array<{ name: string; value: string }> } = JSON.parse(text);
    return Object.fromEntries(secrets.map(({ name, value }) => [name, value]));
  };
  expect(await set("PIPED", "one\ntwo\n")).toEqual({
    code: 0,
    stdout: "",
    stderr: "Set secret 'PIPED' of 'times'\n",
  });
  await set("WINDOWS", "three\r\n");
  await writeFile(join(folder.path, "secret.txt"), "four\n");
  expect((await cli("secret", "set", "times", "FILE", "--from-file", "secret.txt")).code).toBe(0);
  expect(await stored()).toEqual({ PIPED: "one\ntwo", WINDOWS: "three", FILE: "four\n" });

  const listed = await cli("secret", "list", "times");
  expect(listed.stdout).toMatch(/^name +set at\nFILE +20.*\nPIPED +20.*\nWINDOWS +20.*\n$/);
  const removed = await cli("secret", "remove", "times", "FILE");
  expect(removed).toEqual({ code: 0, stdout: "", stderr: "Removed secret 'FILE' of 'times'\n" });
  const left: Array<{ name: string }> = JSON.parse((await cli("secret", "list", "times", "--json")).stdout);
  expect(left.map(({ name }) => name)).toEqual(["PIPED", "WINDOWS"]);

  const refusals: ReadonlyArray<readonly [refused: ReturnType<typeof set>, message: RegExp]> = [
    [set("EMPTY", "\n"), /its value is empty/],
    [set("LARGE", "x".repeat(100_000)), /exceeds the maximum of 65536 bytes/],
    [set("no-key", "x"), /as a secret's name/],
    [cli("secret", "set", "times", "NONE", "--from-file", "nowhere"), /Cannot read the secret of 'nowhere'/],
    [cli("secret", "remove", "times", "FILE"), /has no secret 'FILE'/],
    [cli("secret", "list", "nothing"), /There is no function 'nothing'/],
  ];
  for (const [refused, message] of refusals)
    expect(await refused).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(message) });
  expect(Object.keys(await stored())).toEqual(["PIPED", "WINDOWS"]);
});

it("an image is written as PNG, and a large output is summed up", async () => {
  const source = new URL("../../../kernels/bundles/mandelbrot", import.meta.url);
  expect((await cli("deploy", decodeURIComponent(source.pathname))).code).toBe(0);
  const { code, stderr } = await cli("invoke", "mandelbrot", "width=64", "height=48", "-o", "m.png");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "Wrote image uint8 [48, 64, 4] to m.png\n" });
  expect(decode(await readFile(join(folder.path, "m.png")))).toMatchObject({ width: 64, height: 48 });
  const { stdout } = await cli("invoke", "mandelbrot", "width=64", "height=48");
  expect(stdout).toMatch(/^image {2}uint8 \[48, 64, 4\] {2}12.0 KiB\n.* from \d+ to 255, mean /);
});

it("what is wrong is said on stderr and by the exit code", async () => {
  const cases: ReadonlyArray<readonly [args: string[], message: RegExp]> = [
    [["deploy", "nowhere"], /there is no such file or folder/],
    [["deploy", "bad.wgsl"], /^dawnlet: Cannot deploy function 'bad'/m],
    [["invoke", "nothing"], /There is no function 'nothing'/],
    [["list", "--url", "http://127.0.0.1:1"], /Cannot reach a gateway at .* start one with 'dawnlet serve'/],
    [["list", "--url", "localhost"], /expected http:\/\/host:port/],
    [["frobnicate"], /unknown command 'frobnicate'/],
    [["serve", "--device-memory", "much"], /expected a size such as 512MiB/],
    [["serve", "--handler-limits", "instances=0"], /instances: expected 1 or more/],
    [["serve", "--allow-private-hosts", "perhaps"], /expected yes or no/],
  ];
  await writeFile(join(folder.path, "bad.wgsl"), "fn main( {");
  for (const [args, message] of cases) {
    const { code, stderr } = await cli(...args);
    expect({ args, code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(message) });
    expect(stderr).not.toMatch(/\n\s+at /);
  }
});
