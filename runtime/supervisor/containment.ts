/**
 * What may be at the device, and when: jobs go at once while all is well, wait while the device is away, and after a
 * loss run again in an order that finds the guilty. Events in, decisions out: no clock, no process, no promise.
 *
 * After a loss the innocent run again together; then each suspect runs with nothing beside it; then what has arrived
 * meanwhile. So an innocent job is never lost for what another one does. A suspect that cannot run again leaves the
 * jobs of its subject on probation: they run with nothing beside them too, in turns with what else has arrived.
 */
import { judge, type Loss, type Suspect, type Verdict } from "./blame.ts";
import { Probation } from "./probation.ts";

/** Its fields change as the job is lost and sent. */
export interface Job extends Suspect {
  /** It reads what is on the device, and cannot run on another. */
  readonly isBound: boolean;
  /** It runs its subject, which only these put on probation. Others load or check one, or read what is there. */
  readonly isRun: boolean;
  losses: number;
  isAlone: boolean;
}

/** What becomes of the jobs that will not run again. */
export interface Failed<J> {
  readonly job: J;
  /** `gone`: what it was to read is. */
  readonly verdict: Extract<Verdict, "blamed" | "given-up"> | "gone";
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
  readonly #probation = new Probation();
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
  arrive(job: J, now: number): boolean {
    if (this.#isCalm && !this.#isOnProbation(job, now)) {
      this.#atDevice.add(job);
      return true;
    }
    this.#arrived.push(job);
    if (!this.#isCalm) return false;
    this.#isCalm = false;
    // Alone already, where nothing is at the device.
    return this.#next(now).includes(job);
  }

  /** A job has its answer. @param isWell it is not an error. @returns what is to be sent now. */
  finish(job: J, isWell: boolean, now: number): readonly J[] {
    this.#atDevice.delete(job);
    if (job.isAlone && job.isRun) this.#probation.passed(job.subject, isWell);
    return this.#isCalm ? nothing : this.#next(now);
  }

  /** The device can be used. @returns what is to be sent now. */
  up(now: number): readonly J[] {
    this.#isUp = true;
    return this.#next(now);
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
    const suspected = new Set<string>();
    for (const [job, judged] of verdicts) {
      job.losses++;
      job.isAlone = false;
      const isHopeless =
        judged === "again-alone" && loss.type !== "killed" && this.#isNotorious(job.subject, now);
      const verdict = isHopeless ? "given-up" : judged;
      const runsAgain = verdict === "again" || verdict === "again-alone";
      if (runsAgain && job.isBound) {
        failed.push({ job, verdict: "gone" });
        if (verdict === "again-alone" && loss.type !== "killed" && job.isRun) suspected.add(job.subject);
        continue;
      }
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
    for (const subject of suspected) this.#probation.suspect(subject, now);
    for (const job of this.#suspects.filter(({ subject }) => blamed.has(subject))) {
      if (this.#isNotorious(job.subject, now) && this.withdraw(job))
        failed.push({ job, verdict: "given-up" });
    }
    for (const job of [...this.#innocent, ...this.#suspects, ...this.#arrived])
      if (job.isBound && this.withdraw(job)) failed.push({ job, verdict: "gone" });
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

  #next(now: number): readonly J[] {
    if (!this.#isUp) return nothing;
    for (const job of this.#atDevice) if (job.isAlone) return nothing;
    const together = this.#innocent.splice(0);
    if (this.#suspects.length === 0) together.push(...this.#takeArrived(now));
    this.#isCalm = this.#suspects.length === 0;
    if (this.#isCalm || together.length > 0) return this.#send(together);
    if (this.#atDevice.size > 0) return nothing;
    const suspect = this.#suspects.shift()!;
    suspect.isAlone = true;
    return this.#send([suspect]);
  }

  /** Of each subject on probation one job becomes a suspect, the others stay. @returns those that go together. */
  #takeArrived(now: number): readonly J[] {
    const together: J[] = [];
    const subjects = new Set<string>();
    for (const job of this.#arrived.splice(0)) {
      if (!this.#isOnProbation(job, now)) together.push(job);
      else if (subjects.has(job.subject)) this.#arrived.push(job);
      else {
        subjects.add(job.subject);
        this.#suspects.push(job);
      }
    }
    return together;
  }

  #isOnProbation({ subject, isRun }: J, now: number): boolean {
    return isRun && this.#probation.isOn(subject, now);
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
