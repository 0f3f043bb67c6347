import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Estimates, type Figures, haveNews } from "../../../gateway/devices/estimates.ts";

describe("Estimates", () => {
  test("take the first measurement as it is, and mix those that follow in", () => {
    const estimates = new Estimates();
    const one = estimates.of("a");
    estimates.loaded("a", one);
    estimates.swappedIn(one, 1_000, 10);
    one.executed(4);
    expect(estimates.figures()).toEqual({
      bytesPerMs: 100,
      programs: [{ id: "a", loadMs: 10, executeMs: 4 }],
    });
    estimates.swappedIn(one, 1_000, 20);
    one.executed(0.5);
    expect(one.loadMs).toBeCloseTo(13);
    expect(one.executeMs).toBeCloseTo(2.95);
    expect(estimates.bytesPerMs).toBeCloseTo(90);
    expect(estimates.guessedLoadMs(900)).toBeCloseTo(10);
  });

  test("guess a gigabyte a second before anything was measured", () => {
    expect(new Estimates().guessedLoadMs(5e6)).toBe(5);
  });

  test("know a Program from its first load on, as the same object", () => {
    const estimates = new Estimates();
    const one = estimates.of("a");
    expect(estimates.of("a")).not.toBe(one);
    estimates.loaded("a", one);
    expect(estimates.of("a")).toBe(one);
    // Nothing was measured of it.
    expect(estimates.figures()).toEqual({ programs: [] });
  });

  test("of two devices of one kind become one, to which both have given as much", () => {
    const estimates = new Estimates();
    const [one, other] = [estimates.of("a"), estimates.of("a")];
    one.swappedIn(10);
    other.swappedIn(20);
    other.executed(4);
    expect(estimates.loaded("a", one)).toBe(one);
    expect(estimates.loaded("a", other)).toBe(one);
    expect(one).toMatchObject({ loadMs: 15, executeMs: 4 });
    // Once it is one, a load changes nothing.
    expect(estimates.loaded("a", one)).toBe(one);
    expect(one).toMatchObject({ loadMs: 15, executeMs: 4 });
  });

  test("drop the Program that was loaded longest ago where there are too many, restored ones too", () => {
    const estimates = new Estimates(2);
    const ids = () => estimates.figures().programs.map(({ id }) => id);
    estimates.restore({ programs: ["a", "b", "c"].map((id) => ({ id, loadMs: 1 })) });
    expect(ids()).toEqual(["b", "c"]);
    estimates.loaded("b", estimates.of("b"));
    const fourth = estimates.of("d");
    fourth.executed(1);
    estimates.loaded("d", fourth);
    expect(ids()).toEqual(["b", "d"]);
  });

  test("are the same after they were restored from their figures", () => {
    const ms = fc.option(fc.double({ min: 1e-3, max: 1e6, noNaN: true }), { nil: undefined });
    const events = fc.array(
      fc.record({ id: fc.constantFrom("a", "b", "c", "d"), loadMs: ms, executeMs: ms }),
    );
    fc.assert(
      fc.property(events, (all) => {
        const estimates = new Estimates(3);
        for (const { id, loadMs, executeMs } of all) {
          const one = estimates.of(id);
          estimates.loaded(id, one);
          if (loadMs !== undefined) estimates.swappedIn(one, 256, loadMs);
          if (executeMs !== undefined) one.executed(executeMs);
        }
        const figures = estimates.figures();
        const restored = new Estimates(3);
        restored.restore(JSON.parse(JSON.stringify(figures)) as Figures);
        expect(restored.figures()).toEqual(figures);
        expect(haveNews(restored.figures(), figures, 0)).toBe(false);
      }),
    );
  });
});

describe("haveNews()", () => {
  const before: Figures = {
    bytesPerMs: 100,
    programs: [{ id: "a", loadMs: 10, executeMs: 1 }, { id: "b" }],
  };

  test.each<[what: string, figures: Figures, expected: boolean]>([
    ["nothing changed", before, false],
    ["they are in another order", { ...before, programs: before.programs.toReversed() }, false],
    ["a Program is gone", { ...before, programs: [] }, false],
    ["a figure moved a little", { ...before, programs: [{ id: "a", loadMs: 10.9 }] }, false],
    ["a figure moved by more", { ...before, programs: [{ id: "a", loadMs: 8.9 }] }, true],
    ["a run took longer", { ...before, programs: [{ id: "a", executeMs: 1.2 }] }, true],
    ["the rate changed", { ...before, bytesPerMs: 120 }, true],
    ["a Program is new", { ...before, programs: [{ id: "c", executeMs: 1 }] }, true],
    ["a figure is new", { ...before, programs: [{ id: "b", executeMs: 1 }] }, true],
  ])("where %s", (_, figures, expected) => {
    expect(haveNews(figures, before, 0.1)).toBe(expected);
  });
});
