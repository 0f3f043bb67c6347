import fc from "fast-check";
import { expect, test } from "vitest";
import { Turns } from "../../../runtime/supervisor/turns.ts";

/** Lets what is under way go on: no timers, only promises. */
async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

test("one job at a time; nobody waits for more than one of each other owner's; each owner's go as they came", async () => {
  const arrivals = fc.array(fc.record({ owner: fc.constantFrom("a", "b", "c"), fails: fc.boolean() }), {
    maxLength: 30,
  });
  await fc.assert(
    fc.asyncProperty(arrivals, fc.infiniteStream(fc.boolean()), async (jobs, isArrival) => {
      const turns = new Turns();
      const begun: number[] = [];
      const ends: (() => void)[] = [];
      const outcomes: Promise<unknown>[] = [];
      let running = 0;
      const arrive = (index: number) => {
        const { owner, fails } = jobs[index]!;
        const outcome = turns.run(owner, async () => {
          expect(++running).toBe(1);
          begun.push(index);
          await new Promise<void>((resolve) => ends.push(resolve));
          running--;
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
});
