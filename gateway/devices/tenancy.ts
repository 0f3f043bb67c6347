/** Who shares the devices with whom, and in what proportion. Without tenants, all functions are the operator's. */
import type { Party } from "../scheduler/core/waiting-shares.ts";

export class Tenancy {
  readonly #weights: ReadonlyMap<string, number>;
  readonly #sum: number;

  /** @param weights of all tenants, by name. */
  constructor(weights: ReadonlyMap<string, number> = new Map()) {
    this.#weights = weights;
    this.#sum = [...weights.values()].reduce((sum, weight) => sum + weight, 0);
  }

  /** 1 for the operator, and for a tenant that has left. */
  weightOf(tenant: string | undefined): number {
    return (tenant === undefined ? undefined : this.#weights.get(tenant)) ?? 1;
  }

  /** For whom a call waits. */
  partyOf({ tenant }: { readonly tenant?: string | undefined }): Party {
    return { tenant: tenant ?? "", weight: this.weightOf(tenant) };
  }

  /** Part of what all tenants have together, above 0 to 1; undefined for the operator, and where nobody shares. */
  shareOf(tenant: string | undefined): number | undefined {
    if (tenant === undefined || this.#weights.size === 0) return undefined;
    const weight = this.#weights.get(tenant);
    return weight === undefined ? 1 / (this.#sum + 1) : weight / this.#sum;
  }
}
