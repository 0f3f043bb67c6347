/** A measured profile as text for the terminal: the tables of any profile, and below them what the figures rest on. */
import type { MeasuredProfile } from "./measured-profile.ts";
import { percent, profileLines } from "./profile-text.ts";

/** At less than this, others change the figures by no more than they scatter. */
const quietBusy = 0.02;

export function measuredLines(profile: MeasuredProfile): readonly string[] {
  return [...profileLines(profile), "", ...basisLines(profile)];
}

function basisLines({ points, notes, windowMs }: MeasuredProfile): readonly string[] {
  const lanes = Math.max(...points.map((point) => point.lanes));
  const measured = points.filter(({ runs }) => runs > 0);
  const inferred = points.length - measured.length;
  const fewest = Math.min(...measured.map(({ runs }) => runs));
  const busy = Math.max(...measured.map(({ othersBusy }) => othersBusy));
  return [
    `space: 100 % is ${lanes === 1 ? "one run at a time" : `${lanes} runs side by side`}`,
    `time: kept by pauses between runs, over ${windowMs} ms`,
    `measured: ${measured.length} figures of ${fewest} runs or more`,
    ...(inferred > 0
      ? [`inferred (~): ${inferred} figures, from those with all of the time in proportion, as time was up`]
      : []),
    ...(busy >= quietBusy
      ? [`others had the device for up to ${percent(busy)} of the time: alone it may be faster than shown`]
      : []),
    ...notes.map((note) => `note: ${note}`),
  ];
}
