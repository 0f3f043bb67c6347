/**
 * The file of a gateway's schedule log: takes the lines of an event log as they come, writes them in order, a piece at a
 * time. A replay needs a log from its start, so one that may not grow any more ends, and is not rotated. What goes wrong
 * with the file ends the log, and no call.
 */
import { getLogger } from "@logtape/logtape";
import { DawnletError } from "../../kernels/errors.ts";
import { endLine, type LineSink, type LogEnding } from "../scheduler/core/event-log.ts";
import { diskFiles, errorNumber, type Files, type FileWriter } from "../store/files.ts";
import { formatBytes } from "../text.ts";

export interface ScheduleLogOptions {
  readonly path: string;
  /** Bytes that the file may have, its end included. */
  readonly maxBytes?: number | undefined;
  /** For tests. */
  readonly files?: Pick<Files, "create">;
}

/** More than a million calls: one whose weights are there takes about 190 bytes. */
export const defaultScheduleLogBytes = 256 * 2 ** 20;
/** Lines that wait for the disk: what a disk that does not answer may cost of memory. */
const maxWaitingBytes = 16 * 2 ** 20;
/** So long lines wait for others: what is lost where the process is killed. */
const gatherMs = 20;
/** Room for the last line, whatever it says. */
const endBytes = 64;

const encoder = new TextEncoder();
const log = getLogger(["dawnlet", "scheduler"]);

export class ScheduleLog implements AsyncDisposable {
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #file: FileWriter;
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** Taken, whether written or not. */
  #takenBytes = 0;
  #hasEnded = false;
  #hasFailed = false;
  /** Until nothing waits any more. */
  #writing: Promise<void> | undefined;

  private constructor(
    file: FileWriter,
    { path, maxBytes = defaultScheduleLogBytes }: Omit<ScheduleLogOptions, "files">,
  ) {
    this.#file = file;
    this.#path = path;
    this.#maxBytes = maxBytes;
  }

  /**
   * Makes the file, which only this user can read.
   * @throws DawnletError INVALID_ARGUMENT where there is one of that name, or it cannot be made.
   */
  static async create({ files = diskFiles, ...options }: ScheduleLogOptions): Promise<ScheduleLog> {
    const { path } = options;
    try {
      return new ScheduleLog(await files.create(path), options);
    } catch (cause) {
      const number = errorNumber(cause);
      const why =
        number === "EEXIST"
          ? "there is such a file: name another, as a log begins with its gateway"
          : `it cannot be made: ${number ?? String(cause)}`;
      throw new DawnletError("INVALID_ARGUMENT", `Cannot log the schedule to '${path}' as ${why}`, { cause });
    }
  }

  /** Never throws. The first line, without which no other can be read, is taken whatever the limit. */
  readonly sink: LineSink = (line) => {
    if (this.#hasEnded) return;
    const bytes = encoder.encode(line);
    const size = bytes.byteLength;
    const isFirst = this.#takenBytes === 0;
    if (!isFirst && this.#takenBytes + size + endBytes > this.#maxBytes) {
      const most = formatBytes(this.#maxBytes);
      log.warn("the schedule is logged no more as {path} may have {most}", { path: this.#path, most });
      this.#end("full");
    } else if (this.#waitingBytes + size > maxWaitingBytes) {
      log.warn("the schedule is logged no more as the disk of {path} is too slow", { path: this.#path });
      this.#end("behind");
    } else this.#take(bytes);
  };

  /** Writes what is left, and that the gateway has stopped. */
  async close(): Promise<void> {
    if (!this.#hasEnded) this.#end("stopped");
    await this.#writing;
    try {
      try {
        await this.#file.sync();
      } finally {
        await this.#file.close();
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #end(ending: LogEnding): void {
    this.#hasEnded = true;
    this.#take(encoder.encode(endLine(ending)));
  }

  #take(line: Uint8Array): void {
    this.#takenBytes += line.byteLength;
    this.#waitingBytes += line.byteLength;
    this.#waiting.push(line);
    this.#writing ??= this.#write();
  }

  async #write(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        if (!this.#hasEnded) await new Promise((resolve) => setTimeout(resolve, gatherMs));
        const piece = joined(this.#waiting.splice(0), this.#waitingBytes);
        await this.#file.write(piece);
        this.#waitingBytes -= piece.byteLength;
      }
    } catch (error) {
      this.#hasEnded = true;
      this.#waiting.length = 0;
      this.#failed(error);
    }
    this.#writing = undefined;
  }

  #failed(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    const reason = errorNumber(error) ?? String(error);
    log.warn("the schedule is logged no more as {path} cannot be written: {reason}", {
      path: this.#path,
      reason,
    });
  }
}

function joined(lines: readonly Uint8Array[], sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  let at = 0;
  for (const line of lines) {
    bytes.set(line, at);
    at += line.byteLength;
  }
  return bytes;
}
