import { describe, expect, it } from "vitest";
import { createScheduler } from "../../../../gateway/scheduler/core/scheduler.ts";
import { deadline } from "../../../../gateway/scheduler/policies/deadline/deadline.ts";
import { namedPolicy } from "../../../../gateway/scheduler/policies/named-policy.ts";
import { schedulingPolicyNames } from "../../../../gateway/scheduler/policies/policies.ts";
import { deviceSpec, functionSpec, requestSpec } from "../core/specs.ts";

describe("namedPolicy()", () => {
  it.each(schedulingPolicyNames)("finds '%s'", (policy) => {
    expect(namedPolicy({ policy }).name).toBe(policy);
  });

  it("tells `deadline` how many may wait, and who leaves", () => {
    const full = createScheduler(namedPolicy({ policy: "deadline", queueLimit: 0 }));
    const roomy = createScheduler(deadline);
    for (const scheduler of [full, roomy]) {
      scheduler.step({ type: "device-up", device: deviceSpec("d") }, 0);
      scheduler.step({ type: "function", function: functionSpec("f") }, 0);
    }
    const arrival = { type: "arrival", request: requestSpec(1, "f") } as const;
    expect(full.step(arrival, 1)).toMatchObject([{ type: "reject", cause: "queue-full" }]);
    expect(roomy.step(arrival, 1)).toMatchObject([{ type: "run" }]);
    expect(evictionReason("lfu")).not.toBe(evictionReason("lru"));
  });

  it("names those that there are where a name is unknown", () => {
    expect(() => namedPolicy({ policy: "best" })).toThrow(
      /^Cannot find the scheduling policy 'best': there are deadline, lb, lalb, /,
    );
    expect(() => namedPolicy({ policy: "toString" })).toThrow("'toString'");
    expect(() => namedPolicy({ policy: "deadline", eviction: "mru" })).toThrow(
      "Cannot find the eviction policy 'mru': there are lru, lfu, torpor, cost",
    );
  });
});

/** Why the only one that can leave has to. */
function evictionReason(eviction: string): string {
  const scheduler = createScheduler(namedPolicy({ policy: "deadline", eviction }));
  scheduler.step({ type: "device-up", device: deviceSpec("d") }, 0);
  for (const id of ["f", "g"])
    scheduler.step({ type: "function", function: functionSpec(id, { weightBytes: 60 }) }, 0);
  scheduler.step({ type: "arrival", request: requestSpec(1, "f") }, 1);
  scheduler.step({ type: "loaded", device: "d", function: "f" }, 2);
  scheduler.step({ type: "ended", run: 1, runMs: 1 }, 3);
  const actions = scheduler.step({ type: "arrival", request: requestSpec(2, "g") }, 4);
  return actions.flatMap((one) => (one.type === "evict" ? [one.reason] : [])).join();
}
