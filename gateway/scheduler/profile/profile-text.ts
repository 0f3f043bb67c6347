/** A profile as text for the terminal: a table of quota and share for each batch size. */
import { tableLines } from "../../text.ts";
import { configurationsOf, efficiencyOf, mostEfficient } from "./configurations.ts";
import type { Profile, ProfilePoint } from "./profile.ts";

/** As measured: calls a second, and the 98th percentile of the latency in parentheses; inferred ones behind a tilde. */
export function profileLines(profile: Profile): readonly string[] {
  const values = (of: "quota" | "share" | "batch") =>
    [...new Set(profile.points.map((point) => point[of]))].sort((a, b) => a - b);
  const quotas = values("quota");
  const cell = (quota: number, share: number, batch: number) => {
    const point = profile.points.find(
      (one) => one.quota === quota && one.share === share && one.batch === batch,
    );
    return point ? `${markOf(point)}${shortNumber(point.throughput)} (${shortNumber(point.p98Ms)})` : "";
  };
  const lines = [`${profile.function} on ${profile.device}: calls a second (p98 in ms)`];
  for (const batch of values("batch")) {
    const heading = ["share", ...quotas.map((quota) => `${percent(quota)} of time`)];
    const rows = values("share").map((share) => [
      percent(share),
      ...quotas.map((quota) => cell(quota, share, batch)),
    ]);
    lines.push("", `batch ${batch}`, ...tableLines([heading, ...rows]));
  }
  const best = mostEfficient(configurationsOf(profile));
  if (best !== undefined) {
    lines.push(
      "",
      `most efficient: ${percent(best.quota)} of time, ${percent(best.share)} of space, batch ${best.batch}: ` +
        `${shortNumber(efficiencyOf(best))} calls a second for a whole device's worth`,
    );
  }
  return lines;
}

/** Stands before figures that were inferred. */
export function markOf({ runs }: Pick<ProfilePoint, "runs">): "~" | "" {
  return runs === 0 ? "~" : "";
}

/** `12 %`, `1.6 %` */
export function percent(part: number): string {
  return `${Number((part * 100).toPrecision(2))} %`;
}

/** `0.031`, `4.1`, `312`, `12.4k`: three significant digits. */
export function shortNumber(value: number): string {
  const abs = Math.abs(value);
  if (abs >= 999_500) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (abs >= 9_995) return `${Number((value / 1e3).toPrecision(3))}k`;
  return String(Number(value.toPrecision(abs >= 1000 ? 4 : 3)));
}
