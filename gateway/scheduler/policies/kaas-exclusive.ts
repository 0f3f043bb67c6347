/**
 * KaaS's baseline of exclusive workers (Pemberton et al., arXiv 2212.08146; its "eTask"): a device runs one function's
 * worker, and nothing else. Requests in the order of their arrival; one that finds no idle worker of its function gets an
 * unused device, else the idle worker is killed whose function has most (of equals the one that lost one longest ago), and
 * another started in its place, which takes a cold start. No worker is killed for a function that has nearly as many.
 */
import type { Cluster } from "../core/cluster.ts";
import type { DeviceState } from "../core/device-state.ts";
import type { FunctionState } from "../core/function-state.ts";
import type { SchedulingPolicy } from "../core/policy.ts";
import type { Request } from "../core/request.ts";
import { ArrivalQueue } from "./arrival-queue.ts";
import { Queueing } from "./queueing.ts";

export const kaasExclusive: SchedulingPolicy = {
  name: "kaas-exclusive",
  traits: { overlapsLoads: false, sharesSpace: false, coldStart: "process" },
  start: (cluster) => new KaasExclusive(cluster),
};

class KaasExclusive extends Queueing<ArrivalQueue> {
  /** Whose worker was killed when: a count of kills. */
  readonly #killedAt = new WeakMap<FunctionState, number>();
  #kills = 0;

  constructor(cluster: Cluster) {
    super(cluster, new ArrivalQueue());
  }

  advance(): void {
    const refused = new Set<FunctionState>();
    for (const request of this.queue) {
      const idle = this.cluster.devices.filter((device) => device.isIdle);
      if (idle.length === 0) return;
      // Of one function only those that are bound to a device differ in what they may have.
      if (request.boundTo === undefined && refused.has(request.function)) continue;
      if (this.#start(request, idle)) this.queue.remove(request);
      else refused.add(request.function);
    }
  }

  #start(request: Request, idle: readonly DeviceState[]): boolean {
    const { function: fn } = request;
    const usable = idle.filter((device) => request.mayRunOn(device));
    const device =
      usable.find((one) => one.holds(fn)) ??
      usable.find((one) => one.residences.size === 0) ??
      this.#victim(request, usable);
    if (device === undefined) return false;
    if (!device.holds(fn)) this.#kill(device, fn);
    this.cluster.run(device, [request]);
    return true;
  }

  /** An idle device whose function can spare a worker. */
  #victim(request: Request, usable: readonly DeviceState[]): DeviceState | undefined {
    let victim: DeviceState | undefined;
    let most = 0;
    let killedAt = 0;
    for (const device of usable) {
      const residences = [...device.residences.values()];
      if (residences.some(({ isLeased, isPinned }) => isLeased || isPinned)) continue;
      const fn = residences[0]!.function;
      const workers = fn.holders.size;
      const lastKilledAt = this.#killedAt.get(fn) ?? 0;
      if (workers < most || (workers === most && lastKilledAt >= killedAt)) continue;
      [victim, most, killedAt] = [device, workers, lastKilledAt];
    }
    let own = 0;
    for (const device of request.function.holders) if (request.mayRunOn(device)) own++;
    return own === 0 || own + 1 < most ? victim : undefined;
  }

  #kill(device: DeviceState, fn: FunctionState): void {
    for (const { function: victim } of [...device.residences.values()]) {
      this.#killedAt.set(victim, ++this.#kills);
      this.cluster.evict(device, victim, `its worker makes place for one of '${fn.id}'`);
    }
  }
}
