/**
 * What may be at the device, and when: jobs go at once while all is well, wait while the device is away, and after a
 * loss run again in an order that finds the guilty. Events in, decisions out: no clock, no process, no promise.
 *
 * After a loss the innocent run again together; then each suspect runs with nothing beside it; then what has arrived
 * meanwhile. So an innocent job is never lost for what another one does.
 */
import { judge, type Loss, type Suspect, type Verdict } from "./blame.ts";

/** Its fields change as the job is lost and sent. */
export interface Job extends Suspect {
  losses: number;
  isAlone: boolean;
}

/** What becomes of the jobs that will not run again. */
export interface Failed<J> {
  readonly job: J;
  readonly verdict: Extract<Verdict, "blamed" | "given-up">;
}

/** Jobs of a subject that was blamed this often lately are not run again: each costs the others another restart. */
const blamesBeforeGivingUp = 3;
const blamesForgottenMs = 60 * 60_000;

interface Blames {
  count: number;
  lastAt: number;
}

export class Containment<J extends Job> {
  readonly #atDevice = new Set<J>();
  /** To be run again together. */
  #innocent: J[] = [];
  /** To be run again one at a time. */
  #suspects: J[] = [];
  #arrived: J[] = [];
  readonly #blames = new Map<string, Blames>();
  #isUp = false;
  /** Jobs go to the device as they come. */
  #isCalm = false;

  get atDevice(): ReadonlySet<J> {
    return this.#atDevice;
  }

  /** Nothing has to run alone, or again: what comes goes to the device at once. */
  get isCalm(): boolean {
    return this.#isCalm;
  }

  /** Jobs that wait for the device or their turn. */
  get waiting(): number {
    return this.#innocent.length + this.#suspects.length + this.#arrived.length;
  }

  /** @returns whether the job is to be sent now; otherwise a later call gives it back. */
  arrive(job: J): boolean {
    if (this.#isCalm) this.#atDevice.add(job);
    else this.#arrived.push(job);
    return this.#isCalm;
  }

  /** A job has its answer, good or bad. @returns what is to be sent now. */
  finish(job: J): readonly J[] {
    this.#atDevice.delete(job);
    return this.#isCalm ? nothing : this.#next();
  }

  /** The device can be used. @returns what is to be sent now. */
  up(): readonly J[] {
    this.#isUp = true;
    return this.#next();
  }

  /** The device is not to be used any more; `lose` will say why. What is at it may still finish. */
  down(): void {
    this.#isUp = false;
    this.#isCalm = false;
  }

  /** The device is gone. @returns the jobs that fail; the others run again when it is back. */
  lose(loss: Loss<J>, now: number): readonly Failed<J>[] {
    this.down();
    const verdicts = judge(loss, [...this.#atDevice]);
    this.#atDevice.clear();
    const blamed = new Set(
      [...verdicts].flatMap(([{ subject }, one]) => (one === "blamed" ? [subject] : [])),
    );
    for (const subject of blamed) this.#noteBlame(subject, now);
    const failed: Failed<J>[] = [];
    for (const [job, judged] of verdicts) {
      job.losses++;
      job.isAlone = false;
      const isHopeless =
        judged === "again-alone" && loss.type !== "killed" && this.#isNotorious(job.subject, now);
      const verdict = isHopeless ? "given-up" : judged;
      switch (verdict) {
        case "again":
          this.#innocent.push(job);
          break;
        case "again-alone":
          this.#suspects.push(job);
          break;
        case "blamed":
        case "given-up":
          failed.push({ job, verdict });
          break;
        default:
          verdict satisfies never;
      }
    }
    for (const job of this.#suspects.filter(({ subject }) => blamed.has(subject))) {
      if (this.#isNotorious(job.subject, now) && this.withdraw(job))
        failed.push({ job, verdict: "given-up" });
    }
    // Those that were never blamed are probably innocent, and should not wait for another loss.
    this.#suspects.sort((a, b) => this.#blameCount(a.subject, now) - this.#blameCount(b.subject, now));
    return failed;
  }

  /** Takes a job that waits out of the queues. @returns false where it does not wait. */
  withdraw(job: J): boolean {
    for (const queue of [this.#innocent, this.#suspects, this.#arrived]) {
      const index = queue.indexOf(job);
      if (index < 0) continue;
      queue.splice(index, 1);
      return true;
    }
    return false;
  }

  /** Takes all that wait and are meant out of the queues. @returns them. */
  withdrawAll(isMeant: (job: J) => boolean): readonly J[] {
    const meant = [...this.#innocent, ...this.#suspects, ...this.#arrived].filter(isMeant);
    return meant.filter((job) => this.withdraw(job));
  }

  /** Empties the queues and forgets what is at the device. @returns all jobs. */
  clear(): readonly J[] {
    this.down();
    const all = [...this.#atDevice, ...this.#innocent, ...this.#suspects, ...this.#arrived];
    this.#atDevice.clear();
    this.#innocent = [];
    this.#suspects = [];
    this.#arrived = [];
    return all;
  }

  #next(): readonly J[] {
    if (!this.#isUp) return nothing;
    for (const job of this.#atDevice) if (job.isAlone) return nothing;
    const innocent = this.#innocent.splice(0);
    if (this.#suspects.length === 0) {
      this.#isCalm = true;
      return this.#send([...innocent, ...this.#arrived.splice(0)]);
    }
    if (innocent.length > 0) return this.#send(innocent);
    if (this.#atDevice.size > 0) return nothing;
    const suspect = this.#suspects.shift()!;
    suspect.isAlone = true;
    return this.#send([suspect]);
  }

  #send(jobs: J[]): readonly J[] {
    for (const job of jobs) this.#atDevice.add(job);
    return jobs;
  }

  #noteBlame(subject: string, now: number): void {
    for (const [one, { lastAt }] of this.#blames)
      if (now - lastAt > blamesForgottenMs) this.#blames.delete(one);
    const count = this.#blameCount(subject, now) + 1;
    this.#blames.set(subject, { count, lastAt: now });
  }

  #blameCount(subject: string, now: number): number {
    const blames = this.#blames.get(subject);
    return blames === undefined || now - blames.lastAt > blamesForgottenMs ? 0 : blames.count;
  }

  #isNotorious(subject: string, now: number): boolean {
    return this.#blameCount(subject, now) >= blamesBeforeGivingUp;
  }
}

const nothing: readonly never[] = [];
