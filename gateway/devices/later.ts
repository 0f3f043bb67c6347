/** A timer that keeps no process alive, and fires early rather than at once where the time is too long for one. */
export function later(ms: number, work: () => void): ReturnType<typeof setTimeout> {
  const timer = setTimeout(work, Math.min(ms, longestTimerMs));
  timer.unref();
  return timer;
}

/** Longer ones fire at once. */
const longestTimerMs = 2 ** 31 - 1;
