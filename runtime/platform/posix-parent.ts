/**
 * The socket between a process and a child of it: the child's side. Used by Node and Deno.
 * Kept apart from the parent's, so that a child loads no more than it needs before it answers.
 */
import { Socket } from "node:net";
import process from "node:process";
import { setTimeout } from "node:timers";
import { Worker } from "node:worker_threads";
import { DawnletError } from "../../kernels/errors.ts";
import type { Port } from "../port/port.ts";
import { type ByteStream, SocketPort } from "../port/socket-port.ts";
import type { LocalSockets } from "./local-sockets.ts";
import { acceptedStream } from "./node-sockets.ts";
import { orphanGraceMs } from "./platform.ts";

export const pathVariable = "DAWNLET_PARENT_SOCKET";
export const tokenVariable = "DAWNLET_PARENT_TOKEN";
/** Of a process that may open no socket: the one that it was born with. */
export const inheritedVariable = "DAWNLET_PARENT_DESCRIPTOR";

const orphanWatch = new URL("./posix-orphan-main.ts", import.meta.url);

/** What a process that inherited its socket sends first: that it is up. */
export const greetingBytes = 1;

/** See `Platform.connectParent`, for processes. */
export function connectToParent(sockets: LocalSockets, mayBlock = false): Port {
  if (mayBlock) new Worker(orphanWatch, { execArgv: [] }).unref();
  const stream = openStream(sockets);
  // Ctrl-C reaches every process of the terminal. The parent decides when its children end.
  process.on("SIGINT", () => {});
  const port = new SocketPort(stream);
  // As it is now: other code may change it.
  const kill = process.kill.bind(process);
  port.closed.then(() => {
    // SIGKILL because a process that holds a GPU device can hang in its orderly exit.
    setTimeout(() => kill(process.pid, "SIGKILL"), orphanGraceMs).unref();
  });
  return port;
}

function openStream({ connect }: LocalSockets): ByteStream {
  const take = (name: string): string | undefined => {
    const value = process.env[name];
    // Children of this process are not children of its parent.
    delete process.env[name];
    return value;
  };
  const descriptor = take(inheritedVariable);
  const [path, token] = [take(pathVariable), take(tokenVariable)];
  if (descriptor) {
    const socket = new Socket({ fd: Number(descriptor), readable: true, writable: true });
    const stream = acceptedStream(socket, new Uint8Array());
    stream.write([new Uint8Array(greetingBytes)]);
    return stream;
  }
  if (!path || !token)
    throw new DawnletError(
      "UNAVAILABLE",
      "Cannot connect to a parent as this process was not started by Dawnlet: run 'dawnlet serve' instead",
    );
  const stream = connect(path);
  stream.write([Buffer.from(token, "hex")]);
  return stream;
}
