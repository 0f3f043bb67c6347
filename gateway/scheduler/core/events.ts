/** What the scheduler hears. A log of these, with their times, replays a scheduler from its beginning. */
import type { DeviceSpec, FunctionSpec, RequestSpec } from "./specs.ts";

export type SchedulerEvent =
  /** Deployed, or changed. */
  | { readonly type: "function"; readonly function: FunctionSpec }
  /** Removed: what waits for it is rejected, what runs ends. */
  | { readonly type: "function-removed"; readonly function: string }
  /** Ready, with nothing loaded: for the first time or again. */
  | { readonly type: "device-up"; readonly device: DeviceSpec }
  /** What was loaded there is gone. Its runs end, or fail, in events of their own. */
  | { readonly type: "device-down"; readonly device: string }
  /** What weights may take there has changed. */
  | { readonly type: "budget"; readonly device: string; readonly bytes: number }
  | { readonly type: "arrival"; readonly request: RequestSpec }
  /** Nobody waits for it any more. One that runs goes on. */
  | { readonly type: "cancelled"; readonly request: number }
  /** Weights have come in, for a run, a load or somebody else. `loadMs`: how long that took, where it was measured. */
  | { readonly type: "loaded"; readonly device: string; readonly function: string; readonly loadMs?: number }
  /** Weights are there, whoever had them brought in; not noted where the budget has no room for them. */
  | { readonly type: "resident"; readonly device: string; readonly function: string }
  | { readonly type: "load-failed"; readonly device: string; readonly function: string }
  /** Weights have left for a reason of the device. */
  | { readonly type: "evicted"; readonly device: string; readonly function: string }
  /** Weights are to be there ahead of calls, as far as that takes nothing from others: nobody leaves for them. */
  | { readonly type: "wanted"; readonly device: string; readonly function: string }
  /** Weights need not stay there: they leave, unless they are pinned, in use or waited for. */
  | { readonly type: "unwanted"; readonly device: string; readonly function: string; readonly reason: string }
  /** `runMs`: on the device, without waiting and loading. */
  | { readonly type: "ended"; readonly run: number; readonly runMs: number }
  /** Its requests wait again where `isRetried`: the device was lost and they were not at fault. */
  | { readonly type: "failed"; readonly run: number; readonly isRetried: boolean }
  /** The time of an earlier `wake`. */
  | { readonly type: "tick" };
