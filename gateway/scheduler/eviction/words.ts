/** Quantities in the reasons of evictions. */
import { lastTouchedMs, type Resident } from "./policy.ts";

/** `340 ms`, `41.2 s`, `12 min`, `5.1 h` */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}

/** `idle for 41.2 s` */
export function idleText(resident: Resident, nowMs: number): string {
  return `idle for ${formatDuration(Math.max(0, nowMs - lastTouchedMs(resident)))}`;
}

/** `2.5 uses a minute` */
export function rateText({ usesPerSecond }: Resident): string {
  const perMinute = usesPerSecond * 60;
  if (perMinute > 0 && perMinute < 0.01) return "less than 0.01 uses a minute";
  return `${Number(perMinute.toPrecision(2))} uses a minute`;
}
