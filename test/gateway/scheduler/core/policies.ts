/** The scheduling policies that every property is tested with; a new one is added here. */
import type { SchedulingPolicy } from "../../../../gateway/scheduler/core/policy.ts";
import { deadline, deadlineWith } from "../../../../gateway/scheduler/policies/deadline/deadline.ts";
import { lalb, lalbo3, lalbo3With } from "../../../../gateway/scheduler/policies/lalb.ts";
import { lb } from "../../../../gateway/scheduler/policies/lb.ts";
import { wild } from "./wild-policy.ts";

export interface PolicyUnderTest {
  readonly label: string;
  readonly policy: SchedulingPolicy;
  /** It runs what it can: false for one that may leave everything idle for no reason. */
  readonly isDiligent: boolean;
}

const diligent = (policy: SchedulingPolicy, label = policy.name): PolicyUnderTest => ({
  label,
  policy,
  isDiligent: true,
});

export const policiesUnderTest: readonly PolicyUnderTest[] = [
  diligent(deadline),
  diligent(deadlineWith({ queueLimit: 3 }), "deadline with a limit of 3"),
  diligent(lb),
  diligent(lalb),
  diligent(lalbo3),
  diligent(lalbo3With(1), "lalbo3 with a limit of 1"),
  { label: "a wild policy", policy: wild(false), isDiligent: false },
  { label: "a wild policy that shares devices", policy: wild(true), isDiligent: false },
];
