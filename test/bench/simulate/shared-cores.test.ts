import { describe, expect, test } from "vitest";
import { gridOf } from "../../../bench/simulate/cluster-model.ts";
import { type Slowness, slownessFrom } from "../../../bench/simulate/shared-cores.ts";
import { simulate } from "../../../bench/simulate/simulation.ts";
import { lb } from "../../../gateway/scheduler/policies/lb.ts";

const devices = gridOf({
  ...{ nodes: 1, devicesPerNode: 2, devicesPerBus: 2, budgetBytes: 1_000, loadBytesPerMs: 10 },
});
const functions = [0, 1].map((i) => ({ id: `f${i}`, tenant: "", weightBytes: 100, runMs: 20 }));
const alike: Slowness = { runs: (n) => n, loads: (n) => n };
/** Each function once to bring it in, then both at the same time. */
const arrivals = {
  timesMs: Float64Array.from([0, 100, 200, 200]),
  functionOf: Uint32Array.from([0, 1, 0, 1]),
};

function latencies(slowness?: Slowness): readonly number[] {
  const options = { policy: lb, devices, functions, arrivals };
  return [...simulate({ ...options, ...(slowness && { slowness }) }).latencies()];
}

describe("devices that share processors", () => {
  test("take as much longer together as was measured, and as long as ever alone", () => {
    expect(latencies()).toEqual([20, 20, 30, 30]);
    const slowed = latencies({ runs: (n) => (n === 2 ? 1.5 : 1), loads: () => 1 });
    expect(slowed.map((ms) => Math.round(ms * 1e6) / 1e6)).toEqual([30, 30, 30, 30]);
  });

  test("go on at full speed when the other is done", () => {
    // 10 ms beside each other at half the speed, then what is left of 20 ms alone.
    const uneven = [functions[0]!, { ...functions[1]!, runMs: 5 }];
    const outcomes = simulate({ policy: lb, devices, functions: uneven, arrivals, slowness: alike });
    expect(outcomes.latenciesByFunction()[0]!.at(0)).toBeCloseTo(25, 6);
    expect(outcomes.latenciesByFunction()[1]!.at(0)).toBeCloseTo(10, 6);
  });

  test("leave the less to HTTP the more of them compute for others when a call is answered", () => {
    const hosted = functions.map((one, i) => ({ ...one, hostMs: 1, runMs: i === 0 ? 20 : 5 }));
    const slowness = { runs: () => 1, loads: () => 1, host: (others: number) => 1 + 2 * others };
    const outcomes = simulate({ policy: lb, devices, functions: hosted, arrivals, slowness });
    // The second time one ends while the other runs, which ends when nothing does.
    expect(outcomes.latenciesByFunction().map((all) => all[0])).toEqual([21, 8]);
  });

  test("load with a processor each, and not with a part of a bus", () => {
    const atOnce = { timesMs: Float64Array.from([0, 0]), functionOf: Uint32Array.from([0, 1]) };
    const options = { policy: lb, devices, functions, arrivals: atOnce };
    expect([...simulate(options).latencies()]).toEqual([40, 40]);
    const loading = (slower: number) => {
      const slowness = { runs: () => 1, loads: (n: number) => (n === 2 ? slower : 1) };
      return [...simulate({ ...options, slowness }).latencies()];
    };
    expect(loading(1)).toEqual([30, 30]);
    expect(loading(3)).toEqual([50, 50]);
  });
});

describe("slownessFrom", () => {
  test("gives what was measured, what lies between, and beyond it in proportion", () => {
    const slownessOf = slownessFrom([1, 1.2, 3]);
    expect([1, 2, 3, 6].map(slownessOf)).toEqual([1, 1.2, 3, 6]);
    expect(slownessOf(2.5)).toBeCloseTo(2.1, 9);
  });
});
