/** A device as the dispatcher commands it, whatever it is. What happens there it tells the dispatcher. */
import type { DeviceRunOptions } from "../../runtime/supervisor/device-process-options.ts";
import type { ManagedRun } from "../devices/managed-runs.ts";
import type { DeviceSpec } from "../scheduler/core/specs.ts";
import type { DispatchedCall } from "./dispatched-call.ts";
import type { Unit } from "./scheduled-units.ts";

export interface ScheduledDevice {
  readonly id: string;
  /** Runs begin at once. */
  readonly isUp: boolean;
  /** As it is now. */
  readonly spec: DeviceSpec;
  /** Whether it can run calls of this unit, as far as it knows. */
  takes(unit: Unit): boolean;
  /**
   * Runs calls of one unit, which may go as one. What is not there is brought in.
   * @returns for each call, in their order, what it would have got from a run of its own, or an error that is the
   * caller's; RefusedHere where it is not.
   */
  run(
    unit: Unit,
    calls: readonly DispatchedCall[],
    options: DeviceRunOptions,
  ): readonly Promise<ManagedRun>[];
  /** Brings it in ahead of runs. Does nothing where it is there. @throws DawnletError */
  load(unit: Unit): Promise<void>;
  /** Has it leave, unless it is in use. @param reason for people. */
  evict(unit: Unit, reason: string): void;
  /** Its function does without it. */
  forget(unit: Unit): void;
  /** Whether it is there, or on its way. */
  holds(unit: Unit): boolean;
  /** Whether it is to stay there for good. */
  pins(unit: Unit): boolean;
  /** Milliseconds that a run of a Program took in an earlier life; undefined where nothing is known. */
  executeMs(program: string): number | undefined;
}

/** A device did not run a call that another may run: its caller is not to hear of it. */
export class RefusedHere extends Error {
  override readonly name = "RefusedHere";

  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}
