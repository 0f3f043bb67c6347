/**
 * Bytes of weights on one device by digest: each counts once, however many Programs hold it. Rounds sizes up as the
 * device's slabs do, so that what is counted here is what is taken there.
 */
import type { SharedBytes } from "../scheduler/eviction/policy.ts";

export interface Weight {
  readonly digest: string;
  readonly sizeBytes: number;
}

/** What a Program's weights come to for an eviction policy. */
export interface HeldParts {
  readonly bytes: number;
  readonly shared: readonly SharedBytes[];
}

interface Held {
  readonly bytes: number;
  holders: number;
}

export class HeldWeights {
  /** Changes when a weight began or ceased to be shared: what `parts` gave before is stale. */
  sharingVersion = 0;
  readonly #held = new Map<string, Held>();
  readonly #alignment: number;
  #usedBytes = 0;

  /** @param alignment of weights in slabs, in bytes. */
  constructor(alignment: number) {
    this.#alignment = alignment;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Each digest once, sizes as they are counted. */
  counted(weights: readonly Weight[]): readonly Weight[] {
    const unique = new Map<string, Weight>();
    for (const { digest, sizeBytes } of weights) {
      const aligned = Math.ceil(sizeBytes / this.#alignment) * this.#alignment;
      if (!unique.has(digest)) unique.set(digest, { digest, sizeBytes: aligned });
    }
    return [...unique.values()];
  }

  /** @param weights as `counted` gives them, here and below. */
  hold(weights: readonly Weight[]): void {
    for (const { digest, sizeBytes } of weights) {
      const held = this.#held.get(digest);
      if (held === undefined) {
        this.#held.set(digest, { bytes: sizeBytes, holders: 1 });
        this.#usedBytes += sizeBytes;
      } else {
        held.holders++;
        this.sharingVersion++;
      }
    }
  }

  /** Only for what was held before. */
  release(weights: readonly Weight[]): void {
    for (const { digest } of weights) {
      const held = this.#held.get(digest)!;
      if (--held.holders > 0) {
        this.sharingVersion++;
      } else {
        this.#held.delete(digest);
        this.#usedBytes -= held.bytes;
      }
    }
  }

  missingBytes(weights: readonly Weight[]): number {
    return weights.reduce((sum, { digest, sizeBytes }) => sum + (this.#held.has(digest) ? 0 : sizeBytes), 0);
  }

  /** For weights that are held. */
  parts(weights: readonly Weight[]): HeldParts {
    let own = 0;
    const shared: SharedBytes[] = [];
    for (const { digest } of weights) {
      const { bytes, holders } = this.#held.get(digest)!;
      if (holders === 1) own += bytes;
      else shared.push({ digest, bytes, holders });
    }
    return { bytes: own, shared };
  }
}
