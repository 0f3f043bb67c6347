/** What the README shows works: its shell blocks are run in order, their answers compared, its tables checked. */
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildMobilenetV2 } from "../models/zoo/mobilenet-v2.ts";
import {
  cliCommand,
  runCli,
  runShell,
  type ServeProcess,
  startServe,
  temporaryFolder,
} from "./gateway/cli/run-cli.ts";
import { onlyUnderNode } from "./left-out.ts";

interface Block {
  readonly language: string;
  readonly text: string;
}

const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
const blocks: Block[] = [...readme.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language, text]) => ({
  language: language!,
  text: text!,
}));
const scripts = blocks.flatMap((block, index) =>
  block.language === "sh"
    ? [{ script: block.text, answer: answerAfter(index), title: titleOf(block.text) }]
    : [],
);

/** A JSON block right after a shell block is what that prints. */
function answerAfter(index: number): unknown {
  const next = blocks[index + 1];
  return next?.language === "json" ? JSON.parse(next.text) : undefined;
}

function titleOf(script: string): string {
  return script.split("\n").find((line) => /^(npx|curl)/.test(line)) ?? script;
}

const isLeftOut = onlyUnderNode("what README.md shows", "its commands are tried one by one in both");

describe.skipIf(isLeftOut)("the shell blocks of README.md", () => {
  let served: ServeProcess;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;

  beforeAll(async () => {
    folder = await temporaryFolder();
    served = await startServe(["--examples", "--data", join(folder.path, "data"), "--log-level", "warning"]);
    await served.printed(/^ {2}encoder /);
    const model = buildMobilenetV2({ width: 0.25, repeats: 1, imageSize: 32, classes: 10, batch: 1 });
    await writeFile(join(folder.path, "model.onnx"), model);
    // In a clone `npx dawnlet` finds this project; here, outside of it, this does.
    const command = cliCommand.map((word) => `'${word}'`).join(" ");
    await writeFile(
      join(folder.path, "npx"),
      `#!/bin/sh\n[ "$1" = dawnlet ] && shift && exec ${command} "$@"\n`,
    );
    await chmod(join(folder.path, "npx"), 0o755);
  });
  afterAll(async () => {
    await served[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  it.each(scripts)("$title", async ({ script, answer }) => {
    const url = new URL(served.url);
    const here = script
      .replaceAll("127.0.0.1:8080", url.host)
      .replaceAll(/^curl /gm, "curl --fail-with-body -sS ");
    const { code, stdout, stderr } = await runShell(here, {
      cwd: folder.path,
      environment: { DAWNLET_URL: served.url, PATH: `${folder.path}:${process.env.PATH}` },
    });
    expect(code, stderr).toBe(0);
    if (answer !== undefined) expect(JSON.parse(stdout.slice(stdout.lastIndexOf("\n") + 1))).toEqual(answer);
  });
});

it("shows at least a function, a picture, a model and the Open Inference Protocol", () => {
  expect(scripts.length).toBeGreaterThanOrEqual(5);
  const [first] = scripts;
  expect(first!.script.split("\n").length).toBeLessThan(30);
  expect(first!.answer).toEqual({ y: [2, 4, 6] });
  for (const word of ["accept: image/png", "model.onnx", "/v2/models/"]) expect(readme).toContain(word);
});

it("lists the commands that there are", async () => {
  const { stdout } = await runCli(["--help"]);
  const commands = [...stdout.matchAll(/^ {2}([a-z]+)(?:\|[a-z]+)? /gm)].map(([, name]) => name);
  const listed = [...readme.matchAll(/^\| `([a-z]+)[^`]*` \|/gm)].map(([, name]) => name);
  expect(listed).toEqual(expect.arrayContaining(commands.filter((name) => name !== "help")));
  expect(commands).toEqual(expect.arrayContaining(listed));
});

it("names options, variables, scripts and files that exist", async () => {
  const help = (
    await Promise.all(["serve", "invoke", "profile", "logs"].map((name) => runCli([name, "--help"])))
  ).map(({ stdout }) => stdout);
  for (const [, option] of readme.matchAll(/^\| .*?`(?:serve )?(--[a-z-]+)`/gm))
    expect(help.join()).toContain(option);
  for (const [, variable] of readme.matchAll(/`(DAWNLET_[A-Z]+)`/g)) expect(help.join()).toContain(variable);
  const manifest = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8"));
  for (const [, script] of readme.matchAll(/`npm run ([\w:]+)`/g))
    expect(manifest.scripts).toHaveProperty([script!]);
  for (const [, path] of readme.matchAll(/\]\(([^):]+)\)/g))
    await expect(
      readFile(new URL(`../${path}`, import.meta.url)).catch(({ code }) => code),
    ).resolves.not.toBe("ENOENT");
});
