import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Probation } from "../../../runtime/supervisor/probation.ts";

const minuteMs = 60_000;

describe("a subject", () => {
  test("is on probation from a suspicion until a job of it has ended well", () => {
    const probation = new Probation();
    expect(probation.isOn("a", 0)).toBe(false);
    probation.suspect("a", 0);
    expect([probation.isOn("a", 0), probation.isOn("b", 0)]).toEqual([true, false]);
    probation.passed("a", false);
    probation.passed("b", true);
    expect(probation.isOn("a", 0)).toBe(true);
    probation.passed("a", true);
    expect(probation.isOn("a", 0)).toBe(false);
  });

  test("has more to show each time that it is suspected, until an hour has passed without", () => {
    const probation = new Probation();
    const needed = (now: number) => {
      probation.suspect("a", now);
      let jobs = 0;
      for (; probation.isOn("a", now); jobs++) probation.passed("a", true);
      return jobs;
    };
    expect([0, 1, 2, 3, 4].map(needed)).toEqual([1, 2, 4, 8, 8]);
    expect(needed(61 * minuteMs)).toBe(1);
  });

  test("is let off after ten minutes, or when sixteen of its jobs have run, whatever they did", () => {
    const probation = new Probation();
    probation.suspect("a", 0);
    expect([probation.isOn("a", 10 * minuteMs), probation.isOn("a", 10 * minuteMs + 1)]).toEqual([
      true,
      false,
    ]);
    probation.suspect("a", 11 * minuteMs);
    for (let job = 0; job < 16; job++) {
      expect(probation.isOn("a", 11 * minuteMs)).toBe(true);
      probation.passed("a", false);
    }
    expect(probation.isOn("a", 11 * minuteMs)).toBe(false);
  });
});

test("whatever happens in whatever order, a probation ends after sixteen jobs", () => {
  const events = fc.array(fc.record({ isSuspicion: fc.boolean(), isWell: fc.boolean() }), { maxLength: 100 });
  fc.assert(
    fc.property(events, (all) => {
      const probation = new Probation();
      let jobs = 0;
      for (const { isSuspicion, isWell } of all) {
        if (isSuspicion) {
          probation.suspect("a", 0);
          jobs = 0;
        } else if (probation.isOn("a", 0)) {
          expect(++jobs).toBeLessThanOrEqual(16);
          probation.passed("a", isWell);
        }
      }
    }),
  );
});
