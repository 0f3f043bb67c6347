/**
 * KaaS's baseline of static partitions (Pemberton et al., arXiv 2212.08146; multi-process service with a thread
 * percentage): of n functions a device each owns 1/n of it and of its memory. They run side by side, each one request at a
 * time on its part, however idle the others are. What does not fit its part never runs. Loads do not hold up others.
 * The functions' number decides n: a function that is deployed later makes all parts smaller.
 */
import type { Cluster } from "../core/cluster.ts";
import type { DeviceState } from "../core/device-state.ts";
import type { FunctionState } from "../core/function-state.ts";
import type { SchedulingPolicy } from "../core/policy.ts";
import { rejectElsewhere } from "./bound-functions.ts";
import { FunctionQueues } from "./function-queues.ts";
import { Queueing } from "./queueing.ts";
import { runAlone } from "./run-alone.ts";

export const kaasStatic: SchedulingPolicy = {
  name: "kaas-static",
  traits: { overlapsLoads: false, sharesSpace: true, coldStart: "process" },
  start: (cluster) => new KaasStatic(cluster),
};

class KaasStatic extends Queueing<FunctionQueues> {
  /** Functions are dealt out in the order in which they were deployed. */
  #deviceOf = new Map<FunctionState, DeviceState>();
  /** That own a part of each device, at most. */
  #perDevice = 1;
  #devices = 0;

  constructor(cluster: Cluster) {
    super(cluster, new FunctionQueues());
  }

  advance(): void {
    this.#deal();
    for (const fn of [...this.queue.functions]) {
      const device = this.#fitting(fn);
      const reason = `'${fn.id}' does not fit a part of 1/${this.#perDevice} of its device`;
      rejectElsewhere(this.cluster, this.queue, fn, device, reason);
      const request = this.queue.first(fn);
      if (device === undefined || request === undefined || fn.running > 0 || !device.isUp) continue;
      const share = 1 / this.#perDevice;
      if (runAlone(device, request, undefined, share) !== undefined) this.queue.remove(request);
    }
  }

  /** Where functions or devices came or went, parts are dealt out anew. */
  #deal(): void {
    const { functions, devices } = this.cluster;
    const isSame =
      devices.length === this.#devices &&
      functions.size === this.#deviceOf.size &&
      [...this.queue.functions].every((fn) => this.#deviceOf.has(fn));
    if (isSame || devices.length === 0) return;
    this.#devices = devices.length;
    this.#perDevice = Math.max(1, Math.ceil(functions.size / devices.length));
    this.#deviceOf = new Map([...functions.values()].map((fn, i) => [fn, devices[i % devices.length]!]));
  }

  /** @returns undefined where it does not fit its part. */
  #fitting(fn: FunctionState): DeviceState | undefined {
    const device = this.#deviceOf.get(fn)!;
    const fits = device.bytesOf(fn) <= device.budgetBytes / this.#perDevice && fn.canRunOn(device);
    return fits ? device : undefined;
  }
}
