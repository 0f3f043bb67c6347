/**
 * Which Programs have their weights on a device, and who waits for room: a state machine without clock, I/O or
 * promises. managed-device.ts tells it what happens and does what it says.
 *
 * A run holds a lease on its Program from its admission to its end, and what is leased is never evicted. Counted
 * bytes never exceed the budget. Where everything that could go is leased, runs wait in one queue, first come first
 * served: the policy chooses who is to go for the first of them, and new runs of those queue behind it, so that
 * it waits for runs that are under way and for no others.
 */

import { type Party, WaitingShares } from "../scheduler/core/waiting-shares.ts";
import { expired } from "../scheduler/eviction/expired.ts";
import type { EvictionPolicy } from "../scheduler/eviction/policy.ts";
import type { Eviction } from "../scheduler/eviction/victims.ts";
import {
  type Admission,
  type Advance,
  madeWay,
  noRoom,
  queueFull,
  type Turn,
  tooLarge,
} from "./admission.ts";
import { Estimates } from "./estimates.ts";
import { HeldWeights, type Weight } from "./held-weights.ts";
import { Residence, type ResidenceSettings } from "./residence.ts";
import { isLeased, VictimSearch } from "./victim-search.ts";

export interface ResidencyOptions {
  readonly policy: EvictionPolicy;
  /** For weights. */
  readonly budgetBytes: number;
  /** Of weights in the device's slabs. */
  readonly alignment?: number;
  /** Runs that may wait for room; tenants share the places (waiting-shares.ts). */
  readonly queueLimit?: number;
  /** Left out: nothing is known yet. */
  readonly estimates?: Estimates;
}

interface Waiting<W> {
  readonly residence: Residence;
  readonly extraBytes: number;
  readonly waiter: W;
}

const nothing: readonly Eviction[] = [];
const runNow: Admission<never> = { type: "run", evict: nothing };
const wait: Admission<never> = { type: "wait" };
const operator: Party = { tenant: "" };

export class Residency<W> {
  readonly #queueLimit: number;
  readonly #held: HeldWeights;
  readonly #estimates: Estimates;
  readonly #search: VictimSearch;
  readonly #residences = new Map<string, Residence>();
  readonly #queue: Waiting<W>[] = [];
  /** What is in the queue, by tenant. */
  readonly #places = new WaitingShares<W>();
  /** Who is to go for the first of the queue. */
  readonly #draining = new Set<Residence>();
  /** What the budget should be; the one in force is larger while leased weights are. */
  #targetBytes: number;
  #budgetBytes: number;
  #swapIns = 0;
  #swapInBytes = 0;

  constructor(options: ResidencyOptions) {
    const { policy, budgetBytes, alignment = 256, queueLimit = 1024, estimates = new Estimates() } = options;
    this.#queueLimit = queueLimit;
    this.#held = new HeldWeights(alignment);
    this.#estimates = estimates;
    this.#search = new VictimSearch({ policy, held: this.#held, residences: this.#residences, estimates });
    this.#targetBytes = budgetBytes;
    this.#budgetBytes = budgetBytes;
  }

  get usedBytes(): number {
    return this.#held.usedBytes;
  }

  get budgetBytes(): number {
    return this.#budgetBytes;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** Bytes a millisecond of swap-ins; undefined before the first. */
  get bytesPerMs(): number | undefined {
    return this.#estimates.bytesPerMs;
  }

  /** Loads of weights that were not there, since the start. */
  get swapIns(): { readonly count: number; readonly bytes: number } {
    return { count: this.#swapIns, bytes: this.#swapInBytes };
  }

  /** All Programs that it knows. Not to be changed. */
  get residences(): Iterable<Readonly<Residence>> {
    return this.#residences.values();
  }

  get(id: string): Readonly<Residence> | undefined {
    return this.#residences.get(id);
  }

  /** Makes a Program known. Another time it only takes the settings. */
  register(id: string, label: string, weights: readonly Weight[], settings: ResidenceSettings): void {
    const residence = this.#residences.get(id);
    if (residence !== undefined) {
      this.configure(id, settings);
      return;
    }
    const counted = this.#held.counted(weights);
    this.#residences.set(id, new Residence(id, label, counted, settings, this.#estimates.of(id)));
  }

  /** `advance` may have something to do afterwards. */
  configure(id: string, settings: ResidenceSettings): void {
    this.#residences.get(id)!.settings = settings;
  }

  /** Admits a run of a Program that is there. @returns false where `admit` must be asked. */
  lease(id: string, now: number): boolean {
    const residence = this.#residences.get(id);
    if (residence === undefined || !residence.isOn || residence.isDraining) return false;
    residence.leases++;
    residence.used(now);
    return true;
  }

  /**
   * Admits a run of a registered Program, or says why not yet.
   * @param waiter what `advance` names where it must wait; not one that waits already.
   * @param extraBytes to evict beyond what is missing by our count, or all there is: the device had no room though we
   *   saw some.
   * @param party whose the run is.
   */
  admit(id: string, now: number, waiter: W, extraBytes = 0, party = operator): Admission<W> {
    if (extraBytes === 0 && this.lease(id, now)) return runNow;
    const residence = this.#residences.get(id)!;
    if (residence.sizeBytes > this.#targetBytes) return tooLarge(residence, this.#targetBytes);
    if (this.#queue.length === 0 || residence.sizeBytes + extraBytes === 0) {
      const evict = this.#place(residence, extraBytes, now);
      if (evict !== undefined) return { type: "run", evict };
    }
    if (!this.#canEverPlace(residence, extraBytes, now))
      return noRoom(residence, this.#targetBytes, this.residences);
    const { length } = this.#queue;
    if (length < this.#queueLimit) {
      this.#enqueue({ residence, extraBytes, waiter }, party, now);
      return wait;
    }
    const displaced = this.#places.displacedBy(party, this.#queueLimit);
    if (displaced === undefined) return queueFull(length);
    this.cancel(displaced);
    this.#enqueue({ residence, extraBytes, waiter }, party, now);
    return { type: "wait", displaced: { waiter: displaced, error: madeWay(length) } };
  }

  /** Takes a waiting run out of the queue. `advance` may have something to do afterwards. */
  cancel(waiter: W): void {
    const index = this.#queue.findIndex((one) => one.waiter === waiter);
    if (index < 0) return;
    this.#queue.splice(index, 1);
    this.#places.remove(waiter);
    if (index === 0) this.#stopDraining();
  }

  /**
   * Weights have come in, for a run or a load that may go on.
   * @param loadMs what that took, in milliseconds; 0 where it is not known.
   * @returns false where nobody waited for them.
   */
  arrived(id: string, now: number, loadMs: number): boolean {
    const residence = this.#residences.get(id);
    if (residence?.state !== "loading") return false;
    residence.state = "resident";
    residence.loadedAtMs = now;
    if (residence.sizeBytes > 0) {
      residence.swapIns++;
      this.#swapIns++;
      this.#swapInBytes += residence.sizeBytes;
    }
    // The first load makes pipelines too: the ones after it are what a swap-in costs.
    if (residence.isKnown && loadMs > 0 && residence.sizeBytes > 0)
      this.#estimates.swappedIn(residence.estimate, residence.sizeBytes, loadMs);
    residence.estimate = this.#estimates.loaded(residence.id, residence.estimate);
    residence.isKnown = true;
    return true;
  }

  /**
   * A run, or a load, ended well, and its weights are there.
   * @param executeMs milliseconds; 0 where it is not known.
   * @returns true where `advance` may have something to do.
   */
  ran(id: string, executeMs: number): boolean {
    const residence = this.#residences.get(id)!;
    if (executeMs > 0) residence.estimate.executed(executeMs);
    return this.#left(residence);
  }

  /**
   * A run failed. Where its weights were coming in it is not known whether they are there: they are to be evicted.
   * `advance` may have something to do afterwards.
   */
  failed(id: string): { readonly mustEvict: boolean } {
    const residence = this.#residences.get(id)!;
    this.#left(residence);
    const mustEvict = residence.state === "loading" && residence.leases === 0;
    if (mustEvict) this.#remove(residence);
    return { mustEvict };
  }

  /** Whose turn has come; each of them is leased. Goes below the budget first, where that was lowered. */
  advance(now: number): Advance<W> {
    const evict = this.#budgetBytes > this.#targetBytes ? this.#shrink(now) : nothing;
    const turns: Turn<W>[] = [];
    for (let head = this.#queue[0]; head !== undefined; head = this.#queue[0]) {
      const admission = this.#admitHead(head, now);
      if (admission === undefined) break;
      this.#queue.shift();
      this.#places.remove(head.waiter);
      this.#stopDraining();
      turns.push({ waiter: head.waiter, admission });
      if (admission.type === "run") this.#admitOthersOf(head.residence, now, turns);
    }
    return { evict, turns };
  }

  /** Programs past their keepAlive; they count as evicted. `advance` may have something to do afterwards. */
  expire(now: number): readonly Eviction[] {
    const evictions = expired(this.#search.candidates(now, isLeased), now);
    for (const { id } of evictions) this.#remove(this.#residences.get(id)!);
    return evictions;
  }

  /** A Program goes because somebody says so. @returns false, and it stays, where it is not there, leased or pinned. */
  evict(id: string): boolean {
    const residence = this.#residences.get(id);
    if (residence?.state !== "resident" || residence.leases > 0 || residence.settings.isPinned) return false;
    this.#remove(residence);
    return true;
  }

  /** When `expire` is next of use; undefined where nothing has a keepAlive. */
  nextExpiryMs(): number | undefined {
    let next: number | undefined;
    for (const residence of this.#residences.values()) {
      const { keepUntilMs } = residence;
      if (residence.state !== "resident" || residence.settings.isPinned || keepUntilMs === undefined)
        continue;
      if (next === undefined || keepUntilMs < next) next = keepUntilMs;
    }
    return next;
  }

  /** Sets what weights may take. Beyond what can go now it falls as leases end. */
  setBudget(bytes: number, now: number): readonly Eviction[] {
    this.#targetBytes = bytes;
    return this.#shrink(now);
  }

  /** Forgets a Program that is neither leased nor waited for. @returns false where it is. */
  forget(id: string): boolean {
    const residence = this.#residences.get(id);
    if (residence === undefined) return true;
    if (residence.leases > 0 || this.#queue.some((one) => one.residence === residence)) return false;
    if (residence.isDraining) this.#stopDraining();
    if (residence.isOn) this.#remove(residence);
    this.#residences.delete(id);
    return true;
  }

  /** The device lost all it held. What is leased is being run again and comes in anew. @returns what was there. */
  restarted(): readonly string[] {
    const lost: string[] = [];
    for (const residence of this.#residences.values()) {
      residence.isKnown = false;
      if (!residence.isOn) continue;
      if (residence.state === "resident") lost.push(residence.id);
      if (residence.leases > 0) residence.state = "loading";
      else this.#remove(residence);
    }
    return lost;
  }

  #enqueue(waiting: Waiting<W>, party: Party, now: number): void {
    this.#queue.push(waiting);
    this.#places.add(waiting.waiter, party);
    if (this.#queue.length === 1) this.#drainFor(waiting, now);
  }

  #left(residence: Residence): boolean {
    residence.leases--;
    return residence.leases === 0 && (this.#queue.length > 0 || this.#budgetBytes > this.#targetBytes);
  }

  #admitHead(head: Waiting<W>, now: number): Turn<W>["admission"] | undefined {
    const { residence, extraBytes } = head;
    // It may have been forgotten and registered anew, or the budget may have fallen.
    if (residence.sizeBytes > this.#targetBytes) return tooLarge(residence, this.#targetBytes);
    if (extraBytes === 0 && residence.isOn) {
      residence.leases++;
      residence.used(now);
      return { type: "run", evict: nothing };
    }
    const evict = this.#place(residence, extraBytes, now);
    if (evict !== undefined) return { type: "run", evict };
    if (this.#drainFor(head, now)) return undefined;
    return noRoom(residence, this.#targetBytes, this.residences);
  }

  /** They need no room of their own, and the longer its lease the more it is worth. */
  #admitOthersOf(residence: Residence, now: number, turns: Turn<W>[]): void {
    for (const other of this.#queue.filter((one) => one.residence === residence && one.extraBytes === 0)) {
      this.#queue.splice(this.#queue.indexOf(other), 1);
      this.#places.remove(other.waiter);
      residence.leases++;
      residence.used(now);
      turns.push({ waiter: other.waiter, admission: { type: "run", evict: nothing } });
    }
  }

  /** Leases a Program and counts its weights, evicting for them. @returns undefined, all as before, where nothing can go. */
  #place(residence: Residence, extraBytes: number, now: number): readonly Eviction[] | undefined {
    const chosen = this.#victimsFor(residence, extraBytes, now, isLeased);
    if (chosen === undefined) return undefined;
    for (const { id } of chosen) this.#remove(this.#residences.get(id)!);
    if (!residence.isOn) {
      this.#held.hold(residence.weights);
      residence.state = "loading";
    }
    residence.leases++;
    residence.used(now);
    this.#lowerBudget();
    return chosen;
  }

  /** Chooses who is to go for the first of the queue once they are not leased. @returns false where nobody could. */
  #drainFor({ residence, extraBytes }: Waiting<W>, now: number): boolean {
    // Chosen once, so that it does not wait for another one each time.
    if (this.#draining.size > 0) {
      const among = (one: Residence) => one === residence || !this.#draining.has(one);
      if (this.#victimsFor(residence, extraBytes, now, among) !== undefined) return true;
      this.#stopDraining();
    }
    const chosen = this.#victimsFor(residence, extraBytes, now, (one) => one === residence);
    if (chosen === undefined) return false;
    for (const { id } of chosen) {
      const one = this.#residences.get(id)!;
      one.isDraining = true;
      this.#draining.add(one);
    }
    return true;
  }

  #stopDraining(): void {
    for (const residence of this.#draining) residence.isDraining = false;
    this.#draining.clear();
  }

  #canEverPlace(residence: Residence, extraBytes: number, now: number): boolean {
    return this.#victimsFor(residence, extraBytes, now, (one) => one === residence) !== undefined;
  }

  #victimsFor(
    residence: Residence,
    extraBytes: number,
    now: number,
    isHeld: (residence: Residence) => boolean,
  ): readonly Eviction[] | undefined {
    const targetBytes = this.#targetBytes;
    return this.#search.victimsFor(residence, { extraBytes, targetBytes, now, isHeld });
  }

  #shrink(now: number): readonly Eviction[] {
    const bytes = this.#held.usedBytes - this.#targetBytes;
    const victims = bytes > 0 ? this.#search.victimsToShrink(bytes, now) : nothing;
    for (const { id } of victims) this.#remove(this.#residences.get(id)!);
    this.#lowerBudget();
    return victims;
  }

  #lowerBudget(): void {
    this.#budgetBytes = Math.max(this.#targetBytes, this.#held.usedBytes);
  }

  #remove(residence: Residence): void {
    this.#held.release(residence.weights);
    residence.forgetParts();
    residence.state = "absent";
    this.#lowerBudget();
  }
}
