/** Two FetchPeers joined by a Port, or one with a bare Port at the other end. For tests. */
import { vi } from "vitest";
import { FetchPeer, type FetchPeerOptions } from "../../../../runtime/port/fetch/fetch-peer.ts";
import { MessagePortPort } from "../../../../runtime/port/message-port.ts";
import type { Message, Port } from "../../../../runtime/port/port.ts";
import { loopback } from "../loopback.ts";

export interface PortPair {
  readonly left: Port;
  readonly right: Port;
}

export function messagePorts(): PortPair {
  const { port1, port2 } = new MessageChannel();
  return { left: new MessagePortPort(port1), right: new MessagePortPort(port2) };
}

export const carriers: Readonly<Record<string, () => PortPair>> = {
  "a MessagePort": messagePorts,
  "a socket": () => loopback(),
};

export interface PeerPair {
  readonly client: FetchPeer;
  readonly server: FetchPeer;
  readonly ports: PortPair;
  /** All that the client's Port has sent and received. */
  readonly sent: Message[];
  readonly received: Message[];
}

/** The client calls what `serve` answers. */
export function peers(
  serve: FetchPeerOptions["serve"],
  options: Omit<FetchPeerOptions, "port" | "serve"> & { connect?: () => PortPair } = {},
): PeerPair {
  const { connect = messagePorts, ...others } = options;
  const ports = connect();
  const sent: Message[] = [];
  const received: Message[] = [];
  const server = new FetchPeer({ port: ports.right, serve, ...others });
  const client = new FetchPeer({ port: watched(ports.left, sent, received), ...others });
  return { client, server, ports, sent, received };
}

/** The Port, writing down what passes. */
function watched(port: Port, sent: Message[], received: Message[]): Port {
  return {
    closed: port.closed,
    ...(port.afterTurn && { afterTurn: port.afterTurn }),
    close: () => port.close(),
    send: (message) => {
      sent.push(message);
      port.send(message);
    },
    receive: (receiver) =>
      port.receive((message) => {
        received.push(message);
        receiver(message);
      }),
  };
}

export async function untilIdle(...all: readonly FetchPeer[]): Promise<void> {
  await vi.waitFor(
    () => {
      const active = all.map((peer) => peer.active);
      if (active.some((count) => count > 0)) throw new Error(`still under way: ${active}`);
    },
    { timeout: 10_000, interval: 2 },
  );
}

/** Both message queues have been emptied a few times. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** A stream that the test writes to, and what became of it. */
export function controlled(): {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly write: (text: string) => void;
  readonly end: () => void;
  readonly fail: (error: unknown) => void;
  readonly cancelled: Promise<unknown>;
} {
  let controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (started) => {
      controller = started;
    },
    cancel: resolve,
  });
  return {
    stream,
    write: (text) => controller.enqueue(new TextEncoder().encode(text)),
    end: () => controller.close(),
    fail: (error) => controller.error(error),
    cancelled: promise,
  };
}

/** A stream of `count` chunks that are made when they are asked for; `made()` counts them. */
export function counted(
  count: number,
  chunkBytes: number,
): {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly made: () => number;
  readonly cancelled: Promise<unknown>;
} {
  let made = 0;
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      pull: (controller) => {
        if (made === count) controller.close();
        else controller.enqueue(new Uint8Array(chunkBytes).fill(made++));
      },
      cancel: resolve,
    },
    { highWaterMark: 0 },
  );
  return { stream, made: () => made, cancelled: promise };
}

export function post(
  url: string,
  body: NonNullable<RequestInit["body"]>,
  headers: Record<string, string> = {},
): Request {
  return new Request(url, { method: "POST", body, headers, duplex: "half" } as RequestInit);
}
