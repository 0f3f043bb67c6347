/** Bytes that become free when residents go together: what several of them share counts with its last holder. */
import type { Resident } from "./policy.ts";

/** Bytes that would be free after all of these had gone, and nobody else. */
export function freedBytes(residents: readonly Resident[]): number {
  const freed = new FreedBytes();
  for (const resident of residents) freed.add(resident);
  return freed.total;
}

/** A sum that residents can be added to and taken from again. */
export class FreedBytes {
  #total = 0;
  /** How many of the holders are in the sum, by digest. */
  readonly #holders = new Map<string, number>();

  get total(): number {
    return this.#total;
  }

  add(resident: Resident): void {
    this.#total += resident.bytes;
    for (const { digest, bytes, holders } of resident.shared ?? []) {
      const count = (this.#holders.get(digest) ?? 0) + 1;
      this.#holders.set(digest, count);
      if (count === holders) this.#total += bytes;
    }
  }

  /** Only for what was added before. */
  remove(resident: Resident): void {
    this.#total -= resident.bytes;
    for (const { digest, bytes, holders } of resident.shared ?? []) {
      const count = this.#holders.get(digest)!;
      this.#holders.set(digest, count - 1);
      if (count === holders) this.#total -= bytes;
    }
  }
}
