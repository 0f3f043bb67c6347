import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WaitingShares } from "../../../../gateway/scheduler/core/waiting-shares.ts";

const weights = { a: 1, b: 1, c: 3 };
type Tenant = keyof typeof weights;
const partyOf = (tenant: Tenant) => ({ tenant, weight: weights[tenant] });

interface One {
  readonly tenant: Tenant;
  readonly isBack: boolean;
}

const limit = 12;
const anyMove = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constantFrom("comes" as const, "comes" as const, "comes" as const, "returns" as const),
      tenant: fc.constantFrom<Tenant[]>("a", "a", "a", "b", "c"),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("leaves" as const), which: fc.nat(40) }) },
);

describe("WaitingShares", () => {
  it("has the newest make way of whoever is furthest above its share, for whoever is below its own", () => {
    const seen = { displaced: 0, refused: 0, left: 0 };
    fc.assert(
      fc.property(fc.array(anyMove, { maxLength: 120, size: "max" }), (moves) => {
        const shares = new WaitingShares<One>();
        // Those that are back first, the newest of them first.
        let waiting: One[] = [];
        const of = (tenant: Tenant) => waiting.filter((one) => one.tenant === tenant);
        const shareOf = (tenant: Tenant, tenants: Set<Tenant>) =>
          (limit * weights[tenant]) / [...tenants].reduce((sum, one) => sum + weights[one], 0);
        for (const move of moves) {
          expect(shares.size).toBe(waiting.length);
          if (move.type === "leaves") {
            const one = waiting[move.which];
            shares.remove(one ?? { tenant: "a", isBack: false });
            waiting = waiting.filter((other) => other !== one);
            seen.left++;
            continue;
          }
          const { tenant } = move;
          const one: One = { tenant, isBack: move.type === "returns" };
          if (one.isBack) {
            shares.addAgain(one, partyOf(tenant));
            waiting.unshift(one);
            continue;
          }
          if (waiting.length < limit) {
            shares.add(one, partyOf(tenant));
            waiting.push(one);
            continue;
          }
          const tenants = new Set([tenant, ...waiting.map((other) => other.tenant)]);
          const displaced = shares.displacedBy(partyOf(tenant), limit);
          if (of(tenant).length >= shareOf(tenant, tenants)) {
            expect(displaced).toBeUndefined();
            seen.refused++;
            continue;
          }
          const ratio = (other: Tenant) => of(other).length / weights[other];
          const most = Math.max(...[...tenants].map(ratio));
          expect(ratio(displaced!.tenant)).toBe(most);
          expect(of(displaced!.tenant).length).toBeGreaterThan(shareOf(displaced!.tenant, tenants));
          expect(displaced).toBe(of(displaced!.tenant).at(-1));
          shares.remove(displaced!);
          shares.add(one, partyOf(tenant));
          waiting = [...waiting.filter((other) => other !== displaced), one];
          seen.displaced++;
        }
      }),
      { seed: 1 },
    );
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(50);
  });

  it("of one tenant has nobody make way, whatever its weight", () => {
    for (const weight of [undefined, 0.01, 0.3, 1, 7]) {
      const shares = new WaitingShares<number>();
      for (let i = 0; i < 3; i++) shares.add(i, { tenant: "a", weight });
      expect(shares.displacedBy({ tenant: "a", weight }, 3)).toBeUndefined();
      // The control case: another would have it make way.
      expect(shares.displacedBy({ tenant: "b", weight }, 3)).toBe(2);
    }
  });

  it("takes nothing twice", () => {
    const shares = new WaitingShares<number>();
    shares.add(1, { tenant: "a" });
    expect(() => shares.addAgain(1, { tenant: "a" })).toThrow(RangeError);
  });
});
