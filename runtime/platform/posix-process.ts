/**
 * Child processes: starting, watching and ending them. Used by Node and Deno.
 * How the two sides find each other is in posix-link.ts.
 */
import { type ChildProcess as NodeChildProcess, spawn } from "node:child_process";
import { parse } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout } from "node:timers";
import { DawnletError } from "../../kernels/errors.ts";
import { abortError } from "../port/abort-error.ts";
import { defaultFrameLimits, frameLimits } from "../port/frame.ts";
import type { Port } from "../port/port.ts";
import type { LocalSockets } from "./local-sockets.ts";
import type { ChildProcess, ExitStatus, ProcessOptions } from "./platform.ts";
import { inheritedLink, ParentLink } from "./posix-link.ts";

/** Without these programs do not find their libraries, folders or language. */
const inheritedVariables = [
  ...["PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TMP", "TEMP", "LANG", "LC_ALL", "TZ"],
  ...["XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "DENO_DIR"],
  ...["SystemRoot", "SystemDrive", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PATHEXT", "ComSpec"],
];

/** How the runtime itself is started. */
export interface RuntimeCommand {
  readonly program: string;
  /** All that comes before the options' arguments. @param linkPath socket that the child connects to. */
  readonly args: (linkPath: string | undefined) => readonly string[];
  /** How the child connects; left out: it may not open sockets and is born with one. */
  readonly sockets?: LocalSockets;
}

/** Of V8. */
export function heapFlag(heapBytes: number): string {
  return `--max-old-space-size=${Math.max(16, Math.floor(heapBytes / 2 ** 20))}`;
}

/** See `Platform.spawnProcess`. */
export async function spawnChild(command: RuntimeCommand, options: ProcessOptions): Promise<ChildProcess> {
  const name = options.name ?? "child process";
  const { signal } = options;
  if (signal?.aborted) throw abortError(signal, `starting the ${name}`);
  const { maxMessageBytes } = options;
  const script = options.sealed?.script;
  const limits = maxMessageBytes === undefined ? defaultFrameLimits : frameLimits(maxMessageBytes);
  const { sockets } = command;
  const link = sockets === undefined ? inheritedLink(limits) : await ParentLink.listen(sockets, limits);
  // A sealed one could read from our terminal and empty our log.
  const output = options.onLine ? "pipe" : options.sealed ? "ignore" : "inherit";
  const child = spawn(command.program, [...command.args(link.path), ...(options.args ?? [])], {
    env: {
      ...(options.sealed === undefined && inheritedEnvironment()),
      ...(options.hugePages && hugePagesEnvironment()),
      ...options.environment,
      ...link.environment,
    },
    stdio: [
      script === undefined ? "ignore" : "pipe",
      output,
      output,
      ...(sockets === undefined ? (["pipe"] as const) : []),
    ],
    // Where the gateway runs is nothing that strangers need to know; theirs is one module, which finds nothing by its place.
    ...(script !== undefined && { cwd: parse(process.execPath).root }),
    windowsHide: true,
  });
  // Where it has ended before it has read all, its exit says so.
  child.stdin?.on("error", () => {}).end(script);
  if (options.onLine) {
    passLines(child.stdout, "stdout", options.onLine);
    passLines(child.stderr, "stderr", options.onLine);
  }
  const exited = exitOf(child);
  const connectTimeoutMs = options.connectTimeoutMs ?? 30_000;
  const gaveUp = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    gaveUp.reject(notStarted(name, `it did not connect within ${connectTimeoutMs} ms`));
  }, connectTimeoutMs);
  const abort = (): void => gaveUp.reject(abortError(signal!, `starting the ${name}`));
  signal?.addEventListener("abort", abort, { once: true });
  try {
    const port = await Promise.race([
      link.connected(child),
      gaveUp.promise,
      failedStart(child, exited, name),
    ]);
    return new PosixChild(child, port, exited);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
    await link.close();
  }
}

class PosixChild implements ChildProcess {
  readonly port: Port;
  readonly pid: number;
  readonly exited: Promise<ExitStatus>;
  readonly #child: NodeChildProcess;

  constructor(child: NodeChildProcess, port: Port, exited: Promise<ExitStatus>) {
    this.#child = child;
    this.port = port;
    this.exited = exited;
    this.pid = child.pid!;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  stop(graceMs = 5000): Promise<ExitStatus> {
    this.port.close();
    const timer = setTimeout(() => this.kill(), graceMs);
    return this.exited.finally(() => clearTimeout(timer));
  }
}

function inheritedEnvironment(): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const name of inheritedVariables) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  return environment;
}

/** Other C libraries ignore the variable; what the user tunes stays. */
function hugePagesEnvironment(): Record<string, string> {
  const tuned = process.env.GLIBC_TUNABLES;
  return { GLIBC_TUNABLES: `${tuned ? `${tuned}:` : ""}glibc.malloc.hugetlb=1` };
}

function exitOf(child: NodeChildProcess): Promise<ExitStatus> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
    child.once("error", () => resolve({ code: null, signal: null }));
  });
}

/** Rejects when the child ends before it has connected. */
async function failedStart(
  child: NodeChildProcess,
  exited: Promise<ExitStatus>,
  name: string,
): Promise<never> {
  let why: string | undefined;
  child.once("error", (error) => {
    why = error.message;
  });
  const { code, signal } = await exited;
  throw notStarted(name, why ?? (signal ? `it was ended by ${signal}` : `it ended with code ${code}`));
}

function notStarted(name: string, why: string): DawnletError {
  return new DawnletError("UNAVAILABLE", `Cannot start the ${name} as ${why}: see what it printed`);
}

function passLines(
  stream: Readable | null,
  from: "stdout" | "stderr",
  onLine: NonNullable<ProcessOptions["onLine"]>,
): void {
  if (!stream) return;
  createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on("line", (line) =>
    onLine(line, from),
  );
}
