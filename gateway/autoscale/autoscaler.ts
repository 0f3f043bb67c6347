/**
 * The autoscaler at work: each interval it tells `scale()` what calls have told it, and has done what that says. It
 * decides nothing by itself. What is to be on a device and is not (there was no room, the device was away, others have
 * displaced it) is asked for again at each tick; nobody is displaced for it.
 */
import { getLogger } from "@logtape/logtape";
import type { DeviceSet } from "../devices/device-set.ts";
import { later } from "../devices/later.ts";
import type { ProgramOwner } from "../devices/owner.ts";
import type { ReplicaControl } from "../dispatch/replica-control.ts";
import type { ScalingAction } from "../scheduler/scaling/actions.ts";
import { nothingScaled, type ScalingState, type Shortage, scale } from "../scheduler/scaling/autoscaler.ts";
import { defaultScaling, type ScalingOptions } from "../scheduler/scaling/demand.ts";
import { defaultForecast, type ForecastName, forecasts } from "../scheduler/scaling/forecast/forecasts.ts";
import { defaultIdleWindow, type IdleWindowOptions } from "../scheduler/scaling/idle-window.ts";
import { CallWatch } from "./call-watch.ts";
import { reasonToCome, reasonToLeave } from "./reasons.ts";
import { reportScaling, type ScalingReport } from "./report.ts";
import {
  type ScaledDevice,
  type ScaledVersion,
  type VersionDemand,
  versionDemand,
} from "./version-demand.ts";

export interface AutoscaleOptions {
  /** Between ticks. Left out: ten seconds, for which the defaults of the others are chosen. */
  readonly intervalMs?: number;
  readonly forecast?: ForecastName;
  /** What is left out is as usual, here and below. */
  readonly idleWindow?: Partial<IdleWindowOptions>;
  readonly scaling?: Partial<ScalingOptions>;
  /** Milliseconds, for tests. */
  readonly now?: () => number;
  /** False, for tests: it ticks when it is told to, and never by itself. */
  readonly isTimed?: boolean;
}

/** What it works on. */
export interface AutoscaledGateway {
  readonly devices: Pick<DeviceSet, "dropHost"> & { readonly devices: readonly ScaledDevice[] };
  readonly replicas: Pick<ReplicaControl, "want" | "letGo" | "unitsOf">;
  /** All that are deployed. */
  readonly versions: () => Iterable<ScaledVersion>;
}

/** Since the start: what `scale()` has said. */
export type ScalingCounts = Readonly<Record<ScalingAction["type"], number>>;

const log = getLogger(["dawnlet", "scaling"]);

export class Autoscaler {
  /** To be told of calls, from before `start`. */
  readonly calls: CallWatch;
  readonly intervalMs: number;
  readonly #now: () => number;
  readonly #isTimed: boolean;
  readonly #idleWindow: IdleWindowOptions;
  readonly #scaling: ScalingOptions;
  readonly #counts = { add: 0, resize: 0, remove: 0, dropHost: 0 };
  #gateway: AutoscaledGateway | undefined;
  #state: ScalingState = nothingScaled;
  #demands: readonly VersionDemand[] = [];
  #shortages: readonly Shortage[] = [];
  /** Their weights have left host memory and have not been asked for since. */
  readonly #dropped = new WeakSet<ProgramOwner>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: AutoscaleOptions = {}) {
    const { intervalMs = 10_000, forecast = defaultForecast, now = () => performance.now() } = options;
    this.intervalMs = intervalMs;
    this.#now = now;
    this.#isTimed = options.isTimed ?? true;
    this.#idleWindow = { ...defaultIdleWindow, ...options.idleWindow };
    this.#scaling = { ...defaultScaling, ...options.scaling };
    this.calls = new CallWatch({ now, intervalMs, forecast: forecasts[forecast] });
  }

  /** Ticks from now on, every interval, until `close`. */
  start(gateway: AutoscaledGateway): void {
    this.close();
    this.#gateway = gateway;
    if (this.#isTimed) this.#schedule();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#gateway = undefined;
  }

  get counts(): ScalingCounts {
    return this.#counts;
  }

  /** As of the last tick. */
  report(): ScalingReport {
    const { fleet } = this.#state;
    const devices = this.#gateway?.devices.devices ?? [];
    return reportScaling({
      ...{ fleet, devices, demands: this.#demands, shortages: this.#shortages },
      ...{ intervalMs: this.intervalMs, counts: this.#counts },
    });
  }

  /** An interval is over. Does nothing before `start` and after `close`. */
  tick(): void {
    const gateway = this.#gateway;
    if (gateway === undefined) return;
    const demands = this.#look(gateway);
    const devices = gateway.devices.devices
      .filter(({ isUp }) => isUp)
      .map((device) => ({ id: device.id, kind: device.class, memoryBytes: device.budgetBytes }));
    const { state, actions, shortages } = scale(this.#state, devices, demands, this.#now(), this.#scaling);
    this.#state = state;
    this.#demands = demands;
    this.#shortages = shortages;
    for (const { type } of actions) this.#counts[type]++;
    const byName = new Map(demands.map((demand) => [demand.name, demand]));
    this.#takeAway(gateway, actions, byName);
    this.#bring(gateway, byName);
    this.#dropFromHost(gateway, actions, byName);
  }

  #look({ devices, replicas, versions }: AutoscaledGateway): readonly VersionDemand[] {
    const context = {
      ...{ calls: this.calls, devices: devices.devices, idleWindow: this.#idleWindow },
      units: (owner: ProgramOwner) => replicas.unitsOf(owner),
    };
    return [...versions()].flatMap((version) => {
      const { owner, programs } = version;
      const rate = this.calls.intervalEnded(owner);
      if (programs.length === 0) return [];
      const demand = versionDemand(version, rate, !this.#dropped.has(owner), context);
      if (demand.tier !== "store") this.#dropped.delete(owner);
      return [demand];
    });
  }

  /** What is on a device for no reason: a replica too many, or one of a function that is to be on none. */
  #takeAway(
    { devices, replicas: control }: AutoscaledGateway,
    actions: readonly ScalingAction[],
    byName: ReadonlyMap<string, VersionDemand>,
  ): void {
    const removed = new Set(
      actions.flatMap((one) => (one.type === "remove" ? [`${one.device} ${one.function}`] : [])),
    );
    const users = usersOfPrograms(byName.values());
    for (const demand of byName.values()) {
      const { name, owner, tier } = demand;
      const reason = reasonToLeave(demand);
      const needed = neededBesides(demand, users);
      for (const { index, id: device } of devices.devices) {
        if (tier === "device" && !removed.has(`${device} ${name}`)) continue;
        if (control.letGo(owner, index, reason, needed))
          log.info("{function} version {version} leaves {device}: {reason}", {
            ...{ function: owner.name, version: owner.version, device, reason },
          });
      }
    }
  }

  #bring(
    { devices, replicas: control }: AutoscaledGateway,
    byName: ReadonlyMap<string, VersionDemand>,
  ): void {
    for (const { id: device, replicas } of this.#state.fleet) {
      const { index } = devices.devices.find(({ id }) => id === device)!;
      for (const name of replicas.keys()) {
        const demand = byName.get(name)!;
        const { owner } = demand;
        if (!control.want(owner, index)) continue;
        const reason = reasonToCome(demand);
        log.info("{function} version {version} comes to {device} ahead of calls: {reason}", {
          ...{ function: owner.name, version: owner.version, device, reason },
        });
      }
    }
  }

  #dropFromHost(
    { devices }: AutoscaledGateway,
    actions: readonly ScalingAction[],
    byName: ReadonlyMap<string, VersionDemand>,
  ): void {
    const needed = new Set<string>();
    for (const { tier, digests } of byName.values())
      if (tier !== "store") for (const digest of digests) needed.add(digest);
    for (const action of actions) {
      if (action.type !== "dropHost") continue;
      const demand = byName.get(action.function)!;
      const { owner, digests } = demand;
      this.#dropped.add(owner);
      const alone = [...digests.difference(needed)];
      if (alone.length === 0) continue;
      const reason = reasonToLeave(demand);
      log.info("{function} version {version} leaves host memory: {reason}", {
        ...{ function: owner.name, version: owner.version, reason },
      });
      devices.dropHost(alone).catch((error: unknown) => {
        log.warn("the weights of {function} stay in host memory: {error}", { function: owner.name, error });
        // The next tick tries again.
        this.#dropped.delete(owner);
      });
    }
  }

  #schedule(): void {
    this.#timer = later(this.intervalMs, () => {
      try {
        this.tick();
      } catch (error) {
        log.error("scaling has failed and goes on: {error}", { error });
      }
      if (this.#gateway !== undefined) this.#schedule();
    });
  }
}

/** By Program: how many versions that belong on a device use it. Those with the same model share theirs. */
function usersOfPrograms(demands: Iterable<VersionDemand>): ReadonlyMap<string, number> {
  const users = new Map<string, number>();
  for (const { tier, programs } of demands)
    if (tier === "device") for (const id of programs) users.set(id, (users.get(id) ?? 0) + 1);
  return users;
}

/** Programs of a version that others need on a device. */
function neededBesides(
  { tier, programs }: VersionDemand,
  users: ReadonlyMap<string, number>,
): ReadonlySet<string> {
  const own = tier === "device" ? 1 : 0;
  return new Set([...programs].filter((id) => (users.get(id) ?? 0) > own));
}
