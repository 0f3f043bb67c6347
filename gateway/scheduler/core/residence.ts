/** The weights of a function on a device, as eviction policies look at them. */
import type { Resident } from "../eviction/policy.ts";
import type { BusLoad } from "./bus.ts";
import type { DeviceState } from "./device-state.ts";
import type { FunctionState } from "./function-state.ts";

export class Residence implements Resident {
  readonly function: FunctionState;
  readonly device: DeviceState;
  readonly bytes: number;
  state: "loading" | "resident" = "loading";
  /** Runs and loads that use it. */
  leases = 0;
  /** When its load began; when it ended, from then on. */
  loadedAtMs: number;
  lastUsedMs = Number.NEGATIVE_INFINITY;
  /** Asked for by `load`, whose lease it holds. */
  isAhead = false;
  /** Its load comes from another device, and leaves the bus alone. */
  readonly isFromPeer: boolean;
  /** Of its load, where that has a part of the bus. */
  readonly busLoad: BusLoad | undefined;
  /** Of its load. */
  readonly #startedAt: number;
  readonly #aloneMs: number;
  readonly #busOwnMs: number;

  /** Begins its load. */
  constructor(fn: FunctionState, device: DeviceState, now: number) {
    this.function = fn;
    this.device = device;
    this.bytes = device.bytesOf(fn);
    this.isFromPeer = device.hasPeerWith(fn);
    this.loadedAtMs = now;
    this.#startedAt = now;
    this.#aloneMs = device.aloneLoadMs(fn);
    this.#busOwnMs = device.bus.ownMs(now);
    this.busLoad = this.isFromPeer ? undefined : device.bus.begin(now, device, this.#aloneMs);
  }

  /** Expected end of its load, while it loads: later when others come to share its bus, sooner when they have ended. */
  get loadEndsAt(): number {
    const { bus, cluster } = this.device;
    if (this.busLoad === undefined) return this.#startedAt + this.#aloneMs;
    return cluster.now + bus.leftMs(cluster.now, this.busLoad);
  }

  get id(): string {
    return this.function.id;
  }

  /** Part of the bus that its load has had so far. */
  busShare(now: number): number {
    const { bus } = this.device;
    if (now <= this.#startedAt) return 1 / bus.loads;
    return (bus.ownMs(now) - this.#busOwnMs) / (now - this.#startedAt);
  }

  get isLeased(): boolean {
    return this.leases > 0;
  }

  get isPinned(): boolean {
    return this.function.isPinned;
  }

  get keepUntilMs(): number | undefined {
    const { keepAliveMs } = this.function.spec;
    return keepAliveMs === undefined ? undefined : Math.max(this.loadedAtMs, this.lastUsedMs) + keepAliveMs;
  }

  get tenant(): string {
    return this.function.spec.tenant;
  }

  get priority(): number {
    return this.function.spec.priority ?? 0;
  }

  get uses(): number {
    return this.function.uses;
  }

  get usesPerSecond(): number {
    return this.function.usesPerSecond(this.device.cluster.now);
  }

  get loadMs(): number {
    return this.device.aloneLoadMs(this.function);
  }

  get busLoadsPerSecond(): number {
    const { bus, cluster } = this.device;
    return bus.loadsPerSecond(cluster.now);
  }

  /** Its load takes longer than its run, which can hide it no more. */
  get isHeavy(): boolean {
    return this.loadMs > this.device.runMs(this.function, 1);
  }

  get isSoleCopy(): boolean {
    return this.function.holders.size <= 1;
  }
}
