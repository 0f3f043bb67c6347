/** JSON bodies to values, with limits that are checked on the text, before anything that could recurse, or take long, sees it. */
import { DawnletError } from "../../kernels/errors.ts";
import { parseExactIntegers } from "./exact-integers.ts";
import { excessOf } from "./json-structure.ts";

/** Triton has the same depth. As many arrays, objects and strings as here take a second at most. */
export const jsonLimits = { depth: 100, values: 1_000_000 } as const;

const decoder = new TextDecoder("utf-8", { fatal: true });

export interface JsonOptions {
  /** Integers beyond 2^53 come as `bigint` instead of losing digits. */
  readonly exactIntegers?: boolean;
  /** What the text is, for messages. Left out: `the body`. */
  readonly what?: string;
}

/**
 * @param source text, or its UTF-8.
 * @throws DawnletError INVALID_ARGUMENT for bytes that are no UTF-8, for what is no JSON or nested too deep;
 *   PAYLOAD_TOO_LARGE where it has too many parts.
 */
export function parseJson(source: string | Uint8Array, options: JsonOptions = {}): unknown {
  const what = options.what ?? "the body";
  const text = typeof source === "string" ? source : decodeText(source, what);
  switch (excessOf(text, jsonLimits)) {
    case "depth":
      throw new DawnletError(
        "INVALID_ARGUMENT",
        `Cannot read ${what} as its JSON nests deeper than ${jsonLimits.depth} levels`,
      );
    case "values":
      throw new DawnletError(
        "PAYLOAD_TOO_LARGE",
        `Cannot read ${what} as its JSON has more than ${jsonLimits.values} arrays, objects and strings: send tensors as flat arrays or as bytes`,
      );
  }
  try {
    return options.exactIntegers && /\d{16}/.test(text)
      ? parseExactIntegers(text, jsonLimits.values)
      : JSON.parse(text);
  } catch (cause) {
    if (cause instanceof DawnletError) throw cause;
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

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
