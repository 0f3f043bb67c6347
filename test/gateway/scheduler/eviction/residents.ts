/** Residents for tests: one spelled out, and any number of them for properties. */
import fc from "fast-check";
import { evictionPolicies } from "../../../../gateway/scheduler/eviction/policies.ts";
import type { EvictionPolicy, Resident } from "../../../../gateway/scheduler/eviction/policy.ts";

export const mebibyte = 2 ** 20;

/** A light function of 10 MiB that was loaded and used at 0 ms, unless `overrides` says otherwise. */
export function resident(id: string, overrides: Partial<Resident> = {}): Resident {
  return {
    id,
    bytes: 10 * mebibyte,
    lastUsedMs: 0,
    loadedAtMs: 0,
    uses: 1,
    usesPerSecond: 0.1,
    loadMs: 10,
    isHeavy: false,
    isSoleCopy: true,
    tenant: "t",
    priority: 0,
    isPinned: false,
    isLeased: false,
    keepUntilMs: undefined,
    ...overrides,
  };
}

export interface Blob {
  readonly digest: string;
  readonly bytes: number;
  readonly holders: ReadonlySet<string>;
}

/** A device: who is on it, and which weights they share. */
export interface Scene {
  readonly residents: readonly Resident[];
  readonly blobs: readonly Blob[];
  readonly nowMs: number;
}

/** Bytes that are free once `gone` have left, from the blobs themselves. */
export function bytesWithout({ residents, blobs }: Scene, gone: ReadonlySet<string>): number {
  const own = residents.filter(({ id }) => gone.has(id)).map(({ bytes }) => bytes);
  const shared = blobs.filter(({ holders }) => holders.isSubsetOf(gone)).map(({ bytes }) => bytes);
  return [...own, ...shared].reduce((sum, bytes) => sum + bytes, 0);
}

export const anyPolicy: fc.Arbitrary<EvictionPolicy> = fc.constantFrom(...Object.values(evictionPolicies));

const times = fc.integer({ min: 0, max: 6 });

/** Few different values, so that ties are common. */
const anyResident = fc.record({
  bytes: fc.integer({ min: 0, max: 12 }),
  lastUsedMs: times,
  loadedAtMs: times,
  uses: fc.nat(9),
  usesPerSecond: fc.constantFrom(0, 0, 0.1, 0.5, 3),
  loadMs: fc.constantFrom(0, 1, 5, 40),
  isHeavy: fc.boolean(),
  isSoleCopy: fc.boolean(),
  tenant: fc.constantFrom("t", "t", "u"),
  priority: fc.constantFrom(-1, 0, 0, 0, 2),
  isPinned: fc.constantFrom(false, false, false, true),
  isLeased: fc.constantFrom(false, false, false, true),
  keepUntilMs: fc.constantFrom(undefined, undefined, 1, 4, 5, 9),
});

export const anyScene: fc.Arbitrary<Scene> = fc
  .record({
    bodies: fc.array(anyResident, { maxLength: 9 }),
    sharing: fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 12 }), members: fc.nat(511) }), {
      maxLength: 4,
    }),
    nowMs: fc.integer({ min: 3, max: 8 }),
  })
  .map(({ bodies, sharing, nowMs }) => {
    const ids = bodies.map((_, i) => `f${i}`);
    const blobs = sharing
      .map(({ bytes, members }, i) => ({
        digest: `d${i}`,
        bytes,
        holders: new Set(ids.filter((_, bit) => (members >> bit) & 1)),
      }))
      .filter(({ holders }) => holders.size >= 2);
    const residents = bodies.map((body, i) => {
      const shared = blobs
        .filter(({ holders }) => holders.has(ids[i]!))
        .map(({ digest, bytes, holders }) => ({ digest, bytes, holders: holders.size }));
      return { ...body, id: ids[i]!, ...(shared.length > 0 && { shared }) };
    });
    return { residents, blobs, nowMs };
  });
