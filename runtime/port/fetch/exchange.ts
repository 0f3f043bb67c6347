/**
 * What a FetchPeer gives to the requests that are under way, and what it asks of them: an exchange is one request with
 * its response. outgoing-call.ts is its calling side, served-request.ts its answering side.
 */
import { DawnletError, type ErrorRecord } from "../../../kernels/errors.ts";
import type { FetchLimits } from "./fetch-limits.ts";
import type { SendEntry } from "./fetch-messages.ts";
import type { OutflowGate } from "./outflow-gate.ts";

export interface ExchangeHost {
  readonly limits: FetchLimits;
  readonly gate: OutflowGate;
  readonly send: SendEntry;
  /** An error that the other side sent. */
  readonly errorOf: (record: ErrorRecord) => DawnletError;
  /** The exchange is over: nothing that comes for it matters any more. */
  ended(): void;
}

/** What comes from the other side. Those that return a boolean return false where it breaks the protocol. */
export interface Exchange {
  data(bytes: Uint8Array, isAlone: boolean): boolean;
  end(): boolean;
  credit(bytes: number): boolean;
  aborted(error: ErrorRecord): void;
  /** The Port has closed, or does not take the head. */
  fail(error: DawnletError): void;
}

/** What a body's source hears whose reader gave up for `reason`. */
export function readerGaveUp(reason: unknown): DawnletError {
  if (reason instanceof DawnletError) return reason;
  const why =
    reason instanceof Error ? `: ${reason.message}` : typeof reason === "string" ? `: ${reason}` : "";
  return new DawnletError("CANCELLED", `Cannot send the rest of the body as its reader gave up${why}`);
}
