/**
 * What decides who leaves a device: its weights are a cache of those in host memory, and when a function must
 * come in and there is no room, a policy says who goes. Types, and what several policies ask of a resident.
 * Nothing here has a clock or does anything: order.ts ranks, victims.ts chooses, the device process evicts.
 */

/** What a policy may know about a function (or variant) whose weights are on a device, as of one moment. */
export interface Resident {
  readonly id: string;
  /** Bytes that only this one holds on this device: free as soon as it goes. */
  readonly bytes: number;
  /** Weights that it holds together with others, each digest once: free when the last holder goes. */
  readonly shared?: readonly SharedBytes[];
  /** When a call of it last began or ended here; anything before `loadedAtMs` where none has since. */
  readonly lastUsedMs: number;
  readonly loadedAtMs: number;
  /** Calls since it was deployed. */
  readonly uses: number;
  /** Estimate as of now, see use-rate.ts. */
  readonly usesPerSecond: number;
  /** Estimate of the time to swap it in again, measured. */
  readonly loadMs: number;
  /** Loads of all on the way by which it comes in, of late; left out where nobody counts them. */
  readonly busLoadsPerSecond?: number;
  /** True where its calls would be noticeably later for a swap-in: what execution does not hide is not small. */
  readonly isHeavy: boolean;
  /** True where no other device holds it. */
  readonly isSoleCopy: boolean;
  /** Whose it is. */
  readonly tenant: string;
  /** 0 unless somebody chose otherwise; of one tenant's, higher ones stay longer. */
  readonly priority: number;
  /** Never evicted. */
  readonly isPinned: boolean;
  /** A load, a run or a copy is using it: not evicted now. */
  readonly isLeased: boolean;
  /** End of its keepAlive; undefined where it has none. */
  readonly keepUntilMs: number | undefined;
}

/** Weights that several residents hold. Blobs with the same holders may be stated as one. */
export interface SharedBytes {
  readonly digest: string;
  readonly bytes: number;
  /** How many hold it on this device, whoever states it included. */
  readonly holders: number;
}

export interface EvictionPolicy {
  readonly name: string;
  /**
   * What the resident is ranked by: the smallest goes first. Compared element by element; never NaN, and as long
   * for every resident. Depends on nothing but the arguments.
   */
  key(resident: Resident, nowMs: number): readonly number[];
  /** Why it goes, in words, without an end mark: `least recently used: idle for 41.2 s`. */
  explain(resident: Resident, nowMs: number): string;
}

/** When it was last of use. One that was loaded ahead of its first call is as recent as its load. */
export function lastTouchedMs({ lastUsedMs, loadedAtMs }: Resident): number {
  return Math.max(lastUsedMs, loadedAtMs);
}

/** Bytes that it answers for: its own and an equal part of what it shares. Summed over all, what they occupy. */
export function heldBytes({ bytes, shared = [] }: Resident): number {
  return shared.reduce((sum, part) => sum + part.bytes / part.holders, bytes);
}

/** True while a keepAlive runs. It ends at `keepUntilMs`, not after it. */
export function isKeptAlive({ keepUntilMs }: Resident, nowMs: number): boolean {
  return keepUntilMs !== undefined && keepUntilMs > nowMs;
}

/** False while nothing may evict it. */
export function mayGo({ isPinned, isLeased }: Resident): boolean {
  return !isPinned && !isLeased;
}
