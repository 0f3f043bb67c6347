/** `dawnlet serve` as a process: the examples and their calls, restarts, signals, refusals. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decode } from "fast-png";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { timesShader } from "../../e2e/small-functions.ts";
import { projectFolder } from "../../source-imports.ts";
import { runCli, runShell, type ServeProcess, startServe, temporaryFolder } from "./run-cli.ts";

const folder = await temporaryFolder();
const dataFolder = join(folder.path, "data");
const bundles = (await readdir(new URL("../../../kernels/bundles", import.meta.url))).filter(
  (name) => !name.includes("."),
);

const handlers = ["edges", "fractal", "similar"];
const others = ["embedding", "encoder"];

describe("npm start", () => {
  let served: ServeProcess;
  beforeAll(async () => {
    served = await startServe(["--examples", "--data", dataFolder, "--log-level", "warning"]);
    await served.printed(/^ {2}encoder /);
  });
  afterAll(async () => {
    await served[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  const callOf = (name: string): string => {
    const line = served.lines.find((one) => one.startsWith(`  ${name} `));
    expect(line, `a line for ${name}`).toBeDefined();
    return line!.slice(2 + name.length).trim();
  };

  it.each([...bundles, ...handlers, ...others])(
    "prints a call of '%s' that works when pasted",
    async (name) => {
      const call = callOf(name);
      // What curl wrote says little of an error: it is told to fail.
      const strict = call.replaceAll(/\bcurl /g, "curl --fail-with-body -sS ");
      const { code, stdout, stderr } = await runShell(strict, { cwd: folder.path });
      expect({ code, stdout, stderr }).toMatchObject({ code: 0, stderr: "" });
      const image = / -o (\S+)$/.exec(call)?.[1];
      if (image === undefined) expect(Object.values(JSON.parse(stdout)).length).toBeGreaterThan(0);
      else expect(decode(await readFile(join(folder.path, image))).width).toBeGreaterThanOrEqual(400);
    },
  );

  it("prints calls that give right results", async () => {
    const { stdout } = await runShell(`${callOf("vector-add")} -s`);
    expect(JSON.parse(stdout)).toEqual({ sum: [11, 22, 33] });
    const solution = JSON.parse((await runShell(`${callOf("jacobi")} -s`)).stdout);
    expect(solution.x[0]).toBeCloseTo(1 / 11, 5);
    expect(solution.x[1]).toBeCloseTo(7 / 11, 5);
  });

  it("prints a call of 'similar' that compares two pictures", async () => {
    const { stdout } = await runShell(callOf("similar"), { cwd: folder.path });
    const { similarity }: { similarity: number } = JSON.parse(stdout);
    expect(similarity).toBeGreaterThan(0);
    expect(similarity).toBeLessThan(1);
  });

  it("ends with 0 when it is asked to, and deploys nothing again after a restart", async () => {
    const ended = await served.end("SIGTERM");
    expect(ended).toMatchObject({ code: 0, stderr: expect.stringContaining("Stopped") });
    served = await startServe(["--examples", "--data", dataFolder, "--log-level", "info", "--log", "json"]);
    await served.printed(/^ {2}encoder /);
    const { stdout } = await runCli(["list", "--json", "--url", served.url]);
    const functions: Array<{ name: string; versions: unknown[] }> = JSON.parse(stdout);
    expect(functions.map(({ name }) => name)).toEqual([...bundles, ...handlers, ...others].sort());
    expect(functions.every(({ versions }) => versions.length === 1)).toBe(true);
    const { code, stderr } = await served.end("SIGINT");
    expect(code).toBe(0);
    expect(stderr).not.toContain("deployed");
    const records = stderr.split("\n").filter((line) => line.startsWith("{"));
    expect(records.map((line) => JSON.parse(line).logger)).toContain("dawnlet.gateway");
  });
});

it("the tasks of package.json and deno.json start the same command", async () => {
  const isDeno = "Deno" in globalThis;
  const task = isDeno ? "./node_modules/.bin/deno task --quiet dawnlet" : "npm run --silent dawnlet --";
  const { code, stdout, stderr } = await runShell(`${task} --version`, { cwd: projectFolder });
  expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
});

it("listening beyond this machine is refused without a token and allowed with one", async () => {
  await using other = await temporaryFolder();
  const refused = await runCli(["serve", "--host", "0.0.0.0", "--port", "0", "--data", other.path]);
  expect(refused).toMatchObject({ code: 1, stdout: "" });
  expect(refused.stderr).toMatch(/^dawnlet: Cannot listen on 0\.0\.0\.0 without credentials: set a token/);
  const arguments_ = ["--host", "0.0.0.0", "--data", other.path, "--no-examples"];
  await using served = await startServe(arguments_, { environment: { DAWNLET_TOKEN: "secret" } });
  const url = served.url.replace("0.0.0.0", "127.0.0.1");
  const without = await runCli(["list", "--url", url]);
  expect(without).toMatchObject({ code: 1, stderr: expect.stringContaining("Give it with --token") });
  const allowed = await runCli(["list", "--url", url, "--token", "secret"]);
  expect(allowed).toMatchObject({ code: 0, stderr: expect.stringContaining("Nothing is deployed") });
});

it("tenants of a file share a gateway, each with functions of its own, and need no operator", async () => {
  await using other = await temporaryFolder();
  const file = join(other.path, "tenants.json");
  const tenants = ["acme", "beta"].map((name) => ({ name, token: `token-of-${name}-0000` }));
  await writeFile(file, JSON.stringify({ tenants }), { mode: 0o640 });
  await writeFile(join(other.path, "times.wgsl"), timesShader(2));
  const arguments_ = ["--host", "0.0.0.0", "--data", join(other.path, "data"), "--no-examples"];
  const environment = { DAWNLET_TENANTS: file };
  await using served = await startServe([...arguments_, "--log", "text"], { environment });
  expect(await served.printed(/^ {2}tenants /)).toBe("  tenants  2");
  expect(served.stderr()).toContain(
    `${file} has the tenants' tokens and can be read by others: chmod 600 it`,
  );
  const url = served.url.replace("0.0.0.0", "127.0.0.1");
  const as = (name: string, ...args: string[]) =>
    runCli([...args, "--url", url, "--token", `token-of-${name}-0000`], { cwd: other.path });
  expect((await as("acme", "deploy", "times.wgsl")).code).toBe(0);
  expect((await as("acme", "list")).stdout).toMatch(/^name +tenant .*\ntimes +acme /);
  expect((await as("acme", "inspect", "times")).stdout).toContain("\ntenant      acme\n");
  expect((await as("acme", "invoke", "times", "x=[3]")).stdout).toContain("6");
  expect((await as("beta", "list")).stderr).toContain("Nothing is deployed");
  expect((await as("beta", "inspect", "times")).stderr).toBe("dawnlet: There is no function 'times'\n");
  expect((await as("beta", "deploy", "times.wgsl")).stderr).toContain("as the name is taken");
  expect((await as("nobody", "list")).stderr).toContain("the token is wrong");
  expect((await runCli(["list", "--url", url])).code).toBe(1);
  expect(served.stderr()).not.toContain("token-of");
});

it("handlers get what the server's options and variables allow", async () => {
  await using other = await temporaryFolder();
  const file = join(other.path, "limited.ts");
  await writeFile(file, "export default { fetch: () => new Response() };");
  await using served = await startServe(
    [
      "--data",
      join(other.path, "data"),
      "--no-examples",
      "--handler-limits",
      "instances=2,memoryBytes=200MiB",
    ],
    { environment: { DAWNLET_ALLOW_PRIVATE_HOSTS: "no" } },
  );
  const deployed = await runCli(["deploy", file, "--url", served.url]);
  expect(deployed.code, deployed.stderr).toBe(0);
  const inspected = await runCli(["inspect", "limited", "--url", served.url, "--json"]);
  const { program }: { program: unknown } = JSON.parse(inspected.stdout);
  expect(program).toMatchObject({ limits: { instances: 2, memoryBytes: 200 * 2 ** 20, concurrency: 16 } });
});

it("a tenants' file that is wrong is refused", async () => {
  await using other = await temporaryFolder();
  const file = join(other.path, "tenants.json");
  await writeFile(file, JSON.stringify({ tenants: [{ name: "acme", token: "short" }] }), { mode: 0o600 });
  const refused = await runCli(["serve", "--port", "0", "--data", other.path, "--tenants", file]);
  expect(refused).toMatchObject({ code: 1, stdout: "" });
  expect(refused.stderr).toContain(`Cannot read the tenants of '${file}' as tenants.0.token is wrong`);
});

it("several devices are announced, named by '--devices' and '--adapter', and refused where there are none", async () => {
  await using other = await temporaryFolder();
  const names = [
    "--adapter",
    "null",
    "--adapter",
    "null",
    "--devices",
    "2",
    "--device-memory",
    "64MiB",
    "--cpu",
    "2",
  ];
  await using served = await startServe([...names, "--data", other.path, "--no-examples"]);
  await served.printed(/^ {2}devices {2}(gpu|software)0, \w+1, \w+2, \w+3, cpu0, cpu1$/);
  const { devices } = await (await fetch(`${served.url}/v1/devices`)).json();
  const budgets = devices.map(({ budgetBytes }: { budgetBytes: number }) => budgetBytes);
  expect(budgets.slice(0, 4)).toEqual(new Array(4).fill(64 * 2 ** 20));
  expect(budgets).toHaveLength(6);
  for (const wrong of ["--devices=0", "--devices=17", "--devices=x", "--cpu=0"]) {
    const refused = await runCli(["serve", wrong, "--data", other.path]);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("expected") });
  }
});
