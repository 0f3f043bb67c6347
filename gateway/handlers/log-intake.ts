/**
 * From what one instance says to lines of its function's log: in their order, within limits of length, with
 * positions of the deployed files. It comes from code of strangers, who may have written it past `console`.
 */
import { logLines } from "../../runtime/isolate/log-budget.ts";
import { type LogLevel, maxLogCharacters } from "../../runtime/isolate/protocol.ts";
import type { LogLine } from "./function-logs.ts";

export interface LogIntakeOptions {
  readonly version: number;
  readonly instance: number;
  /** Puts the bundle's positions into a stack; never rejects. */
  readonly positions: (text: string) => Promise<string>;
  readonly write: (line: LogLine) => void;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** A line as it came. */
export interface LogEntry {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields?: Readonly<Record<string, unknown>>;
}

export class LogIntake {
  readonly #options: LogIntakeOptions;
  readonly #now: () => number;
  /** Lines wait for the positions in those before them. */
  #last: Promise<void> = Promise.resolve();

  constructor(options: LogIntakeOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  note({ level, message, fields }: LogEntry): void {
    const plain = fields === undefined ? undefined : limitedFields(fields);
    this.#write({ level, message: cut(message), ...(plain && { fields: plain }) });
  }

  /** So many lines were more than an instance may log (log-budget.ts). */
  dropped(lines: number): void {
    const message = `${lines} lines are left out, as an instance may log ${logLines.perSecond} a second`;
    this.#write({ level: "warn", message });
  }

  /** The instance has ended. @param why where it was not told to. */
  ended(why?: string): void {
    if (why !== undefined) this.#write({ level: "warn", message: cut(`The instance has ended: ${why}`) });
  }

  #write({ level, message, ...rest }: LogEntry): void {
    const { version, instance, positions, write } = this.#options;
    const time = new Date(this.#now()).toISOString();
    this.#last = this.#last.then(async () => {
      const text = message.includes("\n    at ") ? await positions(message) : message;
      write({ time, level, version, instance, message: text, ...rest });
    });
  }
}

function cut(text: string): string {
  return text.length <= maxLogCharacters ? text : `${text.slice(0, maxLogCharacters)}…`;
}

/** Undefined where they have no JSON. */
function limitedFields(fields: Readonly<Record<string, unknown>>): LogEntry["fields"] {
  try {
    const json = JSON.stringify(fields);
    return json.length <= maxLogCharacters ? fields : { cut: cut(json) };
  } catch {
    return undefined;
  }
}
