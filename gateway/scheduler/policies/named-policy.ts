/** A scheduling policy put together by name, as `serve` and an event log state it: the same statement, the same policy. */
import { DawnletError } from "../../../kernels/errors.ts";
import type { LoggedPolicy } from "../core/event-log.ts";
import type { SchedulingPolicy } from "../core/policy.ts";
import { evictionPolicies } from "../eviction/policies.ts";
import { deadlineWith } from "./deadline/deadline.ts";
import { schedulingPolicies } from "./policies.ts";

/** @throws DawnletError INVALID_ARGUMENT for a name that is unknown, with those that there are. */
export function namedPolicy({ policy, eviction, queueLimit }: LoggedPolicy): SchedulingPolicy {
  const named = byName(schedulingPolicies, policy, "scheduling");
  if (policy !== "deadline") return named;
  return deadlineWith({
    ...(eviction !== undefined && { eviction: byName(evictionPolicies, eviction, "eviction") }),
    ...(queueLimit !== undefined && { queueLimit }),
  });
}

function byName<T>(policies: Readonly<Record<string, T>>, name: string, kind: string): T {
  const policy = Object.hasOwn(policies, name) ? policies[name] : undefined;
  if (policy !== undefined) return policy;
  throw new DawnletError(
    "INVALID_ARGUMENT",
    `Cannot find the ${kind} policy '${name}': there are ${Object.keys(policies).join(", ")}`,
  );
}
