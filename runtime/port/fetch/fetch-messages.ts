/**
 * What a FetchPeer puts into the headers of messages, and how a header from the other side is read.
 *
 * A header is a list of entries. Bodies that are `whole`, and each `data`, take one attachment, in the order of the
 * entries. Ids: each side numbers the requests that it sends, from 1 upwards. In an entry, a positive id is a request
 * of the entry's sender, a negative one a request of its receiver.
 */
import {
  type DawnletError,
  type ErrorRecord,
  fromErrorRecord,
  toErrorRecord,
} from "../../../kernels/errors.ts";
import { isErrorRecord } from "../rpc-messages.ts";
import { type FetchLimits, wholeBodyBytes } from "./fetch-limits.ts";

export type HeaderPairs = readonly (readonly [name: string, value: string])[];

/** `whole`: an attachment of this message. `stream`: what `data` brings until `end`. */
export type BodyKind = "none" | "whole" | "stream";

export type RequestEntry = readonly [
  type: "request",
  id: number,
  method: string,
  url: string,
  headers: HeaderPairs,
  /** From now on; null for none. */
  deadlineMs: number | null,
  body: BodyKind,
];

export type ResponseEntry = readonly [
  type: "response",
  id: number,
  status: number,
  statusText: string,
  headers: HeaderPairs,
  body: BodyKind,
];

export type Entry =
  | RequestEntry
  | ResponseEntry
  /** The next bytes of a body: of the request where the id is positive, of the response where it is negative. */
  | readonly [type: "data", id: number]
  | readonly [type: "end", id: number]
  /** So much more may be sent of the body that comes the other way. */
  | readonly [type: "credit", id: number, bytes: number]
  /** The answering side reads no more of the request's body. */
  | readonly [type: "stop", id: number, error: ErrorRecord]
  /** The request is over: its sender gave up, or it cannot be answered (any further). */
  | readonly [type: "abort", id: number, error: ErrorRecord];

/** Hands an entry, with its attachment, to the Port. */
export type SendEntry = (entry: Entry, attachment?: Uint8Array) => void;

/** Nobody has more credit than this: sums stay whole numbers. */
export const maxCreditBytes = 2 ** 32;

/** Characters of a message, longer ones are cut. */
const maxMessageLength = 4096;

/** @returns undefined where the header is none, breaks a limit, or does not fit the attachments. */
export function parseEntries(
  header: unknown,
  attachments: readonly Uint8Array[],
  limits: FetchLimits,
): readonly Entry[] | undefined {
  if (!Array.isArray(header)) return undefined;
  let counted = 0;
  for (const entry of header) {
    if (!isEntry(entry, limits)) return undefined;
    const isWhole = (entry[0] === "request" || entry[0] === "response") && entry.at(-1) === "whole";
    if (!isWhole && entry[0] !== "data") continue;
    const attachment = attachments[counted++];
    if (attachment === undefined || (isWhole && attachment.byteLength > wholeBodyBytes)) return undefined;
  }
  return counted === attachments.length ? header : undefined;
}

/** Whether a head of these sizes may be sent. `rest` is what it holds beside headers: method, text of the status. */
export function fitsLimits(headers: HeaderPairs, rest: string, limits: FetchLimits): boolean {
  if (headers.length > limits.headers) return false;
  let length = rest.length;
  for (const [name, value] of headers) length += name.length + value.length;
  return length <= limits.headerBytes;
}

/** Of whatever was thrown, also of what has no text. */
export function recordOf(error: unknown): ErrorRecord {
  try {
    const record = toErrorRecord(error);
    return { ...record, message: String(record.message).slice(0, maxMessageLength) };
  } catch {
    return { code: "INTERNAL", message: "Cannot tell what was thrown as it has no text" };
  }
}

/** Of a record that `parseEntries` has let pass. Details that are no plain values are left out. */
export function errorOf(record: ErrorRecord): DawnletError {
  const { code, details } = record;
  const message = record.message.slice(0, maxMessageLength);
  return fromErrorRecord({ code, message, ...(isPlain(details) && { details }) });
}

function isPlain(details: unknown): boolean {
  if (typeof details !== "object" || details === null || Array.isArray(details)) return false;
  const values = Object.values(details);
  return (
    values.length <= 16 &&
    values.every((value) => ["number", "boolean", "string"].includes(typeof value)) &&
    JSON.stringify(details).length <= maxMessageLength
  );
}

function isEntry(entry: unknown, limits: FetchLimits): entry is Entry {
  if (!Array.isArray(entry)) return false;
  const [type, id] = entry;
  if (!Number.isSafeInteger(id) || id === 0) return false;
  switch (type) {
    case "request":
      return id > 0 && isRequest(entry, limits);
    case "response":
      return id < 0 && isResponse(entry, limits);
    case "data":
    case "end":
      return entry.length === 2;
    case "credit":
      return (
        entry.length === 3 && Number.isSafeInteger(entry[2]) && entry[2] > 0 && entry[2] <= maxCreditBytes
      );
    case "stop":
      return id < 0 && entry.length === 3 && isErrorRecord(entry[2]);
    case "abort":
      return entry.length === 3 && isErrorRecord(entry[2]);
    default:
      return false;
  }
}

function isRequest(entry: readonly unknown[], limits: FetchLimits): boolean {
  const [, , method, url, headers, deadlineMs, body] = entry;
  return (
    entry.length === 7 &&
    typeof method === "string" &&
    typeof url === "string" &&
    url.length <= limits.urlLength &&
    isHeaderPairs(headers, limits) &&
    fitsLimits(headers, method, limits) &&
    (deadlineMs === null || (typeof deadlineMs === "number" && deadlineMs >= 0)) &&
    isBodyKind(body)
  );
}

function isResponse(entry: readonly unknown[], limits: FetchLimits): boolean {
  const [, , status, statusText, headers, body] = entry;
  return (
    entry.length === 6 &&
    Number.isSafeInteger(status) &&
    typeof statusText === "string" &&
    isHeaderPairs(headers, limits) &&
    fitsLimits(headers, statusText, limits) &&
    isBodyKind(body)
  );
}

function isHeaderPairs(headers: unknown, limits: FetchLimits): headers is HeaderPairs {
  return Array.isArray(headers) && headers.length <= limits.headers && headers.every(isPair);
}

function isPair(pair: unknown): pair is readonly [string, string] {
  return (
    Array.isArray(pair) && pair.length === 2 && typeof pair[0] === "string" && typeof pair[1] === "string"
  );
}

function isBodyKind(body: unknown): body is BodyKind {
  return body === "none" || body === "whole" || body === "stream";
}
