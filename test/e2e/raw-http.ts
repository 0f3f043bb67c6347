/** Requests over a bare socket, for what fetch would not send: wrong lengths, bodies that break off. */
import { connect } from "node:net";

export interface RawAnswer {
  readonly status: number;
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

function parse(text: string): RawAnswer | undefined {
  const status = /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1];
  if (status === undefined) return undefined;
  const [head = "", ...rest] = text.split("\r\n\r\n");
  const body = rest.join("\r\n\r\n");
  return { status: Number(status), body: /transfer-encoding: chunked/i.test(head) ? unchunk(body) : body };
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
