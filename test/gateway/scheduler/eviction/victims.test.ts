import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { freedBytes } from "../../../../gateway/scheduler/eviction/freed.ts";
import { lru } from "../../../../gateway/scheduler/eviction/lru.ts";
import { evictionOrder } from "../../../../gateway/scheduler/eviction/order.ts";
import type { Resident } from "../../../../gateway/scheduler/eviction/policy.ts";
import { chooseVictims } from "../../../../gateway/scheduler/eviction/victims.ts";
import { anyPolicy, anyScene, bytesWithout, mebibyte, resident } from "./residents.ts";

const anyNeed = fc.integer({ min: 0, max: 70 });

/** Ids of the victims when least recently used ones go, at 100 s. */
function victimsOf(residents: readonly Resident[], mebibytes: number): string[] | undefined {
  const needed = { bytes: mebibytes * mebibyte, for: "bert" };
  return chooseVictims(lru, residents, needed, 100_000)?.victims.map(({ id }) => id);
}

describe("chooseVictims()", () => {
  it("takes the first of the order until there is room, and says why", () => {
    const residents = [
      resident("new", { lastUsedMs: 90_000 }),
      resident("old", { lastUsedMs: 10_000 }),
      resident("older", { lastUsedMs: 2_000 }),
    ];
    expect(chooseVictims(lru, residents, { bytes: 15.5 * mebibyte, for: "bert" }, 100_000)).toEqual({
      victims: [
        {
          id: "older",
          cause: "room",
          reason: "least recently used: idle for 98.0 s; 15.5 MiB needed for 'bert'",
        },
        {
          id: "old",
          cause: "room",
          reason: "least recently used: idle for 90.0 s; 15.5 MiB needed for 'bert'",
        },
      ],
      freedBytes: 20 * mebibyte,
    });
  });

  it("needs nobody where there is room already", () => {
    const nobody = { victims: [], freedBytes: 0 };
    for (const bytes of [0, -5]) {
      expect(chooseVictims(lru, [resident("a")], { bytes, for: "b" }, 0)).toEqual(nobody);
      expect(chooseVictims(lru, [], { bytes, for: "b" }, 0)).toEqual(nobody);
    }
  });

  it("refuses NaN, which compares with nothing", () => {
    expect(() => chooseVictims(lru, [resident("a")], { bytes: Number.NaN, for: "b" }, 0)).toThrow(RangeError);
  });

  it("spares a small one where a later, larger one has to go anyway", () => {
    const small = resident("small", { bytes: 5 * mebibyte });
    const large = resident("large", { bytes: 50 * mebibyte, lastUsedMs: 9 });
    expect(victimsOf([small, large], 5)).toEqual(["small"]);
    expect(victimsOf([small, large], 40)).toEqual(["large"]);
    expect(victimsOf([small, large], 52)).toEqual(["small", "large"]);
  });

  it("spares the later of two small ones where one of them is enough beside the large one", () => {
    const residents = [
      resident("first", { lastUsedMs: 1 }),
      resident("second", { lastUsedMs: 2 }),
      resident("large", { lastUsedMs: 3, bytes: 50 * mebibyte }),
    ];
    expect(victimsOf(residents, 58)).toEqual(["first", "large"]);
  });

  it("leaves pinned and leased ones, whatever is needed", () => {
    const taken = [resident("pinned", { isPinned: true }), resident("leased", { isLeased: true })];
    const free = resident("free", { lastUsedMs: 99_000 });
    expect(victimsOf([...taken, free], 10)).toEqual(["free"]);
    expect(victimsOf([...taken, free], 11)).toBeUndefined();
  });

  it("breaks a keepAlive only where nothing else makes enough room, and says so", () => {
    const kept = resident("kept", { keepUntilMs: 112_000 });
    const other = resident("other", { lastUsedMs: 99_000, priority: 7 });
    expect(victimsOf([kept, other], 10)).toEqual(["other"]);
    expect(victimsOf([kept, other], 11)).toEqual(["other", "kept"]);
    expect(victimsOf([{ ...kept, keepUntilMs: 100_000 }, other], 10)).toEqual(["kept"]);
    const { victims } = chooseVictims(lru, [kept], { bytes: 1024, for: "bert" }, 100_000)!;
    expect(victims[0]!.reason).toBe(
      "least recently used: idle for 100.0 s; " +
        "to be kept 12.0 s more, but nothing else makes enough room; 1.0 KiB needed for 'bert'",
    );
  });

  it("lets a lower priority go before what the policy says, and names it", () => {
    const residents = [
      resident("important", { priority: 1 }),
      resident("plain", { lastUsedMs: 99_000 }),
      resident("cheap", { lastUsedMs: 99_900, priority: -2 }),
    ];
    expect(victimsOf(residents, 10)).toEqual(["cheap"]);
    expect(victimsOf(residents, 20)).toEqual(["cheap", "plain"]);
    const [cheap] = chooseVictims(lru, residents, { bytes: 1, for: "bert" }, 100_000)!.victims;
    expect(cheap!.reason).toBe(
      "least recently used: idle for 100 ms; its priority is -2; 1 B needed for 'bert'",
    );
  });

  it("frees shared weights with their last holder", () => {
    const shared = [{ digest: "d", bytes: 90 * mebibyte, holders: 2 }];
    const [v1, v2] = [
      resident("v1", { bytes: 0, shared }),
      resident("v2", { bytes: 0, shared, lastUsedMs: 5 }),
    ];
    const other = resident("other", { lastUsedMs: 9 });
    expect(victimsOf([v1, v2, other], 80)).toEqual(["v1", "v2"]);
    expect(victimsOf([v1, v2, other], 95)).toEqual(["v1", "v2", "other"]);
    expect(victimsOf([v1, { ...v2, isLeased: true }, other], 10)).toEqual(["other"]);
    expect(victimsOf([v1, { ...v2, isLeased: true }, other], 80)).toBeUndefined();
    expect(freedBytes([v1, other])).toBe(10 * mebibyte);
  });
});

describe("chooseVictims(), whatever the policy and the residents", () => {
  it("takes no pinned and no leased one, and nobody twice", () => {
    fc.assert(
      fc.property(anyPolicy, anyScene, anyNeed, (policy, { residents, nowMs }, bytes) => {
        const ids = idsOf(chooseVictims(policy, residents, { bytes, for: "in" }, nowMs));
        const free = residents.filter(({ isPinned, isLeased }) => !isPinned && !isLeased).map(({ id }) => id);
        expect(ids.isSubsetOf(new Set(free))).toBe(true);
      }),
    );
  });

  it("frees what is needed, and gives up exactly where that is impossible", () => {
    let impossible = 0;
    const runs = 1_000;
    fc.assert(
      fc.property(anyPolicy, anyScene, anyNeed, (policy, scene, bytes) => {
        const { residents, nowMs } = scene;
        const chosen = chooseVictims(policy, residents, { bytes, for: "in" }, nowMs);
        const all = residents.filter(({ isPinned, isLeased }) => !isPinned && !isLeased);
        expect(chosen === undefined).toBe(bytesWithout(scene, new Set(all.map(({ id }) => id))) < bytes);
        if (chosen === undefined) {
          impossible++;
          return;
        }
        expect(new Set(chosen.victims.map(({ id }) => id)).size).toBe(chosen.victims.length);
        expect(chosen.freedBytes).toBeGreaterThanOrEqual(bytes);
        expect(chosen.freedBytes).toBe(bytesWithout(scene, idsOf(chosen)));
      }),
      { numRuns: runs, seed: 1 },
    );
    // Both ways were taken often.
    expect(impossible).toBeGreaterThan(runs / 10);
    expect(impossible).toBeLessThan((runs * 9) / 10);
  });

  it("takes nobody who is superfluous, even if all that rank before went too", () => {
    fc.assert(
      fc.property(anyPolicy, anyScene, anyNeed, (policy, scene, bytes) => {
        const order = evictionOrder(policy, scene.residents, scene.nowMs).map(({ id }) => id);
        const victims = idsOf(chooseVictims(policy, scene.residents, { bytes, for: "in" }, scene.nowMs));
        for (const victim of victims) {
          const others = new Set([...victims, ...order.slice(0, order.indexOf(victim))]);
          others.delete(victim);
          expect(bytesWithout(scene, others)).toBeLessThan(bytes);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("takes a kept one, or one of higher priority than others of its tenant, only where all those together are not enough", () => {
    const isKept = ({ keepUntilMs }: Resident, nowMs: number) => (keepUntilMs ?? 0) > nowMs;
    const isLower = (a: Resident, b: Resident, nowMs: number) =>
      isKept(a, nowMs) === isKept(b, nowMs)
        ? a.tenant === b.tenant && a.priority < b.priority
        : isKept(b, nowMs);
    fc.assert(
      fc.property(anyPolicy, anyScene, anyNeed, (policy, scene, bytes) => {
        const { residents, nowMs } = scene;
        const victims = idsOf(chooseVictims(policy, residents, { bytes, for: "in" }, nowMs));
        for (const victim of residents.filter(({ id }) => victims.has(id))) {
          const lower = residents.filter(
            (one) => !one.isPinned && !one.isLeased && isLower(one, victim, nowMs),
          );
          expect(bytesWithout(scene, new Set(lower.map(({ id }) => id)))).toBeLessThan(bytes);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("does not care about the order in which residents are listed", () => {
    const anyShuffle = anyScene.chain((scene) =>
      fc.tuple(
        fc.constant(scene),
        fc.shuffledSubarray([...scene.residents], { minLength: scene.residents.length }),
      ),
    );
    fc.assert(
      fc.property(anyPolicy, anyShuffle, anyNeed, (policy, [{ residents, nowMs }, shuffled], bytes) => {
        const needed = { bytes, for: "in" };
        expect(chooseVictims(policy, shuffled, needed, nowMs)).toEqual(
          chooseVictims(policy, residents, needed, nowMs),
        );
      }),
    );
  });
});

function idsOf(chosen: ReturnType<typeof chooseVictims>): Set<string> {
  return new Set(chosen?.victims.map(({ id }) => id));
}
