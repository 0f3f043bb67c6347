/** A call on its way to a device: prepared, and what its caller wants of the scheduler. */
import type { OwnedProgram } from "../devices/owner.ts";
import type { PreparedProgram } from "../functions/prepared-call.ts";

export interface CallWishes {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from its arrival to its answer; left out: as its function says. */
  readonly deadlineMs?: number | undefined;
  /** Its caller would rather be told at once that it will be late. */
  readonly refuseLate?: boolean | undefined;
  /** Asked when its turn has come: why it is not to run any more, or undefined. */
  readonly refusal?: (() => unknown) | undefined;
}

export interface DispatchedCall extends CallWishes {
  readonly prepared: PreparedProgram;
  /** Makes a Program that runs several of its calls one of its function's. */
  readonly own: (program: OwnedProgram) => void;
}
