/**
 * Local sockets by node:net, and its sockets as ByteStreams of a SocketPort.
 *
 * The connecting side can have the kernel write straight into the frame that is being gathered (`onread`), which
 * takes a third off the time of large messages. node:net offers that to connecting sockets only; accepted ones
 * bring pieces of 64 KiB.
 */
import { connect, createServer, type Socket } from "node:net";
import { setImmediate } from "node:timers";
import type { ByteSink, ByteStream } from "../port/socket-port.ts";
import type { LocalConnection, LocalSockets } from "./local-sockets.ts";

/** How long a closed stream may take to write out what was sent. */
const closeGraceMs = 1000;

export const nodeSockets: LocalSockets = {
  async listen(path, onConnection) {
    const server = createServer((socket) => onConnection(accepted(socket)));
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen(path, resolve));
    return { close: () => void server.close() };
  },
  connect: connectStream,
};

function accepted(socket: Socket): LocalConnection {
  socket.on("error", () => {});
  return {
    begin: (leastBytes) =>
      new Promise((resolve) => {
        let begun = Buffer.alloc(0);
        const read = (piece: Buffer): void => {
          begun = Buffer.concat([begun, piece]);
          if (begun.byteLength < leastBytes) return;
          socket.off("data", read);
          resolve(new Uint8Array(begun));
        };
        socket.on("data", read);
      }),
    stream: (begun) => acceptedStream(socket, begun),
    destroy: () => void socket.destroy(),
  };
}

function connectStream(path: string): ByteStream {
  let sink: ByteSink | undefined;
  let isTarget = false;
  // node:net asks for the first buffer before anyone can have called `start`.
  const spare = new Uint8Array(1024);
  const socket = connect({
    path,
    onread: {
      buffer: () => {
        isTarget = sink !== undefined;
        return sink?.target() ?? spare;
      },
      callback: (sizeBytes) => {
        if (isTarget) sink?.received(sizeBytes);
        else sink?.push(spare.slice(0, sizeBytes));
        return true;
      },
    },
  });
  return new SocketStream(socket, (started) => {
    sink = started;
  });
}

/** An accepted socket. `begun` holds what was already read of it. */
export function acceptedStream(socket: Socket, begun: Uint8Array<ArrayBuffer>): ByteStream {
  return new SocketStream(socket, (sink) => {
    if (begun.byteLength > 0) sink.push(begun);
    // Plain bytes, because messages view them: the `slice` of a Buffer does not copy.
    socket.on("data", (piece: Buffer<ArrayBuffer>) =>
      sink.push(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength)),
    );
    socket.resume();
  });
}

class SocketStream implements ByteStream {
  readonly #socket: Socket;
  readonly #read: (sink: ByteSink) => void;

  constructor(socket: Socket, read: (sink: ByteSink) => void) {
    this.#socket = socket;
    this.#read = read;
    // What an error means for the peer is that the stream has ended: 'close' says so.
    socket.on("error", () => {});
  }

  start(sink: ByteSink): void {
    this.#socket.once("close", () => sink.ended());
    if (this.#socket.closed) sink.ended();
    this.#read(sink);
  }

  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  /** Immediates run after all sockets that had something to read. */
  readonly afterTurn = (callback: () => void): void => {
    setImmediate(callback);
  };

  write(pieces: readonly Uint8Array[]): void {
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) return;
    socket.cork();
    for (const piece of pieces) socket.write(piece);
    socket.uncork();
  }

  close(): void {
    const socket = this.#socket;
    if (socket.destroyed) return;
    const timer = setTimeout(() => socket.destroy(), closeGraceMs);
    socket.once("close", () => clearTimeout(timer));
    socket.end(() => socket.destroySoon());
    socket.resume();
  }
}
