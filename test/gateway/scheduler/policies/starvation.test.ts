import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createScheduler, type Scheduler } from "../../../../gateway/scheduler/core/scheduler.ts";
import { lalbo3, lalbo3With } from "../../../../gateway/scheduler/policies/lalb.ts";
import { deviceSpec, functionSpec, requestSpec } from "../core/specs.ts";

/** Devices that hold one function each. They load so fast, and the clock stands, that nobody waits for a busy one. */
class Crowd {
  /** By request: how many that came later began earlier. */
  readonly overtaken = new Map<number, number>();
  readonly #scheduler: Scheduler;
  readonly #waiting = new Set<number>();
  readonly #running: { readonly run: number; readonly device: string; readonly function: string }[] = [];
  #last = 0;

  constructor(limit: number | undefined, devices: number) {
    this.#scheduler = createScheduler(limit === undefined ? lalbo3 : lalbo3With(limit));
    for (const id of ["f0", "f1", "f2"])
      this.#step({ type: "function", function: functionSpec(id, { weightBytes: 60 }) });
    for (let i = 0; i < devices; i++)
      this.#step({ type: "device-up", device: deviceSpec(`d${i}`, { loadBytesPerMs: 1e9 }) });
  }

  arrive(fn: string): void {
    this.#waiting.add(++this.#last);
    this.overtaken.set(this.#last, 0);
    this.#step({ type: "arrival", request: requestSpec(this.#last, fn) });
  }

  /** @returns false where nothing runs. */
  end(pick: number): boolean {
    const [ended] = this.#running.splice(pick % Math.max(1, this.#running.length), 1);
    if (ended === undefined) return false;
    this.#step({ type: "loaded", device: ended.device, function: ended.function });
    this.#step({ type: "ended", run: ended.run, runMs: 10 });
    return true;
  }

  #step(event: Parameters<Scheduler["step"]>[0]): void {
    for (const action of this.#scheduler.step(event, 0)) {
      if (action.type !== "run") continue;
      const [request] = action.requests;
      this.#running.push(action);
      this.#waiting.delete(request!);
      for (const other of this.#waiting)
        if (other < request!) this.overtaken.set(other, this.overtaken.get(other)! + 1);
    }
  }
}

/** Beside calls of f0, which a device holds, one of f1. */
function overtakenBesideLocalCalls(limit: number | undefined, calls: number): number {
  const crowd = new Crowd(limit, 1);
  crowd.arrive("f0");
  crowd.arrive("f1");
  for (let i = 0; i < calls; i++) {
    crowd.arrive("f0");
    crowd.end(0);
  }
  return crowd.overtaken.get(2)!;
}

describe("LALBO3", () => {
  it("lets as many past a request as its limit says, and then serves it", () => {
    expect(overtakenBesideLocalCalls(undefined, 100)).toBe(25);
    expect(overtakenBesideLocalCalls(3, 100)).toBe(3);
    // In the control case nothing holds the others up.
    expect(overtakenBesideLocalCalls(1_000, 100)).toBe(100);
  });

  it("lets no more past any request, whatever comes, on however many devices", () => {
    let most = 0;
    const steps = fc.array(fc.tuple(fc.constantFrom("f0", "f0", "f0", "f1", "f2"), fc.boolean(), fc.nat(9)), {
      minLength: 30,
      maxLength: 120,
    });
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        steps,
        (limit, devices, all) => {
          const crowd = new Crowd(limit, devices);
          for (const [fn, ends, pick] of all) {
            crowd.arrive(fn);
            if (ends) crowd.end(pick);
          }
          while (crowd.end(0));
          const times = Math.max(...crowd.overtaken.values());
          expect(times).toBeLessThanOrEqual(limit);
          most = Math.max(most, times);
        },
      ),
      { numRuns: 200, seed: 1 },
    );
    expect(most).toBe(4);
  });
});
