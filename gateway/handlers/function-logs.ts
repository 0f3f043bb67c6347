/**
 * The last lines that functions have logged, in memory: so many lines and bytes a function, so many bytes in all. Who
 * follows a log gets its lines as they come. What a line is made of: log-intake.ts.
 */
import type { LogLevel } from "../../runtime/isolate/protocol.ts";

export interface LogLine {
  /** ISO 8601. */
  readonly time: string;
  readonly level: LogLevel;
  readonly version: number;
  /** Counts up among the instances of a version since the gateway started. */
  readonly instance: number;
  readonly message: string;
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** Whose log it is. A name that becomes another's has a log of its own. */
export interface LogOwner {
  readonly name: string;
  /** Left out: the operator's. */
  readonly tenant?: string | undefined;
}

export interface LogFollower {
  line(line: LogLine): void;
  /** The function was removed, or the gateway ends. */
  end(): void;
}

export interface LogLimits {
  /** A function. */
  readonly lines: number;
  readonly functionBytes: number;
  readonly totalBytes: number;
}

export const logLimits: LogLimits = { lines: 1000, functionBytes: 2 ** 20, totalBytes: 64 * 2 ** 20 };

/** Least first. */
export const logLevelNames = ["debug", "info", "warn", "error"] as const satisfies readonly LogLevel[];

interface Log {
  readonly lines: LogLine[];
  bytes: number;
}

export class FunctionLogs {
  readonly #limits: LogLimits;
  readonly #logs = new Map<string, Log>();
  readonly #followers = new Map<string, Set<LogFollower>>();
  readonly #watchers = new Set<(owner: LogOwner, line: LogLine) => void>();
  #bytes = 0;
  #isClosed = false;

  constructor(limits: LogLimits = logLimits) {
    this.#limits = limits;
  }

  add(owner: LogOwner, line: LogLine): void {
    const key = keyOf(owner);
    const log = this.#logs.get(key) ?? { lines: [], bytes: 0 };
    this.#logs.set(key, log);
    log.lines.push(line);
    this.#count(log, sizeOf(line));
    const { lines, functionBytes, totalBytes } = this.#limits;
    while (log.lines.length > lines || log.bytes > functionBytes) this.#dropOldest(log);
    if (this.#bytes > totalBytes) this.#halveLargest();
    for (const follower of this.#followers.get(key) ?? []) follower.line(line);
    for (const watcher of this.#watchers) watcher(owner, line);
  }

  /** The last lines of at least a level, oldest first. */
  tail(owner: LogOwner, count: number, level: LogLevel = "debug"): readonly LogLine[] {
    const lines = this.#logs.get(keyOf(owner))?.lines ?? [];
    return count === 0 ? [] : lines.filter((line) => isAtLeast(line, level)).slice(-count);
  }

  /** Lines of any level from now on, until it is disposed of. */
  follow(owner: LogOwner, follower: LogFollower): Disposable {
    if (this.#isClosed) follower.end();
    const key = keyOf(owner);
    const followers = this.#followers.get(key) ?? new Set();
    this.#followers.set(key, followers.add(follower));
    return {
      [Symbol.dispose]: () => {
        followers.delete(follower);
        if (followers.size === 0 && this.#followers.get(key) === followers) this.#followers.delete(key);
      },
    };
  }

  /** Lines of all functions from now on. */
  watch(watcher: (owner: LogOwner, line: LogLine) => void): void {
    this.#watchers.add(watcher);
  }

  /** Of a function that is no more. */
  remove(owner: LogOwner): void {
    const key = keyOf(owner);
    const log = this.#logs.get(key);
    if (log !== undefined) this.#bytes -= log.bytes;
    this.#logs.delete(key);
    const followers = [...(this.#followers.get(key) ?? [])];
    this.#followers.delete(key);
    for (const follower of followers) follower.end();
  }

  /** Ends who follows, which would keep their connections open. */
  close(): void {
    this.#isClosed = true;
    const followers = [...this.#followers.values()].flatMap((some) => [...some]);
    this.#followers.clear();
    for (const follower of followers) follower.end();
  }

  #count(log: Log, bytes: number): void {
    log.bytes += bytes;
    this.#bytes += bytes;
  }

  #dropOldest(log: Log): void {
    const line = log.lines.shift();
    if (line !== undefined) this.#count(log, -sizeOf(line));
  }

  /** Those who log most lose most: others' lines stay. By halves, as looking for the largest looks at all. */
  #halveLargest(): void {
    let largest: Log | undefined;
    for (const log of this.#logs.values()) if (log.bytes > (largest?.bytes ?? 0)) largest = log;
    if (largest === undefined) return;
    const target = largest.bytes / 2;
    while (largest.bytes > target) this.#dropOldest(largest);
  }
}

export function isAtLeast(line: Pick<LogLine, "level">, level: LogLevel): boolean {
  return logLevelNames.indexOf(line.level) >= logLevelNames.indexOf(level);
}

/** Names of functions and tenants have no slash. */
function keyOf({ name, tenant = "" }: LogOwner): string {
  return `${tenant}/${name}`;
}

/** Of the objects of a line, about. */
const lineBytes = 200;

/** Bytes in memory, where a character may take two. */
function sizeOf({ message, fields }: LogLine): number {
  const fieldCharacters = fields === undefined ? 0 : JSON.stringify(fields).length;
  return lineBytes + 2 * (message.length + fieldCharacters);
}
