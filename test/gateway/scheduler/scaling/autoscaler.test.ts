import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mostEfficient, smallestAbove } from "../../../../gateway/scheduler/profile/configurations.ts";
import { nothingScaled, scale } from "../../../../gateway/scheduler/scaling/autoscaler.ts";
import { profileOf, saturating } from "../profile/profiles.ts";
import { demandOf, gpus, Polled } from "./fleets.ts";

/** FaST-GShare. */
const asPublished = { isVertical: false, leastEfficiency: 1 };

const anyRate = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 900 }));
const anyFunctions = fc.array(
  fc.record({
    full: fc.integer({ min: 20, max: 600 }),
    half: fc.constantFrom(0.02, 0.1, 0.5, 5),
    bytes: fc.integer({ min: 1, max: 600 }),
  }),
  { minLength: 1, maxLength: 6 },
);

type Functions = typeof anyFunctions extends fc.Arbitrary<infer T> ? T : never;

function demandsOf(functions: Functions, rates: readonly number[]) {
  return functions.map(({ full, half, bytes }, i) =>
    demandOf(`f${i}`, rates[i % rates.length] ?? 0, { bytes, profile: saturating(`f${i}`, full, half) }),
  );
}

describe("scale() grows", () => {
  const [configurations] = demandOf("a", 0).configurations.values();
  const efficient = mostEfficient(configurations!)!;

  it("by ⌊ΔRPS / T(p_eff)⌋ replicas of p_eff and the smallest configuration for the rest, as FaST-GShare", () => {
    const rate = 2.5 * efficient.throughput;
    const polled = new Polled(asPublished);
    const { actions, shortages } = polled.poll(gpus(8), [demandOf("a", rate)]);
    const rest = smallestAbove(configurations!, 0.5 * efficient.throughput)!;
    const size = ({ quota, share }: { quota: number; share: number }) => ({ quota, share });
    expect(actions.map((action) => action.type === "add" && size(action))).toEqual([
      size(efficient),
      size(efficient),
      size(rest),
    ]);
    expect(shortages).toEqual([]);
  });

  it("only by what is missing", () => {
    const polled = new Polled(asPublished);
    polled.poll(gpus(8), [demandOf("a", efficient.throughput)]);
    const before = polled.capacityOf(demandOf("a", 0));
    const { actions } = polled.poll(gpus(8), [demandOf("a", before + 2.2 * efficient.throughput)]);
    expect(actions.map(({ type }) => type)).toEqual(["add", "add", "add"]);
  });

  it("where it is, without loading, where the device has room for it", () => {
    const polled = new Polled();
    polled.poll(gpus(4), [demandOf("a", 10)]);
    const { actions } = polled.poll(gpus(4), [demandOf("a", 10 + efficient.throughput / 2)]);
    expect(actions).toMatchObject([{ type: "resize", function: "a", device: "gpu0" }]);
  });

  it("to the whole of one device where there is no other, and says what is missing", () => {
    const { actions, shortages } = new Polled().poll(gpus(1), [demandOf("a", 10_000)]);
    expect(actions).toEqual([{ type: "add", function: "a", device: "gpu0", quota: 1, share: 1 }]);
    const most = Math.max(...configurations!.map(({ throughput }) => throughput));
    expect(shortages).toEqual([{ function: "a", missing: 10_000 - most }]);
  });

  it("on few devices, where larger replicas are nearly as efficient; on many as published", () => {
    const demand = demandOf("a", 100, { profile: saturating("a", 100, 5) });
    const devicesOf = (polled: Polled) => polled.poll(gpus(300), [demand]).actions.length;
    expect(devicesOf(new Polled())).toBeLessThan(10);
    expect(devicesOf(new Polled(asPublished))).toBeGreaterThan(50);
  });

  it("onto devices of kinds only that it was measured on", () => {
    const other = { ...gpus(1)[0]!, kind: "software" };
    expect(new Polled().poll([other], [demandOf("a", 1)])).toMatchObject({
      actions: [],
      shortages: [{ function: "a", missing: 1 }],
    });
    expect(new Polled().poll(gpus(1), [demandOf("a", 1)]).actions).toHaveLength(1);
  });

  it("to one small replica where no calls are forecast but it is to be there", () => {
    const { actions } = new Polled().poll(gpus(2), [demandOf("a", 0)]);
    expect(actions).toEqual([{ type: "add", function: "a", device: "gpu0", quota: 0.2, share: 0.06 }]);
  });

  it("only where the weights fit into memory", () => {
    const heavy = demandOf("a", 1, { bytes: 1001 });
    expect(new Polled().poll(gpus(1), [heavy])).toMatchObject({
      actions: [],
      shortages: [{ function: "a" }],
    });
    expect(new Polled().poll(gpus(1, 1001), [heavy]).actions).toHaveLength(1);
  });

  it("those first whose calls are answered least", () => {
    const polled = new Polled();
    const a = demandOf("a", 200);
    polled.poll(gpus(1), [a]);
    // Both want all that is left: "a" has some already.
    const { shortages } = polled.poll(gpus(1), [demandOf("a", 1000), demandOf("b", 100)]);
    expect(shortages.map((one) => one.function)).toEqual(["a"]);
  });

  it("until nothing is missing, given devices enough", () => {
    fc.assert(
      fc.property(anyFunctions, fc.array(anyRate, { minLength: 6, maxLength: 6 }), (functions, rates) => {
        // The slowest answers at least 120 × 16/17 / (1 + 5) = 18 a second on a whole device: 300 devices for all six.
        const faster = functions.map((one) => ({ ...one, full: one.full + 100 }));
        const demands = demandsOf(faster, rates);
        const polled = new Polled();
        expect(polled.poll(gpus(400, 1e6), demands).shortages).toEqual([]);
        for (const demand of demands) expect(polled.capacityOf(demand)).toBeGreaterThanOrEqual(demand.rate);
      }),
      { numRuns: 20 },
    );
  });
});

describe("scale() shrinks", () => {
  it("after a minute of too much, not before", () => {
    const polled = new Polled();
    polled.poll(gpus(4), [demandOf("a", 900)]);
    const actionsEach10s = Array.from(
      { length: 8 },
      () => polled.poll(gpus(4), [demandOf("a", 1)]).actions.length,
    );
    expect(actionsEach10s.slice(0, 6)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(actionsEach10s[6]).toBeGreaterThan(0);
    expect(actionsEach10s[7]).toBe(0);
  });

  it("not where the load comes back within the minute", () => {
    const polled = new Polled();
    polled.poll(gpus(4), [demandOf("a", 900)]);
    for (let i = 0; i < 30; i++) {
      expect(polled.poll(gpus(4), [demandOf("a", i % 6 === 5 ? 900 : 1)]).actions).toEqual([]);
    }
  });

  it("by replicas in ascending efficiency, as FaST-GShare", () => {
    const throughputs = new Map([
      [0.2, 10],
      [0.4, 40],
      [0.8, 60],
    ]);
    const figures = (quota: number) => ({ throughput: throughputs.get(quota)!, p50Ms: 1, p98Ms: 1 });
    const profile = profileOf("a", figures, { quotas: [0.2, 0.4, 0.8], shares: [1], batches: [1] });
    const polled = new Polled({ ...asPublished, shrinkAfterMs: 0 });
    const quotas = () =>
      polled.state.fleet.flatMap(({ replicas }) => [...replicas.values()].map(({ quota }) => quota));
    polled.poll(gpus(8), [demandOf("a", 85, { profile })]);
    // The smallest is half as efficient as the others.
    expect(quotas().sort()).toEqual([0.2, 0.4, 0.4]);
    expect(polled.poll(gpus(8), [demandOf("a", 60, { profile })]).actions).toMatchObject([
      { type: "remove" },
    ]);
    expect(quotas()).toEqual([0.4, 0.4]);
  });

  it("never to less than the rate and the dead band, nor to nothing", () => {
    fc.assert(
      fc.property(anyFunctions, fc.array(anyRate, { minLength: 2, maxLength: 20 }), (functions, rates) => {
        const polled = new Polled({ shrinkAfterMs: 0 });
        const devices = gpus(6);
        for (const rate of rates) {
          const demands = demandsOf(functions, [rate]);
          const before = demands.map((demand) => polled.capacityOf(demand));
          polled.poll(devices, demands);
          for (const [i, demand] of demands.entries()) {
            const after = polled.capacityOf(demand);
            if (after < before[i]!) {
              expect(after).toBeGreaterThanOrEqual(rate * 1.2 * (1 - 1e-9));
              expect(after).toBeGreaterThan(0);
            }
          }
        }
      }),
    );
  });
});

describe("scale() does not flap", () => {
  it("settles under constant load, and then changes nothing", () => {
    fc.assert(
      fc.property(
        anyFunctions,
        fc.array(anyRate, { minLength: 12, maxLength: 12 }),
        fc.integer({ min: 1, max: 4 }),
        fc.boolean(),
        (functions, rates, deviceCount, isVertical) => {
          const polled = new Polled({ isVertical });
          const devices = gpus(deviceCount);
          // Another load comes first, so that there is something to take away.
          for (let i = 0; i < 3; i++) polled.poll(devices, demandsOf(functions, rates.slice(0, 6)));
          const demands = demandsOf(functions, rates.slice(6));
          for (let i = 0; i < 60; i++) polled.poll(devices, demands);
          for (let i = 0; i < 20; i++) expect(polled.poll(devices, demands).actions).toEqual([]);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("gives nothing back while the load stays within the dead band below its peak", () => {
    const anyParts = fc.array(fc.double({ min: 1 / 1.2 + 1e-9, max: 1, noNaN: true }), { maxLength: 30 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 900 }), anyParts, (peak, parts) => {
        const polled = new Polled({ shrinkAfterMs: 0 });
        polled.poll(gpus(8), [demandOf("a", peak)]);
        let capacity = polled.capacityOf(demandOf("a", peak));
        for (const part of parts) {
          polled.poll(gpus(8), [demandOf("a", peak * part)]);
          const next = polled.capacityOf(demandOf("a", peak));
          expect(next).toBeGreaterThanOrEqual(peak * (1 - 1e-9));
          expect(next).toBeLessThanOrEqual(capacity);
          capacity = next;
        }
      }),
    );
  });

  it("grows again after it shrank only where the rate has risen by more than the dead band", () => {
    fc.assert(
      fc.property(fc.array(anyRate, { minLength: 2, maxLength: 60 }), fc.boolean(), (rates, isVertical) => {
        const polled = new Polled({ shrinkAfterMs: 0, isVertical });
        let rateAtShrink: number | undefined;
        let capacity = 0;
        for (const rate of rates) {
          const demand = demandOf("a", rate);
          polled.poll(gpus(12), [demand]);
          const next = polled.capacityOf(demand);
          if (next > capacity && rateAtShrink !== undefined) {
            expect(rate).toBeGreaterThanOrEqual(rateAtShrink * 1.2 * (1 - 1e-9));
          }
          if (next < capacity) rateAtShrink = rate;
          capacity = next;
        }
      }),
    );
  });
});

it("scale() puts a replica where the weights are, of the devices that would do", () => {
  const polled = new Polled();
  const { actions } = polled.poll(gpus(3), [demandOf("a", 1, { heldBy: new Set(["gpu1", "gone"]) })]);
  expect(actions).toMatchObject([{ type: "add", device: "gpu1" }]);
  const full = { ...demandOf("b", 1, { heldBy: new Set(["gpu1"]) }), bytes: 950 };
  expect(polled.poll(gpus(3), [demandOf("a", 1), full]).actions).toMatchObject([
    { type: "add", function: "b", device: "gpu0" },
  ]);
});

describe("scale() has a pinned function", () => {
  it("where it is pinned, and elsewhere only while that is not enough", () => {
    const polled = new Polled({ shrinkAfterMs: 0 });
    const on = () => polled.state.fleet.flatMap(({ id, replicas }) => (replicas.size > 0 ? [id] : []));
    const pinned = (rate: number) => demandOf("a", rate, { home: "gpu2" });
    polled.poll(gpus(4), [demandOf("a", 1)]);
    expect(on()).toEqual(["gpu0"]);
    // Once it is there, the other is too much.
    for (let i = 0; i < 2; i++) polled.poll(gpus(4), [pinned(1)]);
    expect(on()).toEqual(["gpu2"]);
    polled.poll(gpus(4), [pinned(900)]);
    expect(on().length).toBeGreaterThan(1);
    polled.poll(gpus(4), [pinned(0)]);
    expect(on()).toEqual(["gpu2"]);
  });

  it("nowhere special while that device is away", () => {
    const polled = new Polled();
    const { shortages } = polled.poll(gpus(2), [demandOf("a", 1, { home: "gpu2" })]);
    expect(shortages).toEqual([]);
    expect(polled.state.fleet[0]!.replicas.size).toBe(1);
  });
});

describe("scale() says what to do", () => {
  it("so that whoever does it has what the state says, and holds too much at no moment", () => {
    const anyStep = fc.record({
      rates: fc.array(anyRate, { minLength: 1, maxLength: 6 }),
      away: fc.integer({ min: 0, max: 7 }),
    });
    fc.assert(
      fc.property(anyFunctions, fc.array(anyStep, { maxLength: 20 }), (functions, steps) => {
        const polled = new Polled({ shrinkAfterMs: 20_000 });
        const devices = gpus(3);
        for (const { rates, away } of steps) {
          // One of the functions may be idle.
          const demands = demandsOf(functions, rates).map((one, i) =>
            i === away ? { ...one, tier: "host" as const } : one,
          );
          for (const action of polled.poll(devices, demands).actions) {
            polled.replicas.apply(action);
            for (const { id } of devices) expect(polled.replicas.areaOn(id)).toBeLessThan(1.0001);
          }
          const told = polled.state.fleet.flatMap(({ id, replicas }) =>
            [...replicas.values()].map(
              ({ function: name, quota, share }) => `${id} ${name} ${quota} ${share}`,
            ),
          );
          expect(polled.replicas.keys).toEqual(told.sort());
          for (const { usedBytes, memoryBytes } of polled.state.fleet)
            expect(usedBytes).toBeLessThanOrEqual(memoryBytes);
        }
      }),
    );
  });

  it("removes what is idle at once, and drops it from host memory when that is over, too", () => {
    const polled = new Polled();
    polled.poll(gpus(1), [demandOf("a", 5), demandOf("b", 5)]);
    const idle = [demandOf("a", 0, { tier: "host" }), demandOf("b", 0)];
    expect(polled.poll(gpus(1), idle).actions).toEqual([{ type: "remove", function: "a", device: "gpu0" }]);
    const longIdle = (isInHost: boolean) => [demandOf("a", 0, { tier: "store", isInHost }), demandOf("b", 0)];
    expect(polled.poll(gpus(1), longIdle(true)).actions).toEqual([{ type: "dropHost", function: "a" }]);
    expect(polled.poll(gpus(1), longIdle(false)).actions).toEqual([]);
  });

  it("removes a function that is there no more", () => {
    const polled = new Polled();
    polled.poll(gpus(1), [demandOf("a", 5)]);
    expect(polled.poll(gpus(1), []).actions).toEqual([{ type: "remove", function: "a", device: "gpu0" }]);
  });

  it("puts what was on a lost device on another, without an action for the lost one", () => {
    const polled = new Polled();
    polled.poll(gpus(2), [demandOf("a", 5)]);
    const [, other] = gpus(2);
    expect(polled.poll([other!], [demandOf("a", 5)]).actions).toMatchObject([
      { type: "add", device: "gpu1" },
    ]);
  });

  it("removes what no longer fits where a device's memory has become less, the largest first", () => {
    const polled = new Polled();
    const demands = [demandOf("a", 5, { bytes: 300 }), demandOf("b", 5, { bytes: 600 })];
    polled.poll(gpus(1, 1000), demands);
    const { actions, shortages } = polled.poll(gpus(1, 700), demands);
    expect(actions).toEqual([{ type: "remove", function: "b", device: "gpu0" }]);
    expect(shortages.map((one) => one.function)).toEqual(["b"]);
  });

  it("the same for the same state, and leaves the state that it was given as it was", () => {
    const demands = [demandOf("a", 50), demandOf("b", 70)];
    const first = scale(nothingScaled, gpus(2), demands, 0);
    expect(scale(nothingScaled, gpus(2), demands, 0)).toEqual(first);
    expect(nothingScaled).toEqual({ fleet: [], tooMuchSinceMs: new Map() });
  });
});
