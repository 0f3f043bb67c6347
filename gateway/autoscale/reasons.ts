/** Why weights come and go, for the log and for who asks what left a device. They name no other function. */
import { formatDuration } from "../scheduler/eviction/words.ts";
import type { VersionDemand } from "./version-demand.ts";

export function reasonToCome({ rate, idleMs, window, owner }: VersionDemand): string {
  if (owner.settings.pin) return "it is pinned";
  if (idleMs > 0 && window.backAfterMs > 0) return "its next call is expected";
  return `${callsText(rate)} are forecast`;
}

export function reasonToLeave({ tier, rate, idleMs, window }: VersionDemand): string {
  if (tier === "device") return `${callsText(rate)} need no such part of it`;
  const idle = `nobody has called it for ${formatDuration(idleMs)}`;
  if (idleMs >= window.backAfterMs) return idle;
  return `${idle}, and its next call is expected in ${formatDuration(window.backAfterMs - idleMs)} or later`;
}

function callsText(rate: number): string {
  return `${Number(rate.toPrecision(3))} calls a second`;
}
