/** The scheduling policies by name. */
import type { SchedulingPolicy } from "../core/policy.ts";
import { deadline } from "./deadline/deadline.ts";
import { fastGshare } from "./fast-gshare.ts";
import { fastTimeSharing } from "./fast-time-sharing.ts";
import { kaasBalance } from "./kaas-balance.ts";
import { kaasCfs } from "./kaas-cfs.ts";
import { kaasExclusive } from "./kaas-exclusive.ts";
import { kaasStatic } from "./kaas-static.ts";
import { keepAlive } from "./keep-alive.ts";
import { lalb, lalbo3 } from "./lalb.ts";
import { lb } from "./lb.ts";
import { mqfqSticky } from "./mqfq-sticky.ts";
import { native } from "./native.ts";
import { simpleSwap, torpor } from "./torpor.ts";

export const schedulingPolicies = {
  deadline,
  lb,
  lalb,
  lalbo3,
  torpor,
  "simple-swap": simpleSwap,
  native,
  "keep-alive": keepAlive,
  "kaas-balance": kaasBalance,
  "kaas-cfs": kaasCfs,
  "kaas-exclusive": kaasExclusive,
  "kaas-static": kaasStatic,
  "fast-time": fastTimeSharing,
  "fast-gshare": fastGshare,
  "mqfq-sticky": mqfqSticky,
} as const satisfies Readonly<Record<string, SchedulingPolicy>>;

export type SchedulingPolicyName = keyof typeof schedulingPolicies;

export const defaultScheduling: SchedulingPolicyName = "deadline";

export const schedulingPolicyNames = Object.keys(schedulingPolicies) as SchedulingPolicyName[];
