import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { evictionOrder } from "../../../../gateway/scheduler/eviction/order.ts";
import {
  type EvictionPolicyName,
  evictionPolicies,
  evictionPolicyNames,
} from "../../../../gateway/scheduler/eviction/policies.ts";
import {
  type EvictionPolicy,
  heldBytes,
  isKeptAlive,
  type Resident,
} from "../../../../gateway/scheduler/eviction/policy.ts";
import { anyPolicy, anyScene, mebibyte, resident } from "./residents.ts";

const { lru, lfu, torpor, cost } = evictionPolicies;
const nowMs = 100_000;

function order(policy: EvictionPolicy, ...residents: readonly Resident[]): string[] {
  return evictionOrder(policy, residents, nowMs).map(({ id }) => id);
}

it("policies are found by the name that they bear", () => {
  expect(evictionPolicyNames).toEqual(["lru", "lfu", "torpor", "cost"]);
  for (const name of evictionPolicyNames) expect(evictionPolicies[name].name).toBe(name);
});

describe("lru", () => {
  it("lets the longest idle go first, equal ones by id", () => {
    const residents = [
      resident("c", { lastUsedMs: 5 }),
      resident("b", { lastUsedMs: 5 }),
      resident("a", { lastUsedMs: 9, usesPerSecond: 0 }),
      resident("d", { lastUsedMs: 1, usesPerSecond: 100 }),
    ];
    expect(order(lru, ...residents)).toEqual(["d", "b", "c", "a"]);
  });

  it("takes what was loaded ahead of its first call as used when it was loaded", () => {
    const ahead = resident("ahead", { uses: 0, lastUsedMs: Number.NEGATIVE_INFINITY, loadedAtMs: 99_000 });
    expect(order(lru, ahead, resident("idle", { lastUsedMs: 50_000 }))).toEqual(["idle", "ahead"]);
    expect(lru.explain(ahead, nowMs)).toBe("least recently used: idle for 1.0 s");
  });

  it.each([
    [100_000, "0 ms"],
    [99_660, "340 ms"],
    [58_800, "41.2 s"],
    [-620_000, "12 min"],
    [-18_260_000, "5.1 h"],
    [100_500, "0 ms"],
  ])("a call at %i ms is so long ago at 100 s: %s", (lastUsedMs, text) => {
    const idle = resident("a", { lastUsedMs, loadedAtMs: -1e9 });
    expect(lru.explain(idle, nowMs)).toBe(`least recently used: idle for ${text}`);
  });
});

describe("lfu", () => {
  it("lets the least called go first, equal ones by recency", () => {
    const residents = [
      resident("busy", { usesPerSecond: 2, lastUsedMs: 1 }),
      resident("rare, just now", { usesPerSecond: 0.01, lastUsedMs: 99_999 }),
      resident("rare, before", { usesPerSecond: 0.01, lastUsedMs: 2 }),
      resident("once busy", { usesPerSecond: 0.001, uses: 1e6, lastUsedMs: 3 }),
    ];
    expect(order(lfu, ...residents)).toEqual(["once busy", "rare, before", "rare, just now", "busy"]);
  });

  it.each([
    [0.0417, "2.5 uses a minute"],
    [1e-5, "less than 0.01 uses a minute"],
    [0, "0 uses a minute"],
  ])("%d uses a second are %s", (usesPerSecond, text) => {
    expect(lfu.explain(resident("a", { usesPerSecond, uses: 17 }), nowMs)).toBe(
      `least often used: ${text} of late, 17 since deployed`,
    );
  });
});

describe("torpor", () => {
  const light = resident("light", { lastUsedMs: 40, loadMs: 3 });
  const copied = resident("heavy, copied", { lastUsedMs: 30, isHeavy: true, isSoleCopy: false });
  const sole = resident("heavy, sole", { lastUsedMs: 10, isHeavy: true });
  const newer = resident("heavy, sole, newer", { lastUsedMs: 20, isHeavy: true });

  it("lets heavy sole copies go last, and the longest idle first within both classes", () => {
    expect(order(torpor, newer, sole, light, copied)).toEqual([
      "heavy, copied",
      "light",
      "heavy, sole",
      "heavy, sole, newer",
    ]);
  });

  it("moves a resident between the classes as copies elsewhere come and go", () => {
    expect(order(torpor, light, { ...sole, isSoleCopy: false })).toEqual(["heavy, sole", "light"]);
    expect(order(torpor, light, { ...copied, isSoleCopy: true })).toEqual(["light", "heavy, copied"]);
  });

  it("names the class", () => {
    expect([light, copied, sole].map((one) => torpor.explain(one, 1_040))).toEqual([
      "light: loads in 3 ms; idle for 1.0 s",
      "heavy, but not the only copy; idle for 1.0 s",
      "heavy and the only copy, but nothing lighter is left; idle for 1.0 s",
    ]);
  });
});

describe("cost", () => {
  it("lets go first what saves the least loading for its bytes", () => {
    const base = resident("base");
    const rare = { ...base, id: "rare", usesPerSecond: 0.09 };
    const quick = { ...base, id: "quick", loadMs: 8 };
    const large = { ...base, id: "large", bytes: 15 * mebibyte };
    expect(order(cost, base, rare, quick, large)).toEqual(["large", "quick", "rare", "base"]);
  });

  it("counts an equal part of shared weights to each holder", () => {
    const shared = [{ digest: "d", bytes: 40 * mebibyte, holders: 4 }];
    const sharing = resident("sharing", { bytes: 0, shared });
    expect(heldBytes(sharing)).toBe(10 * mebibyte);
    expect(order(cost, sharing, resident("alone", { bytes: 11 * mebibyte }))).toEqual(["alone", "sharing"]);
    expect(order(cost, sharing, resident("alone", { bytes: 9 * mebibyte }))).toEqual(["sharing", "alone"]);
  });

  it("names what the value is made of", () => {
    const one = resident("a", { usesPerSecond: 0.0417, loadMs: 38, bytes: 97.5 * mebibyte });
    expect(cost.explain(one, nowMs)).toBe(
      "saves least for its size: 2.5 uses a minute × 38 ms to load, in 97.5 MiB",
    );
  });
});

describe("evictionOrder()", () => {
  it("has everybody once who is neither pinned nor leased, those in their keepAlive last, each tenant's by priority", () => {
    fc.assert(
      fc.property(anyPolicy, anyScene, (policy, scene) => {
        const ranked = evictionOrder(policy, scene.residents, scene.nowMs);
        const free = scene.residents.filter((one) => !one.isPinned && !one.isLeased);
        expect(ranked.map(({ id }) => id).sort()).toEqual(free.map(({ id }) => id).sort());
        for (const [a, b] of pairs(ranked)) {
          const [aKept, bKept] = [a, b].map((one) => Number(isKeptAlive(one!, scene.nowMs)));
          expect(aKept).toBeLessThanOrEqual(bKept!);
          if (aKept === bKept && a.tenant === b.tenant) expect(a.priority).toBeLessThanOrEqual(b.priority);
        }
      }),
    );
  });

  it("has a tenant's priorities move nothing of others, and give no less of its own before them", () => {
    let moved = 0;
    fc.assert(
      fc.property(anyPolicy, anyScene, (policy, { residents, nowMs }) => {
        const set = (isSet: boolean) =>
          evictionOrder(
            policy,
            residents.map((one) => (isSet && one.tenant === "u" ? one : { ...one, priority: 0 })),
            nowMs,
          );
        const [without, having] = [set(false), set(true)];
        if (having.some(({ id }, i) => id !== without[i]!.id)) moved++;
        const idsOf = (order: readonly Resident[], tenant: string) =>
          order.flatMap((one) => (one.tenant === tenant ? [one.id] : []));
        expect(idsOf(having, "t")).toEqual(idsOf(without, "t"));
        const givenBefore = (order: readonly Resident[], id: string) =>
          order
            .slice(
              0,
              order.findIndex((one) => one.id === id),
            )
            .reduce((sum, one) => sum + (one.tenant === "u" ? heldBytes(one) : 0), 0);
        // One that holds nothing counts as a byte: its turn may be had by another such.
        for (const id of idsOf(having, "t"))
          expect(givenBefore(having, id)).toBeGreaterThan(givenBefore(without, id) - residents.length);
      }),
      { seed: 1, numRuns: 1_500 },
    );
    expect(moved).toBeGreaterThan(50);
  });

  it("does not have a tenant's many small functions go in place of its large one", () => {
    const large = resident("large", { tenant: "u", bytes: 100, lastUsedMs: 1, priority: 9 });
    const small = ["s1", "s2", "s3"].map((id) => resident(id, { tenant: "u", bytes: 1, lastUsedMs: 9 }));
    const other = resident("other", { bytes: 100, lastUsedMs: 5 });
    expect(order(lru, large, other, ...small)).toEqual(["s1", "s2", "s3", "large", "other"]);
    // The control case: of one tenant, priority goes before the policy.
    expect(order(lru, large, { ...other, tenant: "u" })).toEqual(["other", "large"]);
  });

  const idleSince = (one: Resident) => Math.max(one.lastUsedMs, one.loadedAtMs);
  const density = (one: Resident) => (one.usesPerSecond * one.loadMs) / Math.max(1, heldBytes(one));
  /** The law of each policy: what never falls from one to the next, and what decides where it is equal. */
  const laws: Readonly<Record<EvictionPolicyName, ReadonlyArray<(one: Resident) => number>>> = {
    lru: [idleSince],
    lfu: [(one) => one.usesPerSecond, idleSince],
    torpor: [(one) => (one.isHeavy && one.isSoleCopy ? 1 : 0), idleSince],
    cost: [density, idleSince],
  };

  it.each(evictionPolicyNames)(
    "obeys the law of %s among equals, and ids where nothing else differs",
    (name) => {
      fc.assert(
        fc.property(anyScene, (scene) => {
          const equals = scene.residents.map((one) => ({ ...one, priority: 0, keepUntilMs: undefined }));
          for (const [a, b] of pairs(evictionOrder(evictionPolicies[name], equals, scene.nowMs))) {
            const measure = laws[name].find((by) => by(a) !== by(b));
            if (measure === undefined) expect(a.id < b.id).toBe(true);
            else expect(measure(a)).toBeLessThan(measure(b));
          }
        }),
        { numRuns: 500 },
      );
    },
  );

  it("gets keys of one length and without NaN from every policy", () => {
    fc.assert(
      fc.property(anyPolicy, anyScene, (policy, { residents, nowMs }) => {
        const keys = residents.map((one) => policy.key(one, nowMs));
        expect(new Set(keys.map((key) => key.length)).size).toBeLessThanOrEqual(1);
        expect(keys.flat().some(Number.isNaN)).toBe(false);
      }),
    );
  });
});

function pairs(ranked: readonly Resident[]): Array<readonly [Resident, Resident]> {
  return ranked.slice(1).map((one, i) => [ranked[i]!, one]);
}
