/**
 * What is asked of a device process, from its arrival to its answer: sent, kept while the device is away, sent again or
 * failed after a loss, given up when nobody waits any more. Which job goes when, and who is to blame, containment.ts
 * decides; the process itself is the matter of device-process.ts.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { abortError } from "../port/abort-error.ts";
import type { Loss, Sessions } from "./blame.ts";
import { Containment, type Job } from "./containment.ts";
import type { LossCause } from "./incident.ts";
import { lossError } from "./loss-words.ts";
import { isUnknownProgram, type OpenedDevice } from "./opened-device.ts";
import { defaultTimeLimitMs } from "./time-limit.ts";

export interface DeviceWork<T> {
  /** What is run; see `Suspect.subject`. */
  readonly subject: string;
  /** Left out: the default. */
  readonly timeLimitMs?: number;
  readonly send: (device: OpenedDevice) => Promise<T>;
  /** Aborting gives up what waits for the device; what has been sent runs to its end. */
  readonly signal?: AbortSignal | undefined;
  /** See `Job`; both are false where they are left out. */
  readonly isBound?: boolean;
  readonly isRun?: boolean;
}

/** What jobs have to do with the process. */
export interface JobEvents {
  /** One was sent. */
  sent(): void;
  /** The device has given one its answer. */
  answered(): void;
  /** One waits. @returns why that is of no use; undefined where a device comes. */
  needed(): DawnletError | undefined;
  /** The device said of itself that it cannot be used any more. */
  broken(cause: LossCause, reason: string): void;
  /** Nothing has to run alone, or again, any more. */
  calm(): void;
}

/** What a loss did to the jobs. */
export interface JobLosses {
  /** Jobs that were at the device. */
  readonly atDevice: number;
  /** Subjects of those that lost it. */
  readonly blamed: readonly string[];
  /** Those that fail though nothing is proven, and those that run again. */
  readonly givenUp: number;
  readonly rerun: number;
}

interface DeviceJob extends Job {
  readonly timeLimitMs: number;
  readonly signal: AbortSignal | undefined;
  /** Where it was sent; undefined while it waits. Answers of another device are not its own any more. */
  device: OpenedDevice | undefined;
  /** Its Program was forgotten under it, which happens once at most. */
  wasForgotten: boolean;
  send(device: OpenedDevice): void;
  reject(error: unknown): void;
}

export class DeviceJobs {
  readonly #on: JobEvents;
  readonly #containment = new Containment<DeviceJob>();
  /** From `up` to the end of its process. */
  #device: OpenedDevice | undefined;
  /** Those whose limit was over, and whether nothing was beside them. */
  readonly #overdue = new Set<DeviceJob>();
  #wasOverdueAlone = false;

  constructor(on: JobEvents) {
    this.#on = on;
  }

  /** Jobs at the device. */
  get atDevice(): number {
    return this.#containment.atDevice.size;
  }

  /** Nothing has to run alone, or again. */
  get isCalm(): boolean {
    return this.#containment.isCalm;
  }

  /** Of what is at the device; 0 where that is nothing. */
  get longestLimitMs(): number {
    let longest = 0;
    for (const { timeLimitMs } of this.#containment.atDevice) longest = Math.max(longest, timeLimitMs);
    return longest;
  }

  /** @throws what `send` throws; TIME_LIMIT_EXCEEDED, DEVICE_LOST as DeviceProcess.run; what `needed` says. */
  do<T>({
    subject,
    timeLimitMs = defaultTimeLimitMs,
    send,
    signal,
    isBound = false,
    isRun = false,
  }: DeviceWork<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const job: DeviceJob = {
        subject,
        timeLimitMs,
        signal,
        isBound,
        isRun,
        losses: 0,
        isAlone: false,
        wasForgotten: false,
        device: undefined,
        send: (device) => {
          send(device).then(
            (value) => {
              if (job.device !== device) return;
              this.#finish(job, true);
              resolve(value);
            },
            (error: unknown) => this.#failed(job, device, error),
          );
        },
        reject,
      };
      if (this.#containment.arrive(job, performance.now())) this.#send(job);
      else this.#wait(job);
    });
  }

  /** The device can be used. */
  up(device: OpenedDevice): void {
    this.#device = device;
    this.#overdue.clear();
    for (const job of this.#containment.up(performance.now())) this.#send(job);
  }

  /** The device is not to be used any more. What is at it may still finish. */
  down(): void {
    this.#containment.down();
  }

  /** The process is gone; where that was not wanted, `lose` will say why. */
  gone(): void {
    this.#device = undefined;
  }

  /** Judges who has lost the device: some jobs fail, the others wait for the next. */
  lose(cause: LossCause, sessions: Sessions): JobLosses {
    const jobs = [...this.#containment.atDevice];
    const loss = this.#lossOf(cause, sessions);
    for (const job of jobs) job.device = undefined;
    const failed = this.#containment.lose(loss, performance.now());
    const blamed = failed.filter(({ verdict }) => verdict === "blamed").map(({ job }) => job.subject);
    const runAgain = new Set(jobs);
    for (const { job } of failed) runAgain.delete(job);
    for (const one of failed) one.job.reject(lossError(one, cause));
    for (const job of runAgain) this.#giveUpOnAbort(job);
    return {
      atDevice: jobs.length,
      blamed,
      givenUp: failed.filter(({ verdict }) => verdict === "given-up").length,
      rerun: runAgain.size,
    };
  }

  /** No device comes. */
  rejectAll(error: unknown): void {
    for (const job of this.#containment.clear()) {
      job.device = undefined;
      job.reject(error);
    }
  }

  #lossOf(cause: LossCause, sessions: Sessions): Loss<DeviceJob> {
    switch (cause) {
      case "time-limit":
        return { type: cause, overdue: new Set(this.#overdue), isAlone: this.#wasOverdueAlone };
      case "hang":
      case "crash":
        return { type: cause, sessions };
      case "killed":
        return { type: cause };
      default:
        return cause satisfies never;
    }
  }

  #send(job: DeviceJob): void {
    const device = this.#device!;
    job.device = device;
    this.#on.sent();
    job.send(device);
  }

  /** The job has come while there is no device, or while others have their turn. */
  #wait(job: DeviceJob): void {
    const refusal = this.#on.needed();
    if (refusal === undefined) {
      this.#giveUpOnAbort(job);
      return;
    }
    this.#containment.withdraw(job);
    job.reject(refusal);
  }

  #giveUpOnAbort(job: DeviceJob): void {
    const { signal } = job;
    const giveUp = (): void => {
      if (this.#containment.withdraw(job)) job.reject(abortError(signal!, "run"));
    };
    if (signal?.aborted) giveUp();
    else signal?.addEventListener("abort", giveUp, { once: true });
  }

  #finish(job: DeviceJob, isWell: boolean): void {
    job.device = undefined;
    this.#on.answered();
    const { isCalm } = this.#containment;
    for (const next of this.#containment.finish(job, isWell, performance.now())) this.#send(next);
    if (!isCalm && this.#containment.isCalm) this.#on.calm();
  }

  #failed(job: DeviceJob, device: OpenedDevice, error: unknown): void {
    if (job.device !== device) return;
    const { code, details } = error instanceof DawnletError ? error : {};
    if (code === "TIME_LIMIT_EXCEEDED") {
      this.#overdue.add(job);
      this.#wasOverdueAlone = details?.isAlone === true;
      this.#on.broken("time-limit", `a run took longer than ${job.timeLimitMs} ms on it`);
    } else if (code === "DEVICE_LOST") {
      // It ends by itself now. Who is to blame is judged when it has.
      this.#on.broken("crash", "the device was lost");
    } else if (isUnknownProgram(error) && !job.wasForgotten && device.forget(job.subject)) {
      // A function with the same Program was removed between load and run.
      job.wasForgotten = true;
      job.send(device);
    } else {
      this.#finish(job, false);
      job.reject(error);
    }
  }
}
