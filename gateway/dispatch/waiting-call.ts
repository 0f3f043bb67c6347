/** A call that the dispatcher has told the scheduler of, and who is to hear what became of it. */
import type { ManagedRun } from "../devices/managed-runs.ts";
import type { DispatchedCall } from "./dispatched-call.ts";
import type { Unit } from "./scheduled-units.ts";

export interface Waiting {
  readonly call: DispatchedCall;
  readonly unit: Unit;
  readonly arrivedAt: number;
  readonly resolve: (run: ManagedRun) => void;
  readonly reject: (error: unknown) => void;
  isSettled: boolean;
}

/** A call that was given up has its answer already. */
export function settle(waiting: Waiting, answer: () => void): void {
  if (waiting.isSettled) return;
  waiting.isSettled = true;
  answer();
}
