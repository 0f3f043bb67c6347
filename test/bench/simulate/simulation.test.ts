import { describe, expect, it } from "vitest";
import { mean } from "../../../bench/harness/statistics.ts";
import { gridOf, type SimulatedFunction } from "../../../bench/simulate/cluster-model.ts";
import { simulate } from "../../../bench/simulate/simulation.ts";
import { gatherArrivals } from "../../../bench/traces/arrivals.ts";
import { randomCalls } from "../../../bench/traces/call-sources.ts";
import { exponentialGap, randomStream } from "../../../bench/traces/random.ts";
import { schedulingPolicies, schedulingPolicyNames } from "../../../gateway/scheduler/policies/policies.ts";

const { lb } = schedulingPolicies;

function functionsOf(count: number, rest: Partial<SimulatedFunction> = {}): readonly SimulatedFunction[] {
  return Array.from({ length: count }, (_, i) => ({
    ...{ id: `f${i}`, tenant: `t${i % 3}`, weightBytes: 300, runMs: 10, occupancy: 0.4, coldStartMs: 50 },
    ...{ quota: { request: 0.1, limit: 0.8 }, deadlineMs: 200 },
    ...rest,
  }));
}

function devicesOf(nodes: number, devicesPerNode: number) {
  return gridOf({ nodes, devicesPerNode, devicesPerBus: 2, budgetBytes: 1_000, loadBytesPerMs: 20 });
}

/** @param perMs calls of each function. */
function callsOf(functions: number, perMs: number, durationMs: number, seed = 1) {
  const sources = Array.from({ length: functions }, (_, i) => randomCalls(randomStream(seed, i), perMs));
  return gatherArrivals(sources, durationMs);
}

describe("simulate()", () => {
  it.each(schedulingPolicyNames)("answers or rejects every request, under %s", (name) => {
    const functions = functionsOf(8);
    const arrivals = callsOf(8, 0.01, 20_000);
    const options = { policy: schedulingPolicies[name], devices: devicesOf(1, 4), functions, arrivals };
    const outcomes = simulate(options);
    expect(outcomes.requests).toBe(arrivals.timesMs.length);
    expect(outcomes.answers).toBeGreaterThan(0);
    expect(outcomes.answers + outcomes.rejections).toBe(outcomes.requests);
    expect(outcomes.latencies()[0]).toBeGreaterThanOrEqual(10 - 1e-6);
    expect(outcomes.occupancy).toBeLessThanOrEqual(1);
    expect(simulate(options).latencies()).toEqual(outcomes.latencies());
  });

  it("finds weights that were there before: nothing is loaded", () => {
    const devices = devicesOf(1, 1);
    const [functions, arrivals] = [functionsOf(2), callsOf(2, 0.01, 1_000)];
    const resident = functions.map(({ id }) => ({ device: devices[0]!.id, function: id }));
    const options = { policy: lb, devices, functions, arrivals };
    expect(simulate({ ...options, resident }).misses).toBe(0);
    expect(simulate(options).misses).toBe(2);
  });

  it("tells the rate of clients in a closed loop, wherever counting began", () => {
    const cluster = { devices: devicesOf(1, 2), functions: functionsOf(2, { hostMs: 7 }) };
    const clients = [{ function: 0 }, { function: 1 }];
    for (const countedFromMs of [100, 105, 112])
      expect(
        simulate({ ...cluster, policy: lb, clients, countedFromMs, closedUntilMs: 200 }).closedLoopRate,
      ).toBeCloseTo(2_000 / 17);
  });

  it("counts a client that is answered at times as often as it was", () => {
    const [devices, functions] = [devicesOf(1, 1), functionsOf(8, { occupancy: 1 })];
    const clients = functions.map((_, i) => ({ function: i }));
    const options = { devices, functions, clients, countedFromMs: 1_000, closedUntilMs: 31_000 };
    const outcomes = simulate({ ...options, policy: schedulingPolicies["mqfq-sticky"] });
    expect(Math.min(...outcomes.latenciesByFunction().map((all) => all.length))).toBeLessThan(100);
    expect(Math.abs(outcomes.closedLoopRate / (outcomes.answers / 30) - 1)).toBeLessThan(0.01);
  });

  it("loads for as long as is drawn", () => {
    const functions = functionsOf(1);
    const arrivals = { timesMs: Float64Array.of(0), functionOf: Uint32Array.of(0) };
    const options = { policy: lb, devices: devicesOf(1, 1), functions, arrivals };
    const [aloneMs, doubledMs] = [1, 2].map((times) =>
      Number(simulate({ ...options, loadNoise: () => times }).latencies()[0]),
    );
    expect(aloneMs).toBeCloseTo(300 / 20 + 10);
    expect(doubledMs! - aloneMs!).toBeCloseTo(300 / 20);
  });

  /** One device that holds the one function: a queue with one server. */
  const served = { policy: lb, devices: devicesOf(1, 1), functions: functionsOf(1, { occupancy: 1 }) };
  const load = 0.7;
  const perMs = load / 10;

  it("waits as long as M/D/1 does: within 5 %", () => {
    const outcomes = simulate({ ...served, arrivals: callsOf(1, perMs, 1e6) });
    const waitMs = mean(outcomes.latencies()) - 10;
    const theoryMs = (load * 10) / (2 * (1 - load));
    expect(Math.abs(waitMs / theoryMs - 1)).toBeLessThan(0.05);
    expect(Math.abs(outcomes.utilisation / load - 1)).toBeLessThan(0.02);
  });

  it("waits as long as M/M/1 does where runs are drawn: within 5 %", () => {
    const random = randomStream(2, 0);
    const noise = () => exponentialGap(random, 1);
    const latencies = simulate({ ...served, arrivals: callsOf(1, perMs, 2e6), noise }).latencies();
    expect(Math.abs(mean(latencies) / (10 / (1 - load)) - 1)).toBeLessThan(0.05);
  });

  it("has as many in it as come in the time that one stays (Little's law)", () => {
    const outcomes = simulate({
      ...{ ...served, clients: Array.from({ length: 5 }, () => ({ function: 0 })), closedUntilMs: 100_000 },
      ...{ functions: functionsOf(1, { occupancy: 1, hostMs: 20 }), countedFromMs: 1_000 },
    });
    // Five clients stay in it all the time, before, on and after the device.
    const perMsAnswered = outcomes.answers / 99_000;
    expect(perMsAnswered * mean(outcomes.latencies())).toBeCloseTo(5, 1);
  });

  it("leaves out of its figures what came before it is to count, and counts it else", () => {
    const functions = functionsOf(1);
    const arrivals = { timesMs: Float64Array.of(0, 500), functionOf: Uint32Array.of(0, 0) };
    const all = simulate({ ...served, functions, arrivals });
    expect([all.latencies().length, all.missRatio, all.answers]).toEqual([2, 0.5, 2]);
    const later = simulate({ ...served, functions, arrivals, countedFromMs: 100 });
    expect([later.latencies().length, later.missRatio, later.answers]).toEqual([1, 0, 1]);
  });

  it("keeps cells apart: what one holds up does not wait in another", () => {
    const functions = functionsOf(2, { occupancy: 1 });
    const burst = { timesMs: new Float64Array(21), functionOf: new Uint32Array(21) };
    burst.functionOf[20] = 1;
    const devices = devicesOf(2, 1);
    const cells = { ofDevice: [0, 1], ofFunction: [0, 1] };
    const apart = simulate({ policy: lb, devices, functions, arrivals: burst, cells }).latenciesByFunction();
    // 15 ms of loading, 10 of running.
    expect(apart[1]![0]).toBeCloseTo(25, 6);
    expect(apart[0]!.at(-1)).toBeCloseTo(15 + 200, 6);
    const together = simulate({ policy: lb, devices, functions, arrivals: burst }).latenciesByFunction();
    expect(together[0]!.at(-1)).toBeLessThan(15 + 200);
    expect(together[1]![0]).toBeGreaterThan(25);
  });
});
