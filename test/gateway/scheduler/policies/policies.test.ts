import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createScheduler } from "../../../../gateway/scheduler/core/scheduler.ts";
import {
  type SchedulingPolicyName,
  schedulingPolicies,
  schedulingPolicyNames,
} from "../../../../gateway/scheduler/policies/policies.ts";
import { anyCommands, anyFunctions, RandomPlay } from "./random-play.ts";

it("policies are found by the name that they bear", () => {
  for (const name of schedulingPolicyNames) expect(schedulingPolicies[name].name).toBe(name);
});

/** Under these a function has one device, or none: what can run elsewhere only is rejected. */
const ofOneDevice = new Set<SchedulingPolicyName>(["native", "kaas-static", "fast-time", "fast-gshare"]);

describe.each(schedulingPolicyNames)("%s, whatever happens,", (name) => {
  const policy = schedulingPolicies[name];
  const refusals = ofOneDevice.has(name) ? "any" : "of the homeless";

  it("runs each request once, evicts nothing in use, keeps to budgets, and leaves nothing waiting", () => {
    fc.assert(
      fc.property(anyFunctions, anyCommands, (functions, commands) => {
        const play = new RandomPlay(policy, functions, refusals);
        for (const command of commands) play.do(command);
        play.finish();
        expect([...play.waiting]).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });

  it("does the same again for the same events", () => {
    fc.assert(
      fc.property(anyFunctions, anyCommands, (functions, commands) => {
        const play = new RandomPlay(policy, functions, refusals);
        for (const command of commands) play.do(command);
        const again = createScheduler(policy);
        expect(play.log.map(({ now, event }) => again.step(event, now))).toEqual(play.actions);
      }),
      { numRuns: 30 },
    );
  });
});
