/** The weights of a function on a device, as eviction policies look at them. */
import type { Resident } from "../eviction/policy.ts";
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
  /** Expected, while it loads. */
  loadEndsAt: number;
  /** Asked for by `load`, whose lease it holds. */
  isAhead = false;
  /** Loads on the bus, this one included, when it began. */
  readonly loadsBeside: number;
  readonly keepUntilMs = undefined;

  constructor(
    fn: FunctionState,
    device: DeviceState,
    { now, loadEndsAt, loadsBeside }: { now: number; loadEndsAt: number; loadsBeside: number },
  ) {
    this.function = fn;
    this.device = device;
    this.bytes = fn.weightBytes;
    this.loadedAtMs = now;
    this.loadEndsAt = loadEndsAt;
    this.loadsBeside = loadsBeside;
  }

  get id(): string {
    return this.function.id;
  }

  get isLeased(): boolean {
    return this.leases > 0;
  }

  get isPinned(): boolean {
    return this.function.spec.isPinned === true;
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

  /** Its load takes longer than its run, which can hide it no more. */
  get isHeavy(): boolean {
    return this.loadMs > this.device.runMs(this.function, 1);
  }

  get isSoleCopy(): boolean {
    return this.function.holders.size <= 1;
  }
}
