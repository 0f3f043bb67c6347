/**
 * JSON bodies to values, with a limit on nesting that is checked on the text, before anything that could
 * recurse sees it.
 */
import { DawnletError } from "../../kernels/errors.ts";

/** Arrays and objects inside one another. Triton has the same limit. */
export const maxJsonDepth = 100;

const decoder = new TextDecoder("utf-8", { fatal: true });

export interface JsonOptions {
  /** Integers beyond 2^53 come as `bigint` instead of losing digits. */
  readonly exactIntegers?: boolean;
  /** What the text is, for messages. Left out: `the body`. */
  readonly what?: string;
}

/**
 * @param source text, or its UTF-8.
 * @throws DawnletError INVALID_ARGUMENT for bytes that are no UTF-8, for what is no JSON or nested too deep.
 */
export function parseJson(source: string | Uint8Array, options: JsonOptions = {}): unknown {
  const what = options.what ?? "the body";
  const text = typeof source === "string" ? source : decodeText(source, what);
  if (isDeeperThan(text, maxJsonDepth)) {
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Cannot read ${what} as its JSON nests deeper than ${maxJsonDepth} levels`,
    );
  }
  try {
    return options.exactIntegers && /\d{16}/.test(text) ? JSON.parse(text, exactInteger) : JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? `: ${cause.message}` : "";
    throw new DawnletError("INVALID_ARGUMENT", `Cannot read ${what} as it is not JSON${reason}`, { cause });
  }
}

function decodeText(bytes: Uint8Array, what: string): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new DawnletError("INVALID_ARGUMENT", `Cannot read ${what} as it is not UTF-8`, { cause });
  }
}

/** A reviver sees the text of a number beside its rounded value. */
function exactInteger(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const source = context?.source ?? "";
  return /^-?\d+$/.test(source) ? BigInt(source) : value;
}

const quote = 0x22;
const backslash = 0x5c;

function isDeeperThan(text: string, limit: number): boolean {
  if (text.length <= limit || hasFewOpeners(text, limit)) return false;
  // A search by regular expression passes numbers 20 times as fast as a loop over characters.
  const structural = /["[\]{}]/g;
  let depth = 0;
  while (structural.test(text)) {
    const code = text.charCodeAt(structural.lastIndex - 1);
    if (code === quote) structural.lastIndex = endOfString(text, structural.lastIndex);
    else if (code === 0x5b || code === 0x7b) {
      if (++depth > limit) return true;
    } else depth--;
  }
  return false;
}

/** The position after the closing quote of a string whose content begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start); at >= 0; at = text.indexOf('"', at + 1)) {
    let before = at;
    while (before > start && text.charCodeAt(before - 1) === backslash) before--;
    if ((at - before) % 2 === 0) return at + 1;
  }
  return text.length;
}

/** Brackets wherever they stand. Flat data, however long, passes at the speed of `memchr`. */
function hasFewOpeners(text: string, limit: number): boolean {
  let openers = 0;
  for (let at = text.indexOf("["); at >= 0; at = text.indexOf("[", at + 1))
    if (++openers > limit) return false;
  for (let at = text.indexOf("{"); at >= 0; at = text.indexOf("{", at + 1))
    if (++openers > limit) return false;
  return true;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
