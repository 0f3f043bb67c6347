/**
 * What RPC puts into the headers of messages, and how a header from the other side is read.
 * Attachments of all calls (or replies) of a message lie behind each other; each entry counts its own.
 */
import type { ErrorRecord } from "../../kernels/errors.ts";

/** `[id, method, params, number of attachments]` */
export type CallEntry = readonly [id: number, method: string, params: unknown, attachments: number];

/** `[id, number of attachments, result]` or `[id, -1, error]` */
export type ReplyEntry = readonly [id: number, attachments: number, resultOrError: unknown];

/** `[id, value]` */
export type ProgressEntry = readonly [id: number, value: unknown];

export interface CallsHeader {
  readonly calls: readonly CallEntry[];
  /** Ids of calls whose caller gave up. */
  readonly cancels: readonly number[];
}

export interface RepliesHeader {
  /** Come before the replies of the same message. */
  readonly progress: readonly ProgressEntry[];
  readonly replies: readonly ReplyEntry[];
}

/** Takes an error's place where the number of attachments would be. */
export const failed = -1;

/** @returns undefined where the header is none or does not fit the number of attachments. */
export function parseCalls(header: unknown, attachments: number): CallsHeader | undefined {
  if (!hasArrays(header, "calls", "cancels")) return undefined;
  const { calls, cancels } = header;
  let counted = 0;
  for (const call of calls) {
    if (!Array.isArray(call) || !isId(call[0]) || typeof call[1] !== "string" || !isCount(call[3]))
      return undefined;
    counted += call[3];
  }
  if (counted !== attachments || !cancels.every(isId)) return undefined;
  return { calls: calls as CallEntry[], cancels: cancels as number[] };
}

/** @returns undefined where the header is none or does not fit the number of attachments. */
export function parseReplies(header: unknown, attachments: number): RepliesHeader | undefined {
  if (!hasArrays(header, "progress", "replies")) return undefined;
  const { progress, replies } = header;
  let counted = 0;
  for (const reply of replies) {
    if (!Array.isArray(reply) || !isId(reply[0])) return undefined;
    if (reply[1] === failed) {
      if (!isErrorRecord(reply[2])) return undefined;
    } else if (isCount(reply[1])) counted += reply[1];
    else return undefined;
  }
  if (counted !== attachments) return undefined;
  if (!progress.every((entry) => Array.isArray(entry) && isId(entry[0]))) return undefined;
  return { progress: progress as ProgressEntry[], replies: replies as ReplyEntry[] };
}

/** Checks for the shape only: `fromErrorRecord` maps unknown codes. */
export function isErrorRecord(value: unknown): value is ErrorRecord {
  return (
    typeof value === "object" &&
    value !== null &&
    "code" in value &&
    typeof value.code === "string" &&
    "message" in value &&
    typeof value.message === "string"
  );
}

function hasArrays<A extends string, B extends string>(
  header: unknown,
  first: A,
  second: B,
): header is Record<A | B, readonly unknown[]> {
  if (typeof header !== "object" || header === null) return false;
  const fields = header as Record<string, unknown>;
  return Array.isArray(fields[first]) && Array.isArray(fields[second]);
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
