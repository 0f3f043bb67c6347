/** Event logs, read line by line and checked. A last line that was cut short, as in a crash, costs that line alone. */
import * as v from "valibot";
import { DawnletError } from "../../../kernels/errors.ts";
import { type EventLogHeader, type LogEnding, logEndings, logFormat, logVersion } from "./event-log.ts";
import { type TimedEvent, timedEventSchema } from "./event-schema.ts";

export interface EventLog {
  readonly header: EventLogHeader;
  readonly events: readonly TimedEvent[];
  readonly ending: ReadEnding | undefined;
}

/** `cut`: whoever wrote it was killed amid a line. */
export type ReadEnding = LogEnding | "cut";

/** Takes the lines of a log one after another. */
export class EventLogReader {
  #lines = 0;
  #header: EventLogHeader | undefined;
  #ending: ReadEnding | undefined;

  /** Of the first line. @throws DawnletError INVALID_ARGUMENT where there was none. */
  get header(): EventLogHeader {
    if (this.#header === undefined) throw badLine(1, "it is empty");
    return this.#header;
  }

  /** Undefined where there was no end: its process was killed, or still runs. */
  get ending(): ReadEnding | undefined {
    return this.#ending;
  }

  /**
   * @param line with its end, where it has one: only the last may have none.
   * @returns undefined for what is no event: the header, the end, a last line that was cut short.
   * @throws DawnletError INVALID_ARGUMENT naming the line, which its detail `line` has as well; the first is 1.
   */
  read(line: string): TimedEvent | undefined {
    const number = ++this.#lines;
    if (this.#ending !== undefined) throw badLine(number, "the line before it is the last");
    if (this.#header === undefined) {
      this.#header = checked(headerSchema, jsonOf(line, number), number);
      return undefined;
    }
    let json: unknown;
    try {
      json = jsonOf(line, number);
    } catch (error) {
      if (line.endsWith("\n")) throw error;
      this.#ending = "cut";
      return undefined;
    }
    if (!v.is(endSchema, json)) return checked(timedEventSchema, json, number);
    this.#ending = json.end;
    return undefined;
  }
}

/** @throws DawnletError as EventLogReader. */
export function parseEventLog(text: string): EventLog {
  const reader = new EventLogReader();
  const lines = text.match(/[^\n]*\n|[^\n]+/g) ?? [""];
  const events = lines.flatMap((line) => reader.read(line) ?? []);
  const { header, ending } = reader;
  return { header, events, ending };
}

const headerSchema = v.pipe(
  v.object({
    format: v.literal(logFormat),
    version: v.literal(logVersion),
    policy: v.string(),
    eviction: v.exactOptional(v.string()),
    queueLimit: v.exactOptional(v.number()),
    epoch: v.exactOptional(v.pipe(v.string(), v.isoTimestamp())),
  }),
  v.transform(({ format: _format, version: _version, ...header }): EventLogHeader => header),
);

const endSchema = v.strictObject({ end: v.picklist(logEndings) });

function jsonOf(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw badLine(number, "it is no JSON", cause);
  }
}

function checked<T>(schema: v.GenericSchema<unknown, T>, value: unknown, number: number): T {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw badLine(number, `${v.getDotPath(issue) ?? "it"} is wrong: ${issue.message}`);
}

function badLine(line: number, why: string, cause?: unknown): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot read line ${line} of an event log as ${why}`, {
    cause,
    details: { line },
  });
}
