/**
 * Lines of a log as a stream of NDJSON for one reader, who may be slow: what waits for him is bounded, and he is told how
 * many lines he has lost by `{"lost": n}`.
 */
import type { LogLevel } from "../../runtime/isolate/protocol.ts";
import { type FunctionLogs, isAtLeast, type LogLine, type LogOwner } from "../handlers/function-logs.ts";

export interface LogStreamOptions {
  readonly logs: FunctionLogs;
  readonly owner: LogOwner;
  /** Lines of before. */
  readonly tail: number;
  readonly level: LogLevel;
  /** Left out: as below. */
  readonly mostWaiting?: number;
  readonly pauseMs?: number;
}

/** Lines that wait for a reader. */
const mostWaiting = 1000;
/** Clients and proxies give up connections on which nothing comes: an empty line comes. */
const pauseMs = 30_000;

export function followLog(options: LogStreamOptions): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream(new LogSource(options));
}

export function ndjson(lines: readonly LogLine[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}

class LogSource implements UnderlyingDefaultSource<Uint8Array<ArrayBuffer>> {
  readonly #encoder = new TextEncoder();
  readonly #options: LogStreamOptions;
  readonly #following: Disposable;
  #waiting: LogLine[];
  #lost = 0;
  #isEnded = false;
  /** The answer's head goes out with the first bytes: they come at once. */
  #isBegun = false;
  #isLeft = false;
  #wake: (() => void) | undefined;

  constructor(options: LogStreamOptions) {
    const { logs, owner, tail, level } = options;
    this.#options = options;
    this.#waiting = [...logs.tail(owner, tail, level)];
    this.#following = logs.follow(owner, {
      line: (line) => {
        if (isAtLeast(line, level)) this.#add(line);
      },
      end: () => {
        this.#isEnded = true;
        this.#wake?.();
      },
    });
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): Promise<void> {
    if (this.#isBegun && this.#waiting.length === 0 && !this.#isEnded) await this.#something();
    if (this.#isLeft) return;
    this.#isBegun = true;
    const lost = this.#lost === 0 ? "" : `{"lost":${this.#lost}}\n`;
    const text = lost + ndjson(this.#waiting);
    this.#waiting = [];
    this.#lost = 0;
    if (text !== "" || !this.#isEnded) controller.enqueue(this.#encoder.encode(text || "\n"));
    if (!this.#isEnded) return;
    this.#following[Symbol.dispose]();
    controller.close();
  }

  cancel(): void {
    this.#isLeft = true;
    this.#following[Symbol.dispose]();
    this.#wake?.();
  }

  #add(line: LogLine): void {
    this.#waiting.push(line);
    if (this.#waiting.length > (this.#options.mostWaiting ?? mostWaiting)) {
      this.#waiting.shift();
      this.#lost++;
    }
    this.#wake?.();
  }

  /** A line, the end, or a long pause. */
  #something(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#options.pauseMs ?? pauseMs);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
