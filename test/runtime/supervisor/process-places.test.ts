import fc from "fast-check";
import { expect, test } from "vitest";
import { type Place, ProcessPlaces } from "../../../runtime/supervisor/process-places.ts";

/** Lets what is under way go on: no timers, only promises. */
async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

const owners = ["", "a", "b", "c"];
const mostOf = (owner: string, count: number) => (owner === "" ? count : Math.max(1, Math.floor(count / 2)));

type Act = "take" | "free" | "give up" | "end idle";

interface Wish {
  readonly owner: string;
  readonly giveUp: AbortController;
}

test.each([1, 2, 3, 4])(
  "%i places are never exceeded nor left free, and of the others each has one turn for each of one's own",
  async (count) => {
    const acts = fc.array(
      fc.record({
        owner: fc.constantFrom(...owners),
        act: fc.constantFrom<Act>("take", "take", "free", "give up", "end idle"),
        which: fc.nat(),
      }),
      { maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(acts, async (steps) => {
        const places = new ProcessPlaces(count);
        const waiting: Wish[] = [];
        const taken: Place[] = [];
        /** Whose places have begun and were freed, in order. */
        const turns: { owner: string; type: "begun" | "freed" }[] = [];
        /** By wish: how many of them there were when it came. */
        const before = new Map<Wish, number>();
        const heldBy = (owner: string) => taken.filter((place) => place.owner === owner).length;
        for (const { owner, act, which } of steps) {
          if (act === "take") {
            const wish: Wish = { owner, giveUp: new AbortController() };
            before.set(wish, turns.length);
            waiting.push(wish);
            places.take(owner, wish.giveUp.signal).then(
              (place) => {
                expect(waiting.find((one) => one.owner === owner)).toBe(wish);
                waiting.splice(waiting.indexOf(wish), 1);
                taken.push(place);
                const meanwhile = turns.slice(before.get(wish));
                turns.push({ owner, type: "begun" });
                // A tenant that has its part is passed by others.
                if (owner !== "") return;
                const own = meanwhile.filter((one) => one.owner === owner).length;
                for (const other of owners.slice(1)) {
                  const others = meanwhile.filter((one) => one.owner === other && one.type === "begun");
                  expect(others.length).toBeLessThanOrEqual(own + 1);
                }
              },
              (error: Error) => expect(error).toMatchObject({ code: "CANCELLED" }),
            );
          } else if (act === "free" && taken.length > 0) {
            const [place] = taken.splice(which % taken.length, 1) as [Place];
            turns.push({ owner: place.owner, type: "freed" });
            places.free(place);
          } else if (act === "give up" && waiting.length > 0) {
            waiting.splice(which % waiting.length, 1)[0]!.giveUp.abort();
          } else if (act === "end idle") {
            const idle = taken.filter((place, i) => !place.isEnding && (which >> i) % 2 === 0);
            const ended = places.toEnd(idle);
            expect(ended.length).toBeLessThanOrEqual(waiting.length);
            for (const place of ended) {
              expect(idle).toContain(place);
              place.isEnding = true;
            }
            expect(places.toEnd(idle.filter((place) => !place.isEnding))).toEqual([]);
          }
          await settled();
          expect(taken.length).toBeLessThanOrEqual(count);
          for (const one of owners) expect(heldBy(one)).toBeLessThanOrEqual(mostOf(one, count));
          expect(places.isWaitedFor).toBe(waiting.length > 0);
          if (taken.length < count)
            for (const wish of waiting) expect(heldBy(wish.owner)).toBe(mostOf(wish.owner, count));
        }
      }),
      { numRuns: 500 },
    );
  },
);

test("what is idle leaves for those that wait: as much as they need, of an owner that has its part its own", async () => {
  const places = new ProcessPlaces(4);
  const { signal } = new AbortController();
  const take = (owner: string) => places.take(owner, signal);
  const [ours, second, a, other] = [await take(""), await take(""), await take("a"), await take("a")];
  expect(places.toEnd([ours, second, a, other])).toEqual([]);
  const third = take("a");
  expect(places.toEnd([ours, second])).toEqual([]);
  expect(places.toEnd([ours, other, a])).toEqual([other]);
  other.isEnding = true;
  // That one is enough.
  expect(places.toEnd([ours, a])).toEqual([]);
  const b = take("b");
  expect(places.toEnd([ours, second, a])).toEqual([ours]);
  ours.isEnding = true;
  places.free(ours);
  expect((await b).owner).toBe("b");
  places.free(other);
  expect((await third).owner).toBe("a");
});
