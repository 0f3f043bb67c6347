/**
 * What the scheduler is told of functions, devices and requests: plain data, which an event log holds as it is. Times
 * are milliseconds on the clock of whoever sends the events, sizes are bytes.
 */

/** What is loaded, run and evicted as one: a version of a function. */
export interface FunctionSpec {
  readonly id: string;
  /** Fairness is between tenants. */
  readonly tenant: string;
  /** Share of the devices among tenants that all want more; 1 where left out. */
  readonly tenantWeight?: number;
  /** What its weights take on a device, rounded up as the device does. */
  readonly weightBytes: number;
  /** From arrival to answer, for requests that state none. Left out: as soon as can be. */
  readonly deadlineMs?: number;
  /** Rows that may run as one. Left out: 1. */
  readonly batchLimit?: number;
  /** Shares of each device's time: what it can count on, and what it may take. */
  readonly quota?: Quota;
  /** Part of a device that one run of it fills, 0 to 1: several run side by side where all fit. Left out: 1. */
  readonly occupancy?: number;
  /** Devices that cut long runs can let others in between its steps. Left out: no. */
  readonly isDivisible?: boolean;
  /** Of starting a process of its own before its weights come in, under policies that do so. Left out: 0. */
  readonly coldStartMs?: number;
  /** Never evicted. */
  readonly isPinned?: boolean;
  /** So long after its last use it is evicted only where nothing else makes room. */
  readonly keepAliveMs?: number;
  /** Of one tenant's functions, those of lower priority are evicted first. */
  readonly priority?: number;
  /** Devices on which it cannot run, by class. */
  readonly refusedBy?: readonly string[];
  /** What a profile or an earlier life measured. */
  readonly known?: readonly KnownTime[];
}

export interface Quota {
  /** Before others where it had less than this. */
  readonly request: number;
  /** It waits where it had more. */
  readonly limit: number;
}

export interface KnownTime {
  /** Of devices, see DeviceSpec. */
  readonly class: string;
  readonly batch: number;
  readonly runMs: number;
}

export interface DeviceSpec {
  readonly id: string;
  /** Devices of one class take equally long for the same: the adapter, say. */
  readonly class: string;
  readonly node: string;
  /** Devices on one bus share its bandwidth to host memory. */
  readonly bus: string;
  /** For weights. */
  readonly budgetBytes: number;
  /** To begin with; loads that are reported correct it. */
  readonly loadBytesPerMs: number;
  /** Of each load, however small. */
  readonly loadFixedMs?: number;
  /** Of the budget, taken by each function that is there, beside its weights. Left out: 0. */
  readonly fixedBytes?: number;
  /**
   * Work that it should have before it, so that it never waits for more, and can do small runs together. It has an order
   * of its own for them. Left out: none, one run at a time or as many as fit side by side.
   */
  readonly aheadMs?: number;
  /**
   * Whether weights come in beside what it computes, which is not the slower for it. Left out: yes. On software devices the
   * same processors copy and compute.
   */
  readonly hasCopyEngine?: boolean;
  /** Runs that take longer, of functions that are divisible, it cuts, and lets others in between. Left out: none. */
  readonly cutsFromMs?: number;
}

/** One call. */
export interface RequestSpec {
  /** Higher than those before it. */
  readonly id: number;
  readonly function: string;
  /** Point in time; left out: as its function says. */
  readonly deadline?: number;
  /** Its caller would rather be told at once that it will be late. */
  readonly refuseLate?: boolean;
  /** Left out: 1. */
  readonly rows?: number;
  /** Requests of one function run together where they have this and it is equal. */
  readonly batchKey?: string;
  /** Where its inputs lie: it can run nowhere else. */
  readonly device?: string;
}
