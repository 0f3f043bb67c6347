import fc from "fast-check";
import { expect, test } from "vitest";
import { Turns } from "../../../runtime/supervisor/turns.ts";

/** Lets what is under way go on: no timers, only promises. */
async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

test.each([1, 2])(
  "in %i places nobody waits for more than one job of each other owner; each owner's go one by one, as they came",
  async (places) => {
    const arrivals = fc.array(fc.record({ owner: fc.constantFrom("a", "b", "c"), fails: fc.boolean() }), {
      maxLength: 30,
    });
    await fc.assert(
      fc.asyncProperty(arrivals, fc.infiniteStream(fc.boolean()), async (jobs, isArrival) => {
        const turns = new Turns(places);
        const begun: number[] = [];
        const ends: (() => void)[] = [];
        const outcomes: Promise<unknown>[] = [];
        const running = new Map<number, string>();
        const arrive = (index: number) => {
          const { owner, fails } = jobs[index]!;
          const outcome = turns.run(owner, async (place) => {
            expect(place).toBeLessThan(places);
            expect(running.has(place)).toBe(false);
            expect([...running.values()]).not.toContain(owner);
            running.set(place, owner);
            begun.push(index);
            await new Promise<void>((resolve) => ends.push(resolve));
            running.delete(place);
            if (fails) throw new RangeError(`${index}`);
            return index;
          });
          outcomes.push(outcome.catch((error: RangeError) => Number(error.message)));
        };
        /** By job: what had begun when it came. */
        const before: number[] = [];
        for (let arrived = 0; arrived < jobs.length || begun.length < jobs.length || ends.length > 0; ) {
          if (arrived < jobs.length && (ends.length === 0 || isArrival.next().value)) {
            before.push(begun.length);
            arrive(arrived++);
          } else ends.shift()!();
          await settled();
        }
        expect(await Promise.all(outcomes)).toEqual(jobs.map((_, i) => i));
        for (const [i, { owner }] of jobs.entries()) {
          const between = begun.slice(before[i], begun.indexOf(i));
          const own = between.filter((other) => jobs[other]!.owner === owner);
          expect(own).toEqual([...own].sort((a, b) => a - b));
          for (const other of ["a", "b", "c"]) {
            const turnsOf = between.filter((each) => jobs[each]!.owner === other).length;
            if (other !== owner) expect(turnsOf).toBeLessThanOrEqual(own.length + 1);
          }
        }
      }),
    );
  },
);
