/**
 * Who is to blame when a device is lost: a pure decision over the jobs that were at the device. It sends nothing and
 * has no clock; containment.ts keeps the queues, device-process.ts the process.
 */

/** A job as far as blame goes. */
export interface Suspect {
  /** What the job runs. Jobs of one Program are suspected together. */
  readonly subject: string;
  /** Devices that were lost while the job was on them. */
  readonly losses: number;
  /** It was sent to an idle device on purpose, and no job was sent beside it. GPU sessions may have been there. */
  readonly isAlone: boolean;
}

/** How a device was lost. */
export type Loss<J> =
  /**
   * The device said that work did not end in time: a round, `overdue` were in it, `isAlone`: nothing else was; or,
   * where none of them were, that of a GPU session.
   */
  | { readonly type: "time-limit"; readonly overdue: ReadonlySet<J>; readonly isAlone: boolean }
  /** The process did not answer any more and was killed. */
  | { readonly type: "hang"; readonly sessions?: Sessions }
  /** The process ended by itself: `device.lost`, a fault of the driver. */
  | { readonly type: "crash"; readonly sessions?: Sessions }
  /** Somebody else killed the process: a person, or the system for want of memory. */
  | { readonly type: "killed" };

/** GPU sessions beside the jobs. `busy`: one of them may have had work there. */
export type Sessions = "none" | "idle" | "busy";

export type Verdict =
  /** It lost the device; it fails. */
  | "blamed"
  /** Innocent: it runs again, with others. */
  | "again"
  /** Suspected: it runs again with nothing beside it, so that a second loss finds who it was. */
  | "again-alone"
  /** Nothing is proven, but it has had its tries; it fails. */
  | "given-up";

/**
 * Times that a job is run at most. Twice is enough for most: with others, then alone. The third try is for those that
 * were innocent in the first loss, and so ran with others again, and for those whose process was killed from outside.
 */
export const maxTries = 3;

/** @param jobs all that were at the device. */
export function judge<J extends Suspect>(loss: Loss<J>, jobs: readonly J[]): Map<J, Verdict> {
  const blamed = new Set(jobs.filter((job) => isProven(loss, job, jobs)));
  const blamedSubjects = new Set([...blamed].map(({ subject }) => subject));
  const verdicts = new Map<J, Verdict>();
  for (const job of jobs) {
    const losses = job.losses + 1;
    if (blamed.has(job)) verdicts.set(job, "blamed");
    else if (losses >= maxTries) verdicts.set(job, "given-up");
    else if (losses > 1 || blamedSubjects.has(job.subject) || isSuspected(loss, job, blamed))
      verdicts.set(job, "again-alone");
    else verdicts.set(job, "again");
  }
  return verdicts;
}

function isProven<J extends Suspect>(loss: Loss<J>, job: J, jobs: readonly J[]): boolean {
  const isAlone = job.isAlone || jobs.length === 1;
  switch (loss.type) {
    case "time-limit":
      return loss.overdue.has(job) && (loss.isAlone || isAlone);
    case "hang":
      return (job.isAlone && loss.sessions !== "busy") || (isAlone && (loss.sessions ?? "none") === "none");
    case "crash":
      // A process may also end for reasons of its own: alone by chance is no proof, alone on purpose is.
      return job.isAlone && loss.sessions !== "busy";
    case "killed":
      // Out of memory time and again, with nothing else there: then it is no chance.
      return job.isAlone && job.losses + 1 >= maxTries;
    default:
      return loss satisfies never;
  }
}

function isSuspected<J extends Suspect>(loss: Loss<J>, job: J, blamed: ReadonlySet<J>): boolean {
  if (blamed.size > 0) return false;
  // Of a round that several were in, the device names each whose limit is over; a lone name says little of the others.
  if (loss.type === "time-limit" && loss.overdue.size !== 1) return loss.overdue.has(job);
  return true;
}
