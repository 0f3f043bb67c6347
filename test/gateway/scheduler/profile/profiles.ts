/** Profiles for tests: one by a formula, and any at all. */
import fc from "fast-check";
import type { Profile, ProfilePoint } from "../../../../gateway/scheduler/profile/profile.ts";

export const quotas = [0.2, 0.4, 0.6, 0.8, 1];
export const shares = [0.06, 0.12, 0.24, 0.5, 1];
export const batches = [1, 2, 4, 8, 16];

/** A function that gains little from more space than it fills, as small models on large GPUs do. */
export function saturating(name = "resnet50", full = 400, half = 0.1): Profile {
  return profileOf(name, (quota, share, batch) => {
    const speed = (share / (share + half)) * (batch / (batch + 1));
    const throughput = full * quota * speed;
    const p50Ms = (1000 * batch) / (full * speed) / quota;
    return { throughput, p50Ms, p98Ms: 2 * p50Ms };
  });
}

export function profileOf(
  name: string,
  figures: (
    quota: number,
    share: number,
    batch: number,
  ) => Pick<ProfilePoint, "throughput" | "p50Ms" | "p98Ms">,
  axes: {
    readonly quotas?: readonly number[];
    readonly shares?: readonly number[];
    readonly batches?: readonly number[];
  } = {},
): Profile {
  const points = (axes.quotas ?? quotas).flatMap((quota) =>
    (axes.shares ?? shares).flatMap((share) =>
      (axes.batches ?? batches).map((batch) => ({ quota, share, batch, ...figures(quota, share, batch) })),
    ),
  );
  return { function: name, device: "Test GPU", points };
}

const anySides = fc.uniqueArray(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 4 });

/** Grids of any size with figures that know no order. */
export const anyProfile: fc.Arbitrary<Profile> = fc
  .tuple(anySides, anySides, fc.uniqueArray(fc.constantFrom(...batches), { minLength: 1, maxLength: 3 }))
  .chain(([q, s, b]) =>
    fc
      .array(fc.tuple(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 900 }), fc.nat(900)), {
        minLength: q.length * s.length * b.length,
        maxLength: q.length * s.length * b.length,
      })
      .map((figures) => {
        let next = 0;
        return profileOf(
          "any",
          () => {
            const [throughput, p50Ms, more] = figures[next++]!;
            return { throughput, p50Ms, p98Ms: p50Ms + more };
          },
          { quotas: q.map((side) => side / 20), shares: s.map((side) => side / 20), batches: b },
        );
      }),
  );
