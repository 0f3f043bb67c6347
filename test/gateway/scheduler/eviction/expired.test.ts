import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expired } from "../../../../gateway/scheduler/eviction/expired.ts";
import { anyScene, resident } from "./residents.ts";

describe("expired()", () => {
  it("names who is past its keepAlive, the longest past first", () => {
    const residents = [
      resident("just", { keepUntilMs: 100_000 }),
      resident("long ago", { keepUntilMs: 96_800 }),
      resident("not yet", { keepUntilMs: 100_001 }),
      resident("no keepAlive"),
    ];
    expect(expired(residents, 100_000)).toEqual([
      { id: "long ago", cause: "expired", reason: "its keepAlive ended 3.2 s ago" },
      { id: "just", cause: "expired", reason: "its keepAlive ended 0 ms ago" },
    ]);
  });

  it("leaves pinned and leased ones until they are neither", () => {
    const past = { keepUntilMs: 5 };
    const idsOf = (overrides: object) =>
      expired([resident("a", { ...past, ...overrides })], 10).map(({ id }) => id);
    expect(idsOf({ isPinned: true })).toEqual([]);
    expect(idsOf({ isLeased: true })).toEqual([]);
    expect(idsOf({})).toEqual(["a"]);
  });

  it("does not care about the order in which residents are listed", () => {
    fc.assert(
      fc.property(anyScene, ({ residents, nowMs }) => {
        expect(expired(residents.toReversed(), nowMs)).toEqual(expired(residents, nowMs));
      }),
    );
  });
});
