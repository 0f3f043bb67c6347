/** The command line as a process of the runtime that the tests run in. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const entry = fileURLToPath(new URL("../../../gateway/cli/main.ts", import.meta.url));
const isDeno = "Deno" in globalThis;

/** Program and arguments before those of `dawnlet`. */
export const cliCommand: readonly string[] = [
  process.execPath,
  ...(isDeno ? ["run", "--allow-all", "--quiet", "--no-lock"] : []),
  entry,
];

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  /** A program, with arguments, that makes itself the command that follows, such as `nice`. */
  readonly wrapper?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** What is piped into the command; left out: nothing. */
  readonly input?: string;
}

export function runCli(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const [program, ...first] = cliCommand;
  const child = start([program!, ...first, ...args], options);
  // One that ends before it has read all is no failure of the test.
  child.stdin?.on("error", () => {}).end(options.input);
  return finish(child);
}

/** A line of a shell, such as one that `dawnlet serve` prints. */
export function runShell(script: string, options: RunOptions = {}): Promise<Finished> {
  return finish(start(["/bin/sh", "-e", "-c", script], options));
}

function start([program, ...args]: readonly string[], { cwd, environment, input }: RunOptions): ChildProcess {
  const env = { ...process.env, ...environment };
  return spawn(program!, args, {
    cwd: cwd ?? process.cwd(),
    env,
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
}

function finish(child: ChildProcess): Promise<Finished> {
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name]!.setEncoding("utf8").on("data", (piece: string) => {
      text[name] += piece;
    });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, ...text }));
  });
}

export interface ServeProcess extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** What it has printed to stderr so far, which is where its log goes. */
  readonly stderr: () => string;
  /** What it has printed to stdout so far. */
  readonly lines: readonly string[];
  /** Settles when a line of stdout matches. */
  printed(pattern: RegExp): Promise<string>;
  /** Sends a signal and waits for the end. */
  end(
    signal: "SIGINT" | "SIGTERM" | "SIGKILL",
  ): Promise<{ readonly code: number | null; readonly stderr: string }>;
}

/** `dawnlet serve` on a free port. @throws Error with what it printed where it ends before it listens. */
export function startServe(args: readonly string[], options: RunOptions = {}): Promise<ServeProcess> {
  return startGateway("serve", args, options);
}

/** `dawnlet dev` on a free port, as `startServe`. */
export function startDev(args: readonly string[], options: RunOptions = {}): Promise<ServeProcess> {
  return startGateway("dev", args, options);
}

async function startGateway(
  name: "serve" | "dev",
  args: readonly string[],
  options: RunOptions,
): Promise<ServeProcess> {
  const command = [...(options.wrapper ?? []), ...cliCommand];
  const child = start([...command, name, "--port", "0", ...args], options);
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  let stderr = "";
  child.stderr!.setEncoding("utf8").on("data", (piece: string) => {
    stderr += piece;
  });
  createInterface({ input: child.stdout! }).on("line", (line) => {
    lines.push(line);
    for (const look of waiting) look();
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const printed = (pattern: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = () => {
        const line = lines.find((one) => pattern.test(one));
        if (line === undefined) return;
        waiting.delete(look);
        resolve(line);
      };
      waiting.add(look);
      look();
      void ended.then(() => reject(new Error(`'dawnlet ${name}' ended: ${stderr}`)));
    });
  const url = /http:\S+/.exec(await printed(/listens on http/))![0];
  return {
    url,
    pid: child.pid!,
    stderr: () => stderr,
    lines,
    printed,
    async end(signal) {
      // Not `child.kill`: after it Deno names the signal as the cause of whatever end there is.
      process.kill(child.pid!, signal);
      return { code: await ended, stderr };
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

export async function temporaryFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "dawnlet-cli-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
