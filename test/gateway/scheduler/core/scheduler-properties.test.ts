import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseEventLog } from "../../../../gateway/scheduler/core/read-event-log.ts";
import { replay } from "../../../../gateway/scheduler/core/replay.ts";
import { Play } from "./play.ts";
import { type PolicyUnderTest, policiesUnderTest } from "./policies.ts";
import { anyMoves } from "./random-events.ts";
import { deviceSpec, functionSpec } from "./specs.ts";

/** Of 60 to 120 events each. */
const numRuns = 20;

describe.each(policiesUnderTest)(
  "a scheduler with $label, whatever happens in whatever order",
  (underTest) => {
    it("breaks no rule, keeps its counts right and neglects nothing that it could run", () => {
      const seen = { runs: 0, evictions: 0, retries: 0 };
      fc.assert(
        fc.property(anyMoves, (moves) => {
          const play = new Play(underTest);
          play.through(moves);
          play.finish();
          seen.runs += play.reference.goneRuns.length;
          seen.evictions += play.actions.flat().filter(({ type }) => type === "evict").length;
          seen.retries += play.log.split('"isRetried":true').length - 1;
        }),
        { numRuns, seed: 1 },
      );
      // Else the property would say little.
      expect(seen.runs).toBeGreaterThan(5 * numRuns);
      expect(seen.evictions).toBeGreaterThan(numRuns / 2);
      expect(seen.retries).toBeGreaterThan(numRuns / 4);
    });

    it("gives each request one end, and has nothing left once everything has ended and is removed", () => {
      fc.assert(
        fc.property(anyMoves, (moves) => {
          const play = new Play(underTest);
          play.through(moves);
          endEverything(play, underTest);
          const { cluster } = play.scheduler;
          expect([cluster.requests.size, cluster.runs.size, cluster.functions.size]).toEqual([0, 0, 0]);
          for (const device of cluster.devices) {
            const { usedBytes, loads, bus, residences, runs } = device;
            expect([usedBytes, loads, bus.loads, residences.size, runs.size]).toEqual([0, 0, 0, 0, 0]);
          }
        }),
        { numRuns },
      );
    });

    it("does the same again for the same events, read from its log", () => {
      fc.assert(
        fc.property(anyMoves, (moves) => {
          const play = new Play(underTest);
          play.through(moves);
          const again = [...replay(parseEventLog(play.log), underTest.policy)];
          expect(again.map(({ actions }) => actions)).toEqual(play.actions);
        }),
        { numRuns },
      );
    });
  },
);

/** Room for everything, nothing pinned or refused: a diligent policy runs all that waits. Then all are removed. */
function endEverything(play: Play, { isDiligent }: PolicyUnderTest): void {
  const { reference } = play;
  const functions = [...reference.functions.values()].filter(({ isRemoved }) => !isRemoved);
  for (const { spec } of functions) play.send({ type: "function", function: functionSpec(spec.id) });
  for (const { id, spec } of reference.devices.values())
    play.send({ type: "device-up", device: deviceSpec(id, { bus: spec.bus }) });
  if (isDiligent) {
    play.finish();
    expect(reference.waiting()).toEqual([]);
  }
  for (const { spec } of functions) play.send({ type: "function-removed", function: spec.id });
  play.finish();
  for (const { id, residences } of reference.devices.values())
    for (const fn of [...residences.keys()]) play.send({ type: "evicted", device: id, function: fn });
  for (const { state } of reference.requests.values())
    expect(["answered", "failed", "rejected", "cancelled"]).toContain(state);
}
