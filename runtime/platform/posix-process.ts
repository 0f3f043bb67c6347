/**
 * Child processes and the socket to them. Used by Node and Deno.
 *
 * The parent listens on a Unix domain socket in a folder that only this user can enter (on Windows: a named
 * pipe of a random name); the child finds the path and a random token in its environment, connects and sends
 * the token first. Once connected, the folder is gone. A child notices the parent's end by the socket's end.
 */
import { type ChildProcess as NodeChildProcess, spawn } from "node:child_process";
import { randomBytes, timingSafeEqual } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout } from "node:timers";
import { DawnletError } from "../../kernels/errors.ts";
import { abortError } from "../port/abort-error.ts";
import type { Port } from "../port/port.ts";
import { SocketPort } from "../port/socket-port.ts";
import { type ChildProcess, type ExitStatus, orphanGraceMs, type ProcessOptions } from "./platform.ts";
import { acceptedStream, connectStream } from "./posix-socket.ts";

const pathVariable = "DAWNLET_PARENT_SOCKET";
const tokenVariable = "DAWNLET_PARENT_TOKEN";
const tokenBytes = 32;

/** Without these programs do not find their libraries, folders or language. */
const inheritedVariables = [
  ...["PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TMP", "TEMP", "LANG", "LC_ALL", "TZ"],
  ...["XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "DENO_DIR"],
  ...["SystemRoot", "SystemDrive", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PATHEXT", "ComSpec"],
];

/** What the runtime itself is started with: its program and all that comes before the options' arguments. */
export interface RuntimeCommand {
  readonly program: string;
  readonly args: readonly string[];
}

/** See `Platform.spawnProcess`. */
export async function spawnChild(command: RuntimeCommand, options: ProcessOptions): Promise<ChildProcess> {
  const name = options.name ?? "child process";
  const { signal } = options;
  if (signal?.aborted) throw abortError(signal, `starting the ${name}`);
  const link = await Link.listen();
  const child = spawn(command.program, [...command.args, ...(options.args ?? [])], {
    env: { ...inheritedEnvironment(), ...options.environment, ...link.environment },
    stdio: options.onLine ? ["ignore", "pipe", "pipe"] : ["ignore", "inherit", "inherit"],
    windowsHide: true,
  });
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
    const port = await Promise.race([link.connected, gaveUp.promise, failedStart(child, exited, name)]);
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

/** See `Platform.connectParent`, for processes. */
export function connectToParent(): Port {
  const path = process.env[pathVariable];
  const token = process.env[tokenVariable];
  if (!path || !token) {
    throw new DawnletError(
      "UNAVAILABLE",
      "Cannot connect to a parent as this process was not started by Dawnlet: run 'dawnlet serve' instead",
    );
  }
  // Children of this process are not children of its parent.
  delete process.env[pathVariable];
  delete process.env[tokenVariable];
  // Ctrl-C reaches every process of the terminal. The parent decides when its children end.
  process.on("SIGINT", () => {});
  const stream = connectStream(path);
  stream.write([Buffer.from(token, "hex")]);
  const port = new SocketPort(stream);
  port.closed.then(() => {
    // SIGKILL because a process that holds a GPU device can hang in its orderly exit.
    setTimeout(() => process.kill(process.pid, "SIGKILL"), orphanGraceMs).unref();
  });
  return port;
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

/** The listening side of one connection. */
class Link {
  readonly environment: Readonly<Record<string, string>>;
  readonly connected: Promise<Port>;
  readonly #server: Server;
  readonly #folder: string | undefined;
  readonly #strangers = new Set<Socket>();

  static async listen(): Promise<Link> {
    const onWindows = process.platform === "win32";
    const folder = onWindows ? undefined : await mkdtemp(join(tmpdir(), "dawnlet-"));
    const path = folder ? join(folder, "link") : `\\\\.\\pipe\\dawnlet-${randomBytes(16).toString("hex")}`;
    const server = createServer();
    try {
      await new Promise<void>((resolve, reject) => server.once("error", reject).listen(path, resolve));
    } catch (error) {
      if (folder) await rm(folder, { recursive: true, force: true });
      throw error;
    }
    return new Link(server, folder, path);
  }

  private constructor(server: Server, folder: string | undefined, path: string) {
    const token = randomBytes(tokenBytes);
    this.#server = server;
    this.#folder = folder;
    this.environment = { [pathVariable]: path, [tokenVariable]: token.toString("hex") };
    this.connected = new Promise((resolve) => {
      server.on("connection", (socket) => this.#admit(socket, token, resolve));
    });
  }

  /** Makes a Port of a connection that begins with the token; ends any other. */
  #admit(socket: Socket, token: Uint8Array, resolve: (port: Port) => void): void {
    this.#strangers.add(socket);
    let begun = Buffer.alloc(0);
    const read = (piece: Buffer): void => {
      begun = Buffer.concat([begun, piece]);
      if (begun.byteLength < tokenBytes) return;
      socket.off("data", read);
      if (!timingSafeEqual(begun.subarray(0, tokenBytes), token)) {
        socket.destroy();
        return;
      }
      this.#strangers.delete(socket);
      resolve(new SocketPort(acceptedStream(socket, new Uint8Array(begun.subarray(tokenBytes)))));
    };
    socket.on("data", read);
    socket.on("error", () => {});
  }

  async close(): Promise<void> {
    for (const socket of this.#strangers) socket.destroy();
    this.#server.close();
    if (this.#folder) await rm(this.#folder, { recursive: true, force: true });
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
