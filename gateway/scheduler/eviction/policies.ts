/** The eviction policies by the name that `serve --eviction` takes. */
import { cost } from "./cost.ts";
import { lfu } from "./lfu.ts";
import { lru } from "./lru.ts";
import type { EvictionPolicy } from "./policy.ts";
import { torpor } from "./torpor.ts";

export const evictionPolicies = { lru, lfu, torpor, cost } as const satisfies Readonly<
  Record<string, EvictionPolicy>
>;

export type EvictionPolicyName = keyof typeof evictionPolicies;

export const defaultEviction: EvictionPolicyName = "cost";

export const evictionPolicyNames = Object.keys(evictionPolicies) as EvictionPolicyName[];
