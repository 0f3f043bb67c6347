/** One Program as the residency of a device sees it: where its weights are, who uses them, what is known of it. */
import type { Resident } from "../scheduler/eviction/policy.ts";
import { neverUsed, type UseRate, usesPerSecond, withUse } from "../scheduler/eviction/use-rate.ts";
import type { Estimate } from "./estimates.ts";
import type { HeldParts, HeldWeights, Weight } from "./held-weights.ts";

/** What its owners ask for; see `MemorySettings`. */
export interface ResidenceSettings {
  readonly isPinned: boolean;
  /** Undefined: no end. */
  readonly keepAliveMs: number | undefined;
  /** Whose it is; of several, their names. */
  readonly tenant: string;
  readonly priority: number;
}

/** A swap-in whose wait exceeds its run by this much makes its function's calls noticeably later. */
const heavyMs = 10;
/** Uses within this time are counted as one moment: a rate's half-life is a hundred times as long. */
const foldMs = 1_000;

export class Residence {
  readonly id: string;
  /** For people: the function's name. */
  readonly label: string;
  readonly weights: readonly Weight[];
  readonly sizeBytes: number;
  /** From before a restart too, and from other devices on the adapter. */
  estimate: Estimate;
  settings: ResidenceSettings;
  /** Its bytes are counted unless it is absent. */
  state: "absent" | "loading" | "resident" = "absent";
  /** Runs and loads in flight. */
  leases = 0;
  /** Somebody waits for its memory: new runs queue behind them. */
  isDraining = false;
  /** The device has its pipelines. */
  isKnown = false;
  loadedAtMs = -1;
  lastUsedMs = -1;
  uses = 0;
  swapIns = 0;
  #rate: UseRate = neverUsed();
  #unfolded = 0;
  #parts: HeldParts | undefined;
  #partsVersion = -1;

  constructor(
    id: string,
    label: string,
    weights: readonly Weight[],
    settings: ResidenceSettings,
    estimate: Estimate,
  ) {
    this.id = id;
    this.label = label;
    this.weights = weights;
    this.sizeBytes = weights.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    this.settings = settings;
    this.estimate = estimate;
  }

  get isOn(): boolean {
    return this.state !== "absent";
  }

  /** End of its keepAlive; undefined where it has none. */
  get keepUntilMs(): number | undefined {
    const { keepAliveMs } = this.settings;
    return keepAliveMs === undefined ? undefined : Math.max(this.lastUsedMs, this.loadedAtMs) + keepAliveMs;
  }

  used(now: number): void {
    this.lastUsedMs = now;
    this.uses++;
    this.#unfolded++;
    if (now - this.#rate.atMs > foldMs) this.#fold(now);
  }

  usesPerSecond(now: number): number {
    this.#fold(now);
    return usesPerSecond(this.#rate, now);
  }

  /** What a policy sees. @param guessedLoadMs where its loading was not measured. */
  resident(held: HeldWeights, now: number, guessedLoadMs: number, isLeased: boolean): Resident {
    if (this.#partsVersion !== held.sharingVersion || this.#parts === undefined) {
      this.#parts = held.parts(this.weights);
      this.#partsVersion = held.sharingVersion;
    }
    const { loadMs = guessedLoadMs, executeMs = 0 } = this.estimate;
    return {
      id: this.id,
      bytes: this.#parts.bytes,
      shared: this.#parts.shared,
      lastUsedMs: this.lastUsedMs,
      loadedAtMs: this.loadedAtMs,
      uses: this.uses,
      usesPerSecond: this.usesPerSecond(now),
      loadMs,
      isHeavy: loadMs - executeMs > heavyMs,
      isSoleCopy: true,
      tenant: this.settings.tenant,
      priority: this.settings.priority,
      isPinned: this.settings.isPinned,
      isLeased,
      keepUntilMs: this.keepUntilMs,
    };
  }

  /** Its bytes are not counted any more, or again: the parts of others may differ. */
  forgetParts(): void {
    this.#parts = undefined;
  }

  #fold(now: number): void {
    if (this.#unfolded === 0) return;
    this.#rate = withUse(this.#rate, now, this.#unfolded);
    this.#unfolded = 0;
  }
}
