/**
 * One request and its answer, as far as log, headers and metrics want to know it. Handlers fill in which
 * version they called and where the time went; the endpoint wrapper reads it at the end.
 */
import { DawnletError, type ErrorCode } from "../../kernels/errors.ts";
import type { Caller } from "../functions/caller.ts";
import type { FunctionVersion, HopTimings } from "../functions/functions.ts";
import type { BodyBudget } from "./body-budget.ts";
import type { StallWatch } from "./stall-watch.ts";

/** What the bodies of all requests have in common. */
export interface BodyIntake {
  readonly budget: BodyBudget;
  readonly stalls: StallWatch;
}

export class Exchange {
  /** From the client's `x-request-id` where that is usable, otherwise new. */
  readonly requestId: string;
  /** Milliseconds of `performance.now()`. */
  readonly startedAtMs: number;
  /** Set once access is checked; stays undefined on paths that are open. */
  caller: Caller | undefined = undefined;
  /** Set once a call is known to be for a deployed version. */
  version: FunctionVersion | undefined = undefined;
  /** Set when the call succeeded. */
  timings: HopTimings | undefined = undefined;
  /** Set where a device has computed the answer. */
  device: string | undefined = undefined;
  /** Set where an error may leave a part of the body unread: the connection cannot carry another request then. */
  closesOnError = false;
  /** Set when the answer is an error. */
  errorCode: ErrorCode | undefined = undefined;
  /** Set where the answer begins before the work is done: who does it releases the body. */
  worksPastAnswer = false;
  readonly intake: BodyIntake;
  readonly #observer: CallObserver;
  #heldBytes = 0;
  #isReleased = false;

  constructor(clientId: string | null, observer: CallObserver, intake: BodyIntake) {
    this.intake = intake;
    this.requestId = clientId !== null && isRequestId(clientId) ? clientId : crypto.randomUUID();
    this.startedAtMs = performance.now();
    this.#observer = observer;
  }

  /** From here on this exchange counts as a call of `version`. */
  beginCall(version: FunctionVersion): void {
    this.version = version;
    this.#observer.callStarted(version);
  }

  /** Counts bytes of its body, which are in memory until `release`. @throws DawnletError QUEUE_FULL */
  hold(sizeBytes: number): void {
    if (this.#isReleased)
      throw new DawnletError("CANCELLED", "Cannot read the body as the request has been answered");
    this.intake.budget.take(this.caller, sizeBytes);
    this.#heldBytes += sizeBytes;
  }

  /** Gives back what it holds, once nobody needs its body any more. */
  release(): void {
    this.#isReleased = true;
    if (this.#heldBytes > 0) this.intake.budget.giveBack(this.caller, this.#heldBytes);
    this.#heldBytes = 0;
  }
}

/** A call that was answered, successfully or not. */
export interface FinishedCall {
  readonly version: FunctionVersion;
  readonly status: number;
  readonly errorCode: ErrorCode | undefined;
  /** From the request's arrival to its answer, in milliseconds. */
  readonly totalMs: number;
  readonly timings: HopTimings | undefined;
}

/** Counts calls: statistics, metrics. Every `callStarted` is followed by one `callFinished`. */
export interface CallObserver {
  callStarted(version: FunctionVersion): void;
  callFinished(call: FinishedCall): void;
}

/** Visible ASCII of moderate length: it goes into headers and logs as it is. */
function isRequestId(text: string): boolean {
  return /^[!-~]{1,128}$/.test(text);
}
