/** A gateway that logs what its scheduler hears, and the replay of that: as many runs and evictions as it has counted. */
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ReplayOptions } from "../../gateway/cli/replay.ts";
import { replayFile } from "../../gateway/cli/run-replay.ts";
import type { FunctionVersion } from "../../gateway/functions/functions.ts";
import { runCli, temporaryFolder } from "../gateway/cli/run-cli.ts";
import { matrixBundle, matrixBytes, matrixInputs } from "./function-crowd.ts";
import { dataFolder, startGateway } from "./running-gateway.ts";

const rows = 4096;
/** Of the weights budget, an eighth less: for two of the functions. */
const deviceBytes = Math.ceil((2.5 * matrixBytes(rows) * 8) / 7);
const names = ["first", "second", "third", "fourth"];

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let path: string;
/** Of `/metrics`, before the gateway stopped. */
let counted: Readonly<Record<string, number>>;
let versions: readonly FunctionVersion[];

beforeAll(async () => {
  folder = await temporaryFolder();
  await using data = await dataFolder();
  path = join(folder.path, "schedule.log");
  await using server = await startGateway(data.path, { deviceBytes, scheduleLog: { path } });
  for (const [i, name] of names.entries()) await server.client.mustDeploy(name, matrixBundle(i, rows));
  for (let round = 0; round < 3; round++)
    await Promise.all(names.map((name, i) => server.client.infer(name, matrixInputs(i))));
  versions = (await Promise.all(names.map((name) => server.client.status(name)))).map(
    ({ current }) => current,
  );
  counted = schedulerMetrics(await (await fetch(`${server.client.url}/metrics`)).text());
});
afterAll(() => folder[Symbol.asyncDispose]());

/** What the command prints, in this process. */
async function replayed(file: string, options: ReplayOptions = {}): Promise<readonly string[]> {
  const lines: string[] = [];
  const terminal = { out: (line: string) => void lines.push(line) };
  await replayFile(file, options, { terminal });
  return lines;
}

function schedulerMetrics(text: string): Record<string, number> {
  const lines = text.matchAll(/^dawnlet_scheduler_(\w+?)(?:_total)? (\d+)$/gm);
  return Object.fromEntries([...lines].map(([, name, value]) => [name!, Number(value)]));
}

const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((a, b) => a + b, 0);

test("what it replays agrees with the metrics", async () => {
  const { code, stdout, stderr } = await runCli(["replay", path, "--json"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const replayed = JSON.parse(stdout);
  expect(replayed.ending).toBe("stopped");
  expect(replayed.header).toMatchObject({ policy: "deadline", queueLimit: 1024 });
  expect(replayed.requests).toBe(3 * names.length);
  expect(replayed.errors).toEqual([]);
  expect(counted).toEqual({
    runs: replayed.runs,
    calls: replayed.runRequests,
    loads: replayed.loads,
    evictions: sum(replayed.evictions),
    waiting_calls: 0,
  });
  // Four do not fit a device for two.
  expect(counted.evictions).toBeGreaterThan(0);
  expect(replayed.coldRuns).toBeGreaterThan(names.length);
});

test("says which function waited longest, and what the scheduler did step by step", async () => {
  const { code, stdout } = await runCli(["replay", path]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^policy {6}deadline, at most 1024 wait\nclock {7}begins at 20\d\d-/);
  expect(stdout).toContain("then the gateway stopped");
  expect(stdout).toMatch(/^requests {4}12$/m);
  expect(stdout).toMatch(/^ {12}\d+ costs least for its size$/m);
  const [, longest, step] =
    /^wait +request +function +device +step\n[\d.]+ ms +\d+ +(\w+@1\/\d+) +\w+0 +(\d+)$/m.exec(stdout)!;

  const only = { first: Number(step), last: Number(step) };
  const [event, ...actions] = await replayed(path, { steps: only });
  expect(event).toMatch(new RegExp(`^${step}  20\\S+Z  \\w`));
  expect(actions.join("\n")).toMatch(new RegExp(`^  → run run=\\d+ device=\\w+ function=${longest} `, "m"));
});

test("can be replayed for one function, with those that left for it", async () => {
  const lines = await replayed(path, { steps: true, function: "third" });
  const arrivals = lines.filter((line) => / arrival request=\d+ function=third@1\/\d+$/.test(line));
  expect(arrivals).toHaveLength(3);
  const first = lines.findIndex((line) => line.includes("  → run") && line.includes("function=third@"));
  expect(lines[first - 1]).toMatch(/^ {2}→ evict device=\w+ function=(first|second|fourth)@/);
  expect(await replayed(path, { function: "third" })).toContain("requests    3");
  await expect(replayed(path, { function: "fifth" })).rejects.toThrow(
    "Cannot find function 'fifth' in the log: it has first, fourth, second, third",
  );
});

test("has the times and sizes of calls, and nothing of what they said", async () => {
  const text = await readFile(path, "utf8");
  for (const { digest } of versions) expect(text).not.toContain(digest);
  const keys = new Set([...text.matchAll(/"(\w+)":/g)].map(([, key]) => key!));
  expect(
    [...keys].filter((key) => /^(inputs?|outputs?|data|tensors?|body|headers?|token)$/i.test(key)),
  ).toEqual([]);
});

test("is not a file that exists", async () => {
  await using data = await dataFolder();
  const before = await readFile(path, "utf8");
  await expect(startGateway(data.path, { scheduleLog: { path } })).rejects.toThrow("as there is such a file");
  expect(await readFile(path, "utf8")).toBe(before);
});

test("that breaks off is replayed as far as it goes; that of an unknown policy is refused", async () => {
  const text = await readFile(path, "utf8");
  const cut = join(folder.path, "cut.log");
  await writeFile(cut, text.slice(0, text.lastIndexOf('{"now"') + 20));
  expect((await replayed(cut)).join("\n")).toContain("then the log breaks off amid a line");
  await appendFile(cut, "\n");
  await expect(replayed(cut)).rejects.toThrow(/^Cannot read line \d+ of an event log/);
  const foreign = join(folder.path, "foreign.log");
  await writeFile(foreign, text.replace('"policy":"deadline"', '"policy":"best"'));
  const { code, stderr } = await runCli(["replay", foreign]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^dawnlet: Cannot find the scheduling policy 'best': there are deadline, lb, /);
  await expect(replayed(join(folder.path, "none"))).rejects.toThrow(
    /^Cannot read the schedule log .*: ENOENT$/,
  );
});
