/** The scheduling policies by name. */
import type { SchedulingPolicy } from "../core/policy.ts";
import { kaasBalance } from "./kaas-balance.ts";
import { kaasCfs } from "./kaas-cfs.ts";
import { kaasExclusive } from "./kaas-exclusive.ts";
import { kaasStatic } from "./kaas-static.ts";
import { lalb, lalbo3 } from "./lalb.ts";
import { lb } from "./lb.ts";
import { simpleSwap, torpor } from "./torpor.ts";

export const schedulingPolicies = {
  lb,
  lalb,
  lalbo3,
  torpor,
  "simple-swap": simpleSwap,
  "kaas-balance": kaasBalance,
  "kaas-cfs": kaasCfs,
  "kaas-exclusive": kaasExclusive,
  "kaas-static": kaasStatic,
} as const satisfies Readonly<Record<string, SchedulingPolicy>>;

export type SchedulingPolicyName = keyof typeof schedulingPolicies;

export const schedulingPolicyNames = Object.keys(schedulingPolicies) as SchedulingPolicyName[];
