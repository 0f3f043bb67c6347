/**
 * Subjects whose jobs run with nothing beside them for a while: a job was suspected of having lost a device, and could
 * not run again to show whether it was its fault. So that the next loss is unambiguous the subject's next jobs run
 * alone, until some of them have ended well; for no more than so many jobs and so much time. No clock, no queues.
 */

/** Jobs that have to end well: one after the first suspicion, then twice as many with each that follows. */
const maxWell = 8;
/** Jobs that run alone at most, however they end: each keeps the others waiting. */
const maxJobs = 16;
const maxMs = 10 * 60_000;
/** Suspicions are counted together that are no further apart. */
const forgottenMs = 60 * 60_000;

interface Entry {
  suspicions: number;
  suspectedAt: number;
  wellLeft: number;
  jobsLeft: number;
}

export class Probation {
  readonly #entries = new Map<string, Entry>();

  /** One of its jobs is suspected, and will not run again. */
  suspect(subject: string, now: number): void {
    for (const [other, { suspectedAt }] of this.#entries)
      if (now - suspectedAt > forgottenMs) this.#entries.delete(other);
    const suspicions = (this.#entries.get(subject)?.suspicions ?? 0) + 1;
    const wellLeft = Math.min(maxWell, 2 ** (suspicions - 1));
    this.#entries.set(subject, { suspicions, suspectedAt: now, wellLeft, jobsLeft: maxJobs });
  }

  /** Whether its next job is to run alone. */
  isOn(subject: string, now: number): boolean {
    // The hot path: hardly ever is there any.
    if (this.#entries.size === 0) return false;
    const entry = this.#entries.get(subject);
    return (
      entry !== undefined && entry.wellLeft > 0 && entry.jobsLeft > 0 && now - entry.suspectedAt <= maxMs
    );
  }

  /** One of its jobs ran alone, and the device outlived it. @param isWell it was answered, and not with an error. */
  passed(subject: string, isWell: boolean): void {
    const entry = this.#entries.get(subject);
    if (entry === undefined) return;
    entry.jobsLeft--;
    if (isWell) entry.wellLeft--;
  }
}
