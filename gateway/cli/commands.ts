/**
 * The command line `dawnlet`: puts the commands together and turns what they throw into messages and exit codes. Where one
 * is named, it alone is loaded: the others would take most of the time that a short one has.
 */
import process from "node:process";
import { Command } from "commander";
import { platform } from "#platform";
import { DawnletError } from "../../kernels/errors.ts";
import packageManifest from "../../package.json" with { type: "json" };
import type { CliContext, Terminal } from "./terminal.ts";

const { deno, node } = process.versions;
const context: CliContext = {
  terminal: processTerminal(),
  platform,
  versions: { dawnlet: packageManifest.version, runtime: deno ? `Deno ${deno}` : `Node ${node}` },
  input: () => process.stdin,
  fail: () => {
    process.exitCode = 1;
  },
};

type AddCommand = (program: Command, context: CliContext) => void;

/** In the order in which help lists them; with what else each is called. */
const commands: readonly (readonly [names: readonly string[], load: () => Promise<AddCommand>])[] = [
  [["serve"], async () => (await import("./serve.ts")).addServe],
  [["dev"], async () => (await import("./dev.ts")).addDev],
  [["deploy"], async () => (await import("./deploy.ts")).addDeploy],
  [["invoke"], async () => (await import("./invoke.ts")).addInvoke],
  [["list", "ls"], async () => (await import("./list.ts")).addList],
  [["inspect"], async () => (await import("./inspect.ts")).addInspect],
  [["logs"], async () => (await import("./logs.ts")).addLogs],
  [["profile"], async () => (await import("./profile.ts")).addProfile],
  [["remove", "rm"], async () => (await import("./remove.ts")).addRemove],
  [["secret"], async () => (await import("./secret.ts")).addSecret],
  [["replay"], async () => (await import("./replay.ts")).addReplay],
  [["doctor"], async () => (await import("./doctor.ts")).addDoctor],
];

/** Ends the process with what the command says. */
export async function runCommandLine(): Promise<never> {
  const program = new Command("dawnlet")
    .description("A Function-as-a-Service runtime for GPUs on WebGPU")
    .version(packageManifest.version)
    .enablePositionalOptions()
    .showHelpAfterError("(add --help for what there is)");
  const [, , first = ""] = process.argv;
  const named = commands.filter(([names]) => names.includes(first));
  for (const [, load] of named.length > 0 ? named : commands) (await load())(program, context);

  // Whoever read the output has seen enough: `dawnlet list | head`.
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", (error) => platform.exit("code" in error && error.code === "EPIPE" ? 0 : 1));

  try {
    await program.parseAsync(process.argv);
  } catch (error) {
    context.terminal.err(`dawnlet: ${messageOf(error)}`);
    process.exitCode = 1;
  }
  // Not left to the event loop: a connection kept alive, or Dawn as it tears down, would hold the process.
  await flushed();
  return platform.exit(Number(process.exitCode ?? 0));
}

/** Where it is no error of the user's, its stack helps whoever reads the report. */
function messageOf(error: unknown): string {
  if (error instanceof DawnletError) return error.message;
  return `internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}

function processTerminal(): Terminal {
  const isInteractive = process.stderr.isTTY === true;
  let hasStatus = false;
  /** Takes away the status line, so that another line can stand there. */
  const clear = () => {
    if (hasStatus) process.stderr.write("\r\x1b[K");
    hasStatus = false;
  };
  return {
    isInteractive,
    out(line) {
      clear();
      process.stdout.write(`${line}\n`);
    },
    err(line) {
      clear();
      process.stderr.write(`${line}\n`);
    },
    status(line) {
      if (!isInteractive) return;
      process.stderr.write(`\r\x1b[K${line}`);
      hasStatus = true;
    },
  };
}

/** Pipes may still hold lines. */
function flushed(): Promise<unknown> {
  const streams = [process.stdout, process.stderr];
  return Promise.all(streams.map((stream) => new Promise((resolve) => stream.write("", resolve))));
}
