/** Two Ports in this process, joined by streams that cut bytes in ways that sockets do. For tests. */
import type { Port } from "../../../runtime/port/port.ts";
import { type ByteSink, type ByteStream, SocketPort } from "../../../runtime/port/socket-port.ts";

export interface Loopback {
  readonly left: Port;
  readonly right: Port;
  /** How many writes the left side's stream has seen: one each turn is what is wanted. */
  readonly leftWrites: () => number;
  /** Sends bytes to the left side that no Port made. */
  readonly injectLeft: (bytes: Uint8Array<ArrayBuffer>) => void;
}

export function loopback(pieceBytes = 5000): Loopback {
  const sinks: ByteSink[] = [];
  let writes = 0;
  let isOpen = true;
  const stream = (own: 0 | 1): ByteStream => ({
    queuedBytes: 0,
    start: (sink) => {
      sinks[own] = sink;
    },
    write(pieces) {
      if (own === 0) writes++;
      const all = Buffer.concat(pieces);
      for (let at = 0; at < all.byteLength; at += pieceBytes) {
        const piece = new Uint8Array(all.subarray(at, at + pieceBytes));
        setImmediate(() => isOpen && sinks[1 - own]!.push(piece));
      }
    },
    close() {
      setImmediate(() => {
        if (!isOpen) return;
        isOpen = false;
        for (const sink of sinks) sink.ended();
      });
    },
  });
  const left = new SocketPort(stream(0));
  const right = new SocketPort(stream(1));
  return { left, right, leftWrites: () => writes, injectLeft: (bytes) => sinks[0]!.push(bytes) };
}
