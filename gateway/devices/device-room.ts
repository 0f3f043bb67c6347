/**
 * Does what residency.ts decides: sends evictions, lets those in that have waited, refuses those for which there is no
 * room. It runs nothing.
 */
import { getLogger } from "@logtape/logtape";
import type { DawnletError } from "../../kernels/errors.ts";
import { abortError } from "../../runtime/port/abort-error.ts";
import type { DeviceProcess } from "../../runtime/supervisor/device-process.ts";
import type { Party } from "../scheduler/core/waiting-shares.ts";
import type { Eviction } from "../scheduler/eviction/victims.ts";
import { type EvictionEntry, EvictionLog } from "./eviction-log.ts";
import type { ProgramOwners } from "./program-owners.ts";
import type { Residency } from "./residency.ts";

/** Who waits for room. */
export interface Waiter {
  readonly start: () => void;
  readonly refuse: (error: DawnletError) => void;
}

export interface DeviceRoomOptions {
  readonly device: Pick<DeviceProcess, "evict" | "unload">;
  readonly residency: Residency<Waiter>;
  readonly owners: ProgramOwners;
  /** Milliseconds. */
  readonly now: () => number;
  /** Told once all that is to go has been sent. */
  readonly onEvicted?: (id: string, reason: EvictionReason) => void;
}

/** Why the weights of a Program have left; for `commanded` see ManagedDevice.evict. */
export type EvictionReason =
  | Eviction["cause"]
  | "commanded"
  /** A run or load of it failed while they came in. */
  | "failed"
  /** Nobody owns the Program any more. */
  | "removed"
  /** The device process ended. */
  | "lost";

const log = getLogger(["dawnlet", "memory"]);

export class DeviceRoom {
  readonly evictions = new EvictionLog();
  readonly #device: DeviceRoomOptions["device"];
  readonly #residency: Residency<Waiter>;
  readonly #owners: ProgramOwners;
  readonly #now: () => number;
  readonly #onEvicted: (id: string, reason: EvictionReason) => void;

  constructor({ device, residency, owners, now, onEvicted = () => {} }: DeviceRoomOptions) {
    this.#onEvicted = onEvicted;
    this.#device = device;
    this.#residency = residency;
    this.#owners = owners;
    this.#now = now;
  }

  /**
   * Takes a lease on a Program that is registered, and evicts for it.
   * @param party whose the run is.
   * @param signal ends the wait.
   * @returns undefined where it may run at once: what is sent in this turn travels with the evictions.
   * @throws DawnletError OUT_OF_MEMORY, QUEUE_FULL; rejects with what the signal says as well.
   */
  admit(
    id: string,
    party: Party,
    signal: AbortSignal | undefined,
    extraBytes: number,
  ): Promise<void> | undefined {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { start: resolve, refuse: reject };
    const admission = this.#residency.admit(id, this.#now(), waiter, extraBytes, party);
    switch (admission.type) {
      case "run":
        this.evict(admission.evict);
        return undefined;
      case "refuse":
        throw admission.error;
      case "wait":
        if (admission.displaced !== undefined) {
          admission.displaced.waiter.refuse(admission.displaced.error);
          // Others may need less than it did.
          this.advance();
        }
        return signal === undefined ? promise : this.#orAborted(promise, waiter, signal);
      default:
        return admission satisfies never;
    }
  }

  /** Something has changed: those that waited and have room now go. */
  advance(): void {
    const { evict, turns } = this.#residency.advance(this.#now());
    this.evict(evict);
    for (const { waiter, admission } of turns) {
      if (admission.type === "run") {
        this.evict(admission.evict);
        waiter.start();
      } else waiter.refuse(admission.error);
    }
  }

  evict(evictions: readonly Eviction[]): void {
    for (const eviction of evictions) {
      this.#log(eviction.id, eviction);
      this.#sendEvict(eviction.id);
    }
    for (const { id, cause } of evictions) this.#onEvicted(id, cause);
  }

  /** Has a Program go that is there and neither in use nor pinned. @returns false where it is not, or may not. */
  evictOne(id: string, reason = "the scheduler needs its room for others"): boolean {
    if (!this.#residency.evict(id)) return false;
    const eviction = { cause: "commanded", reason } as const;
    this.#log(id, eviction);
    this.#sendEvict(id);
    this.#onEvicted(id, "commanded");
    this.advance();
    return true;
  }

  /** A run or load of a leased Program has failed. */
  failed(id: string): void {
    if (this.#residency.failed(id).mustEvict) {
      this.#sendEvict(id);
      this.#onEvicted(id, "failed");
    }
    this.advance();
  }

  /** Nobody owns the Program any more. It leaves once its runs are done: to be called again then. */
  async forget(id: string): Promise<void> {
    const wasOn = this.#residency.get(id)?.isOn === true;
    if (!this.#residency.forget(id)) return;
    if (wasOn) this.#onEvicted(id, "removed");
    this.advance();
    await this.#device.unload(id);
  }

  async #orAborted(promise: Promise<void>, waiter: Waiter, signal: AbortSignal): Promise<void> {
    const abort = () => {
      this.#residency.cancel(waiter);
      waiter.refuse(abortError(signal, "waiting for room on the device"));
      this.advance();
    };
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  #log(id: string, eviction: EvictionEntry["eviction"]): void {
    const residence = this.#residency.get(id)!;
    this.evictions.add({ eviction, residence, owner: this.#owners.of(id)[0] });
    const { label: name, sizeBytes: bytes } = residence;
    log.debug("evicted {name}: {reason}", { name, bytes, ...eviction });
  }

  #sendEvict(id: string): void {
    // A device that is gone holds nothing.
    this.#device.evict(id).catch((error: unknown) => log.debug("eviction of {id}: {error}", { id, error }));
  }
}
