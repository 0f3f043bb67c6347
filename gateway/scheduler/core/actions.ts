/** What the scheduler has done. Actions are to be carried out in their order. */

export type SchedulerAction =
  /**
   * Run these requests of one function there as one. Its weights are there, on their way, or, where `isCold`, to be
   * brought in; what made room for them was evicted before.
   */
  | {
      readonly type: "run";
      readonly run: number;
      readonly device: string;
      readonly function: string;
      readonly requests: readonly number[];
      readonly isCold: boolean;
      /** Point in time by which it should be done, for the device's own order; undefined where nobody hurries. */
      readonly due: number | undefined;
      /** Part of the device that it may fill, above 0, at most 1; undefined where it may fill all. */
      readonly share: number | undefined;
    }
  /** Bring weights in ahead of requests. */
  | { readonly type: "load"; readonly device: string; readonly function: string }
  | { readonly type: "evict"; readonly device: string; readonly function: string; readonly reason: string }
  | {
      readonly type: "reject";
      readonly request: number;
      readonly cause: RejectCause;
      /** For people: whole sentence without the end mark. */
      readonly reason: string;
    }
  /** Send a `tick` then, unless an earlier wake is pending. */
  | { readonly type: "wake"; readonly at: number };

export type RejectCause =
  /** It cannot be in time, and its caller asked to be told. */
  | "late"
  /** No device can hold it. */
  | "too-large"
  /** Its function was removed. */
  | "removed"
  /** There is no such function. */
  | "unknown"
  /** Too many wait. */
  | "queue-full";
