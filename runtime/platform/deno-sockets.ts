/**
 * Local sockets by Deno's own API. Not by its node:net, which closes the descriptor of a local socket twice (Deno 2.9.5):
 * the second time it may be another thread's file by then.
 */
import { setImmediate } from "node:timers";
import type { ByteSink, ByteStream } from "../port/socket-port.ts";
import type { LocalConnection, LocalSockets } from "./local-sockets.ts";

/** What is used of Deno's own. */
interface DenoConnection {
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
}
interface UnixAddress {
  readonly transport: "unix";
  readonly path: string;
}
declare const Deno: {
  listen(address: UnixAddress): { accept(): Promise<DenoConnection>; close(): void };
  connect(address: UnixAddress): Promise<DenoConnection>;
};

/** How long a closed stream may take to write out what was sent. */
const closeGraceMs = 1000;
/** Pieces up to this size leave together: a copy costs less than a system call. */
const smallBytes = 16 * 1024;
const gatheredBytes = 256 * 1024;

export const denoSockets: LocalSockets = {
  async listen(path, onConnection) {
    const listener = Deno.listen({ transport: "unix", path });
    void acceptAll(listener, onConnection);
    return listener;
  },

  connect: (path) => new ConnectionStream(Deno.connect({ transport: "unix", path })),
};

async function acceptAll(
  listener: ReturnType<typeof Deno.listen>,
  onConnection: (connection: LocalConnection) => void,
): Promise<void> {
  try {
    for (;;) onConnection(accepted(await listener.accept()));
  } catch {
    // It was closed.
  }
}

function accepted(connection: DenoConnection): LocalConnection {
  return {
    async begin(leastBytes) {
      const bytes = new Uint8Array(leastBytes);
      for (let filled = 0; filled < leastBytes; ) {
        const count = await connection.read(bytes.subarray(filled)).catch(() => null);
        if (count === null) {
          closeQuietly(connection);
          return new Promise(() => {});
        }
        filled += count;
      }
      return bytes;
    },
    stream: (begun) => new ConnectionStream(Promise.resolve(connection), begun),
    destroy: () => closeQuietly(connection),
  };
}

class ConnectionStream implements ByteStream {
  readonly #connection: Promise<DenoConnection>;
  readonly #begun: Uint8Array<ArrayBuffer> | undefined;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #isWriting = false;
  #isClosing = false;
  #isOver = false;

  constructor(connection: Promise<DenoConnection>, begun?: Uint8Array<ArrayBuffer>) {
    this.#connection = connection;
    this.#begun = begun;
  }

  start(sink: ByteSink): void {
    if (this.#begun !== undefined && this.#begun.byteLength > 0) sink.push(this.#begun);
    void this.#read(sink);
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Immediates run after all sockets that had something to read. */
  readonly afterTurn = (callback: () => void): void => {
    setImmediate(callback);
  };

  write(pieces: readonly Uint8Array[]): void {
    if (this.#isOver || this.#isClosing) return;
    for (const piece of pieces) {
      this.#queue.push(piece);
      this.#queuedBytes += piece.byteLength;
    }
    if (!this.#isWriting) void this.#writeAll();
  }

  close(): void {
    if (this.#isOver || this.#isClosing) return;
    this.#isClosing = true;
    if (this.#isWriting) setTimeout(() => this.#end(), closeGraceMs);
    else this.#end();
  }

  /** Straight into the frame that is being gathered. */
  async #read(sink: ByteSink): Promise<void> {
    try {
      const connection = await this.#connection;
      for (;;) {
        const count = await connection.read(sink.target());
        if (count === null) break;
        sink.received(count);
      }
    } catch {
      // What an error means for the peer is that the stream has ended.
    }
    this.#end();
    sink.ended();
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    try {
      const connection = await this.#connection;
      while (this.#queue.length > 0 && !this.#isOver) {
        const bytes = this.#next();
        for (let written = 0; written < bytes.byteLength; ) {
          const count = await connection.write(written === 0 ? bytes : bytes.subarray(written));
          written += count;
          this.#queuedBytes -= count;
        }
      }
    } catch {
      this.#end();
    }
    this.#isWriting = false;
    if (this.#isClosing) this.#end();
  }

  /** The next piece, or several small ones as one. */
  #next(): Uint8Array {
    let count = 0;
    let sizeBytes = 0;
    for (const { byteLength } of this.#queue) {
      if (byteLength > smallBytes || sizeBytes + byteLength > gatheredBytes) break;
      sizeBytes += byteLength;
      count++;
    }
    if (count < 2) return this.#queue.shift()!;
    const bytes = new Uint8Array(sizeBytes);
    let at = 0;
    for (const piece of this.#queue.splice(0, count)) {
      bytes.set(piece, at);
      at += piece.byteLength;
    }
    return bytes;
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#connection.then(closeQuietly, () => {});
  }
}

/** What is closed already says so by an error. */
function closeQuietly(connection: DenoConnection): void {
  try {
    connection.close();
  } catch {
    // Nothing is left to close.
  }
}
