/**
 * One keep-alive connection of the load generator: sends, finds the end of the answer by its
 * Content-Length, checks it, sends again. A connection that breaks is counted and opened anew.
 */
import { connect, type Socket } from "node:net";

/** How many answers were wrong, and how often a connection broke. */
export interface LoadErrors {
  readonly status: number;
  readonly body: number;
  readonly connection: number;
}

export interface LoadConnectionOptions {
  readonly host: string;
  readonly port: number;
  readonly request: Buffer;
  readonly expectedStatus: number;
  readonly expectedBody: Buffer | undefined;
  onAnswer(latencyMs: number): void;
  onError(kind: keyof LoadErrors, message: string): void;
}

const reconnectAfterMs = 20;
const endOfHeaders = Buffer.from("\r\n\r\n");

export class LoadConnection {
  readonly #options: LoadConnectionOptions;
  #socket: Socket | undefined;
  #isStopped = false;
  #sentAt = 0;
  /** Pieces of the answer so far, in the order of their arrival. */
  #pieces: Buffer[] = [];
  #receivedBytes = 0;
  /** Known once the headers are whole. */
  #answer: { readonly status: number; readonly bodyStart: number; readonly totalBytes: number } | undefined;

  constructor(options: LoadConnectionOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#isStopped) return;
    const socket = connect({ host: this.#options.host, port: this.#options.port, noDelay: true });
    this.#socket = socket;
    socket.on("connect", () => this.#send());
    socket.on("data", (piece) => {
      if (typeof piece !== "string") this.#receive(piece);
    });
    socket.on("error", (error) => this.#break(socket, error.message));
    socket.on("close", () => this.#break(socket, "the server closed the connection"));
  }

  stop(): void {
    this.#isStopped = true;
    this.#socket?.destroy();
  }

  #send(): void {
    this.#pieces = [];
    this.#receivedBytes = 0;
    this.#answer = undefined;
    this.#sentAt = performance.now();
    this.#socket?.write(this.#options.request);
  }

  #receive(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#receivedBytes += piece.byteLength;
    if (this.#answer === undefined) {
      const start = this.#joined();
      const headerEnd = start.indexOf(endOfHeaders);
      if (headerEnd < 0) return;
      const bodyStart = headerEnd + endOfHeaders.byteLength;
      const parsed = parseHeaders(start.toString("latin1", 0, headerEnd));
      if (parsed === undefined) {
        this.#abandon("an answer has no Content-Length");
        return;
      }
      this.#answer = { status: parsed.status, bodyStart, totalBytes: bodyStart + parsed.contentBytes };
    }
    if (this.#receivedBytes < this.#answer.totalBytes) return;
    if (this.#receivedBytes > this.#answer.totalBytes) {
      this.#abandon("an answer is longer than its Content-Length");
      return;
    }
    this.#check(performance.now() - this.#sentAt, this.#answer.status, this.#answer.bodyStart);
    if (!this.#isStopped) this.#send();
  }

  #check(latencyMs: number, status: number, bodyStart: number): void {
    const { expectedStatus, expectedBody, onAnswer, onError } = this.#options;
    if (status !== expectedStatus) {
      const excerpt = this.#joined().toString("utf8", bodyStart, bodyStart + 200);
      onError("status", `status ${status} instead of ${expectedStatus}: ${excerpt}`);
    } else if (expectedBody !== undefined && !this.#joined().subarray(bodyStart).equals(expectedBody)) {
      onError("body", "the body is not the expected one");
    } else {
      onAnswer(latencyMs);
    }
  }

  #joined(): Buffer {
    const [first] = this.#pieces;
    if (first !== undefined && this.#pieces.length === 1) return first;
    const joined = Buffer.concat(this.#pieces);
    this.#pieces = [joined];
    return joined;
  }

  #abandon(reason: string): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    this.#break(socket, reason);
    socket.destroy();
  }

  /** Called for both `error` and `close`: only the first counts. */
  #break(socket: Socket, reason: string): void {
    if (this.#isStopped || this.#socket !== socket) return;
    this.#socket = undefined;
    this.#options.onError("connection", reason);
    setTimeout(() => this.start(), reconnectAfterMs);
  }
}

function parseHeaders(headers: string): { status: number; contentBytes: number } | undefined {
  // "HTTP/1.1 200 OK"
  const status = Number(headers.slice(9, 12));
  const length = /\r\ncontent-length: *(\d+)/i.exec(headers);
  if (length === null) return undefined;
  return { status, contentBytes: Number(length[1]) };
}
