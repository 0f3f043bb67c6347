/**
 * Who has had how much of the devices, in milliseconds divided by the tenant's weight. A tenant that is ahead of the one
 * that had least, of those that wait, has its requests count as due so much later: under contention all get their
 * shares, and a busy tenant delays nobody by more than it is ahead. One that was away begins level with the least.
 */
import type { FunctionState } from "../../core/function-state.ts";
import type { Request } from "../../core/request.ts";

interface Tenant {
  servedMs: number;
  /** Requests that wait. */
  waiting: number;
}

/** A lead of less does not count: requests of all sizes come in turns. */
const graceMs = 50;

export class TenantShares {
  readonly #tenants = new Map<string, Tenant>();
  /** With whom each counts: a function may change hands while its requests wait. */
  readonly #tenantOf = new Map<Request, Tenant>();
  /** Of those that wait, when that was last looked for; never falls. */
  #leastMs = 0;
  #isStale = false;

  waits(request: Request): void {
    // Before it counts among those that wait: the least is that of the others.
    const leastMs = this.#least();
    const tenant = this.#of(request.function);
    this.#tenantOf.set(request, tenant);
    if (tenant.waiting++ > 0) return;
    tenant.servedMs = Math.max(tenant.servedMs, leastMs);
    this.#isStale = true;
  }

  /** @param request that waits. */
  waitsNoMore(request: Request): void {
    const tenant = this.#tenantOf.get(request)!;
    this.#tenantOf.delete(request);
    if (--tenant.waiting === 0) this.#isStale = true;
  }

  /** @param ms on a device, expected or (as a difference) corrected. */
  serve(fn: FunctionState, ms: number): void {
    this.#of(fn).servedMs += ms / (fn.spec.tenantWeight ?? 1);
    this.#isStale = true;
  }

  /** Milliseconds by which its requests are to count as due later. */
  penaltyMs(fn: FunctionState): number {
    if (this.#tenants.size < 2) return 0;
    return Math.max(0, this.#of(fn).servedMs - this.#least() - graceMs);
  }

  #least(): number {
    if (!this.#isStale) return this.#leastMs;
    this.#isStale = false;
    let least = Number.POSITIVE_INFINITY;
    for (const [name, { servedMs, waiting }] of this.#tenants) {
      if (waiting > 0) least = Math.min(least, servedMs);
      // It would begin at the same point if it were new: nothing is to be remembered of it.
      else if (servedMs <= this.#leastMs) this.#tenants.delete(name);
    }
    if (least !== Number.POSITIVE_INFINITY) this.#leastMs = Math.max(this.#leastMs, least);
    return this.#leastMs;
  }

  #of({ spec: { tenant: name } }: FunctionState): Tenant {
    let tenant = this.#tenants.get(name);
    if (tenant === undefined) {
      tenant = { servedMs: this.#leastMs, waiting: 0 };
      this.#tenants.set(name, tenant);
    }
    return tenant;
  }
}
