/** Requests over a bare socket, for what fetch would not send: wrong lengths, bodies that break off. */
import { connect, type Socket } from "node:net";

export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/**
 * Sends the bytes as they are and reads until the server closes.
 * @param breakOff after what was sent, the connection is half closed, as by a client that died.
 * @returns undefined where the server closed without an answer.
 */
export function sendRaw(
  url: string,
  head: string,
  body: string | Uint8Array = "",
  breakOff = false,
): Promise<RawAnswer | undefined> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(port), hostname, () => {
      socket.write(
        `${head.trim().replaceAll("\n", "\r\n")}\r\nHost: ${hostname}\r\nConnection: close\r\n\r\n`,
      );
      socket.write(body);
      if (breakOff) socket.end();
    });
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      // The server need not read a body that it has refused.
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
    });
    socket.on("close", () => resolve(parse(Buffer.concat(chunks).toString())));
  });
}

/** A request whose body goes out as the test wants, over a connection that the client does not close. */
export class SlowRequest implements Disposable {
  /** Settles with the answer, while the connection may stay open; undefined where it ended without one. */
  readonly answer: Promise<RawAnswer | undefined>;
  /** Settles when the connection has ended. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;

  constructor(url: string, head: string) {
    const { hostname, port } = new URL(url);
    const { promise: answer, resolve: answered } = Promise.withResolvers<RawAnswer | undefined>();
    const { promise: closed, resolve: onClosed } = Promise.withResolvers<void>();
    this.#socket = connect(Number(port), hostname);
    this.#socket.write(`${head.trim().replaceAll("\n", "\r\n")}\r\nHost: ${hostname}\r\n\r\n`);
    let text = "";
    this.#socket.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (isWhole(text)) answered(parse(text));
    });
    // A connection that is reset has ended.
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => {
      answered(parse(text));
      onClosed();
    });
    this.answer = answer;
    this.closed = closed;
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

function isWhole(text: string): boolean {
  const [head = "", body] = text.split("\r\n\r\n");
  if (body === undefined) return false;
  const length = /content-length: (\d+)/i.exec(head)?.[1];
  return length === undefined ? text.endsWith("0\r\n\r\n") : body.length >= Number(length);
}

function parse(text: string): RawAnswer | undefined {
  const status = /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1];
  if (status === undefined) return undefined;
  const [head = "", ...rest] = text.split("\r\n\r\n");
  const body = rest.join("\r\n\r\n");
  return {
    status: Number(status),
    head,
    body: /transfer-encoding: chunked/i.test(head) ? unchunk(body) : body,
  };
}

function unchunk(body: string): string {
  let text = "";
  for (let at = 0; ; ) {
    const end = body.indexOf("\r\n", at);
    const size = Number.parseInt(body.slice(at, end), 16);
    if (!(size > 0)) return text;
    text += body.slice(end + 2, end + 2 + size);
    at = end + 4 + size;
  }
}
