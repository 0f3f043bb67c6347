/**
 * The socket between a process and a child of it: the child's side. Used by Node and Deno.
 * Kept apart from the parent's, so that a child loads no more than it needs before it answers.
 */
import process from "node:process";
import { setTimeout } from "node:timers";
import { DawnletError } from "../../kernels/errors.ts";
import type { Port } from "../port/port.ts";
import { SocketPort } from "../port/socket-port.ts";
import { orphanGraceMs } from "./platform.ts";
import { connectStream } from "./posix-socket.ts";

export const pathVariable = "DAWNLET_PARENT_SOCKET";
export const tokenVariable = "DAWNLET_PARENT_TOKEN";

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
