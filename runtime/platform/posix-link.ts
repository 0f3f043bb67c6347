/**
 * The socket between a process and a child of it: the parent's side. Used by Node and Deno.
 *
 * The parent listens on a Unix domain socket in a folder that only this user can enter (on Windows: a named
 * pipe of a random name); the child finds the path and a random token in its environment, connects and sends
 * the token first. Once connected, the folder is gone. A child notices the parent's end by the socket's end.
 */
import type { ChildProcess } from "node:child_process";
import { randomBytes, timingSafeEqual } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { FrameLimits } from "../port/frame.ts";
import type { Port } from "../port/port.ts";
import { SocketPort } from "../port/socket-port.ts";
import type { LocalConnection, LocalListener, LocalSockets } from "./local-sockets.ts";
import { acceptedStream } from "./node-sockets.ts";
import { greetingBytes, inheritedVariable, pathVariable, tokenVariable } from "./posix-parent.ts";

const tokenBytes = 32;

/** The parent's side of one connection. */
export interface Link {
  /** What the child needs in its environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where the child connects; undefined where it has its socket from its birth. */
  readonly path: string | undefined;
  /** To be called with the child, once. @returns its Port, when it has connected. */
  connected(child: ChildProcess): Promise<Port>;
  close(): Promise<void>;
}

/** For a child that may open no socket: its fourth descriptor is one. */
export const inheritedLink = (limits: FrameLimits): Link => ({
  environment: { [inheritedVariable]: "3" },
  path: undefined,
  connected: (child) =>
    new Promise((resolve) => {
      // Absent where the child could not be started: its 'error' tells why.
      const socket = child.stdio?.[3] as Socket | undefined;
      if (socket === undefined) return;
      socket.on("error", () => {});
      socket.once("data", (piece: Buffer) => {
        const begun = new Uint8Array(piece.subarray(greetingBytes));
        resolve(new SocketPort(acceptedStream(socket, begun), limits));
      });
    }),
  close: async () => {},
});

export class ParentLink implements Link {
  readonly environment: Readonly<Record<string, string>>;
  readonly path: string;
  /** The Port to the first who knew the token. */
  readonly #connected = Promise.withResolvers<Port>();
  readonly #token = randomBytes(tokenBytes);
  readonly #folder: string | undefined;
  readonly #strangers = new Set<LocalConnection>();
  readonly #limits: FrameLimits;
  #listener: LocalListener | undefined;

  /** @param limits of what the child may send. */
  static async listen(sockets: LocalSockets, limits: FrameLimits): Promise<ParentLink> {
    const onWindows = process.platform === "win32";
    const folder = onWindows ? undefined : await mkdtemp(join(tmpdir(), "dawnlet-"));
    const path = folder ? join(folder, "link") : `\\\\.\\pipe\\dawnlet-${randomBytes(16).toString("hex")}`;
    const link = new ParentLink(folder, path, limits);
    try {
      link.#listener = await sockets.listen(path, (connection) => void link.#admit(connection));
    } catch (error) {
      if (folder) await rm(folder, { recursive: true, force: true });
      throw error;
    }
    return link;
  }

  private constructor(folder: string | undefined, path: string, limits: FrameLimits) {
    this.#limits = limits;
    this.#folder = folder;
    this.path = path;
    this.environment = { [pathVariable]: path, [tokenVariable]: this.#token.toString("hex") };
  }

  connected(): Promise<Port> {
    return this.#connected.promise;
  }

  /** Makes a Port of a connection that begins with the token; ends any other. */
  async #admit(connection: LocalConnection): Promise<void> {
    this.#strangers.add(connection);
    const begun = await connection.begin(tokenBytes);
    if (!timingSafeEqual(begun.subarray(0, tokenBytes), this.#token)) {
      connection.destroy();
      return;
    }
    this.#strangers.delete(connection);
    this.#connected.resolve(new SocketPort(connection.stream(begun.slice(tokenBytes)), this.#limits));
  }

  async close(): Promise<void> {
    for (const connection of this.#strangers) connection.destroy();
    this.#listener?.close();
    if (this.#folder) await rm(this.#folder, { recursive: true, force: true });
  }
}
