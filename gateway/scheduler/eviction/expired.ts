/** Functions past their keepAlive: they go though nobody needs the room. */
import { isKeptAlive, mayGo, type Resident } from "./policy.ts";
import type { Eviction } from "./victims.ts";
import { formatDuration } from "./words.ts";

/** All whose keepAlive has ended and that may go, the longest past theirs first, then by id. */
export function expired(residents: readonly Resident[], nowMs: number): readonly Eviction[] {
  return residents
    .filter((resident) => mayGo(resident) && !isKeptAlive(resident, nowMs))
    .flatMap(({ id, keepUntilMs }) => (keepUntilMs === undefined ? [] : [{ id, keepUntilMs }]))
    .sort((a, b) => a.keepUntilMs - b.keepUntilMs || (a.id < b.id ? -1 : 1))
    .map(({ id, keepUntilMs }) => ({
      id,
      cause: "expired",
      reason: `its keepAlive ended ${formatDuration(nowMs - keepUntilMs)} ago`,
    }));
}
