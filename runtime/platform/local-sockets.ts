/**
 * Sockets between processes of one machine: Unix domain sockets, on Windows named pipes. What the links between a process
 * and its children need of a runtime.
 */
import type { ByteStream } from "../port/socket-port.ts";

export interface LocalSockets {
  /** @param onConnection hears of each that connects. @throws the system's error where it cannot listen. */
  listen(path: string, onConnection: (connection: LocalConnection) => void): Promise<LocalListener>;
  /** What is written before the connection stands waits for it; one that cannot stand is a stream that has ended. */
  connect(path: string): ByteStream;
}

export interface LocalListener {
  /** Connections that stand stay. */
  close(): void;
}

/** One that was accepted, and of which nothing has been read. */
export interface LocalConnection {
  /** What came first, at least so many bytes. Never settles where it ends before. To be called once. */
  begin(leastBytes: number): Promise<Uint8Array<ArrayBuffer>>;
  /** The rest of it, after what was read to begin with. */
  stream(begun: Uint8Array<ArrayBuffer>): ByteStream;
  /** Ends it at once. */
  destroy(): void;
}
