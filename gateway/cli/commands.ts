/** The command line `dawnlet`: puts the commands together and turns what they throw into messages and exit codes. */
import process from "node:process";
import { Command } from "commander";
import { platform } from "#platform";
import { DawnletError } from "../../kernels/errors.ts";
import packageManifest from "../../package.json" with { type: "json" };
import { addDeploy } from "./deploy.ts";
import { addDev } from "./dev.ts";
import { addDoctor } from "./doctor.ts";
import { addInspect } from "./inspect.ts";
import { addInvoke } from "./invoke.ts";
import { addList } from "./list.ts";
import { addLogs } from "./logs.ts";
import { addProfile } from "./profile.ts";
import { addRemove } from "./remove.ts";
import { addReplay } from "./replay.ts";
import { addSecret } from "./secret.ts";
import { addServe } from "./serve.ts";
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

/** Ends the process with what the command says. */
export async function runCommandLine(): Promise<never> {
  const program = new Command("dawnlet")
    .description("A Function-as-a-Service runtime for GPUs on WebGPU")
    .version(packageManifest.version)
    .enablePositionalOptions()
    .showHelpAfterError("(add --help for what there is)");
  for (const add of [
    ...[addServe, addDev, addDeploy, addInvoke, addList, addInspect],
    ...[addLogs, addProfile, addRemove, addSecret, addReplay, addDoctor],
  ])
    add(program, context);

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
