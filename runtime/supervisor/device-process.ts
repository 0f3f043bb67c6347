/**
 * The device process as a gateway uses it: started at once, started again when it is lost, killed when it hangs. What
 * ran on a lost device runs again, unless it is to blame. Which jobs go when is decided in containment.ts; what is
 * loaded, in opened-device.ts.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { DeviceDescription, DeviceMemory, LoadTiming, ShaderError } from "../device/api.ts";
import { deviceEntry, deviceProcessOptions, deviceStreams } from "../device/entry.ts";
import { DeviceClient, type OpenParams } from "../device/protocol.ts";
import type { GroupUsage } from "../device/session-messages.ts";
import type { UploadChoice } from "../device/upload-path.ts";
import type { Platform } from "../platform/platform.ts";
import { abortError } from "../port/abort-error.ts";
import type { Loss } from "./blame.ts";
import { Child, type ChildEnd } from "./child.ts";
import { Containment, type Job } from "./containment.ts";
import { DeviceStart, type LostDevice } from "./device-start.ts";
import {
  type DeviceTensor,
  type DeviceValue,
  deviceValue,
  isDeviceTensor,
  runInput,
  tensorGone,
} from "./device-tensor.ts";
import type { GpuLink, GpuSessionOptions, OpenLink } from "./gpu-link.ts";
import { GpuSessions } from "./gpu-sessions.ts";
import { Heartbeat } from "./heartbeat.ts";
import { type DeviceHealth, HealthRecord, type Incident, type LossCause } from "./incident.ts";
import { endingOf, isDeviceLoss, lossError, wasEndedFromOutside } from "./loss-words.ts";
import { type DeviceRun, isUnknownProgram, OpenedDevice, type StoredProgram } from "./opened-device.ts";
import { defaultTimeLimitMs } from "./time-limit.ts";

export type { DeviceRun, StoredProgram } from "./opened-device.ts";

export interface DeviceProcessOptions {
  readonly platform: Platform;
  /** Names the adapter to the process that opens it. */
  readonly environment: Readonly<Record<string, string>>;
  readonly open: OpenParams;
  readonly onLine: (line: string) => void;
  /** The process is gone, and what it held with it; before anything is sent to the next. */
  readonly onExit?: (wasWanted: boolean) => void;
  /** For the log. */
  readonly onIncident?: (incident: Incident) => void;
  /** What a group of GPU sessions uses has changed; at most ten times a second, also when its last link has ended. */
  readonly onUsage?: (usage: GroupUsage) => void;
  /** How long a process may be silent beyond the time limits of what it runs. Left out: 30 s, asked every 5 s. */
  readonly silence?: { readonly intervalMs: number; readonly limitMs: number };
}

export interface DeviceRunOptions {
  /** Aborting gives up a run that waits for the device; one that has been sent runs to its end. */
  readonly signal?: AbortSignal | undefined;
  /** By position in `Program.outputs`: which of them stay on the device. Left out: none. */
  readonly keep?: readonly boolean[] | undefined;
}

/** A run whose outputs all come back. */
export interface PlainRunOptions extends DeviceRunOptions {
  readonly keep?: undefined;
}

interface DeviceJob extends Job {
  readonly timeLimitMs: number;
  readonly signal: AbortSignal | undefined;
  /** It reads tensors of the device, and cannot run on another. */
  readonly isBound: boolean;
  /** Where it was sent; undefined while it waits. Answers of another device are not its own any more. */
  device: OpenedDevice | undefined;
  /** Its Program was forgotten under it, which happens once at most. */
  wasForgotten: boolean;
  send(device: OpenedDevice): void;
  reject(error: unknown): void;
}

const defaultSilence = { intervalMs: 5_000, limitMs: 30_000 };
/** Devices that may be lost while a session is opened. */
const maxSessionTries = 3;
/** A process whose device is lost ends by itself within this, or is killed. */
const lostGraceMs = 2_000;

export class DeviceProcess {
  readonly #child: Child<OpenedDevice>;
  readonly #containment = new Containment<DeviceJob>();
  readonly #health = new HealthRecord();
  readonly #start: DeviceStart;
  readonly #heartbeat: Heartbeat;
  readonly #onIncident: (incident: Incident) => void;
  readonly #onExit: (wasWanted: boolean) => void;
  /** What is running now, for the hot path: no promise to wait for. */
  #current: OpenedDevice | undefined;
  /** Set from when the current one is not to be used any more until it is gone. */
  #condemned: LostDevice | undefined;
  /** How bytes reach this adapter fastest, once that was measured. */
  #upload: UploadChoice | undefined;
  /** Work of this session did not end. */
  #stuckSession: OpenLink | undefined;
  /** Who wait to open a GPU session. */
  readonly #opening = new Set<PromiseWithResolvers<OpenedDevice>>();
  /** Those whose limit was over, and whether nothing was beside them. */
  readonly #overdue = new Set<DeviceJob>();
  #wasOverdueAlone = false;

  constructor(options: DeviceProcessOptions) {
    const { platform, environment, open, onLine, silence = defaultSilence } = options;
    this.#onIncident = options.onIncident ?? (() => {});
    this.#onExit = options.onExit ?? (() => {});
    this.#heartbeat = new Heartbeat({
      intervalMs: silence.intervalMs,
      ask: () => this.#current?.client.describe() ?? Promise.resolve(),
      isBusy: () => this.#containment.atDevice.size > 0 || (this.#current?.sessions.size ?? 0) > 0,
      limitMs: () => silence.limitMs + this.#longestLimitMs(),
      onSilence: () => this.#condemn("hang", "it did not answer for too long"),
    });
    this.#start = new DeviceStart({
      open: () => this.#child.get(),
      onReady: (device) => this.#opened(device),
      onFailed: (error) => this.#rejectAll(error),
      report: (incident) => this.#report(incident),
    });
    this.#child = new Child<OpenedDevice>({
      platform,
      environment,
      onLine,
      onClosed: (device) => this.#closed(device),
      onExit: (end, device) => this.#exited(end, device),
      entry: deviceEntry,
      ...deviceProcessOptions,
      closedCode: "DEVICE_LOST",
      streams: deviceStreams,
      prepare: async (rpc, streams) => {
        const client = new DeviceClient(rpc);
        const sessions = new GpuSessions(streams.sessions!, {
          stuck: (link) => this.#stuck(sessions, link),
          usage: (usage) => options.onUsage?.(usage),
        });
        const description = await client.open({ ...open, upload: this.#upload });
        const device = new OpenedDevice(client, sessions, description);
        this.#measureUpload(device);
        void rpc.closed.then(() => device.close());
        return device;
      },
    });
  }

  get health(): DeviceHealth {
    return this.#health.value;
  }

  /** Counts the processes that were ready so far: when it changes, nothing is loaded any more. */
  get generation(): number {
    return this.#health.generation;
  }

  /** Starts the process if none runs. @throws DawnletError NO_ADAPTER, UNAVAILABLE. */
  async describe(): Promise<DeviceDescription> {
    return (await this.#ready()).description;
  }

  async memory(): Promise<DeviceMemory> {
    const device = await this.#ready();
    return device.client.memory().catch(async (error: unknown) => {
      if (!isDeviceLoss(error)) throw error;
      await device.gone;
      return (await this.#ready()).client.memory();
    });
  }

  checkShader(code: string): Promise<readonly ShaderError[]> {
    return this.#do(code, defaultTimeLimitMs, (device) => device.client.checkShader(code));
  }

  pid(): Promise<number | undefined> {
    return this.#child.pid();
  }

  /**
   * Runs a Program, loading it first where needed; again, where the device was lost under it and it is not to blame.
   * One that reads tensors of the device does not run again: they are lost with it.
   * @throws DawnletError as DeviceApi.load and run; TIME_LIMIT_EXCEEDED and DEVICE_LOST with the detail `isBlamed`
   *   where this run lost the device, DEVICE_LOST without it where that has taken its inputs.
   */
  run(program: StoredProgram, inputs: readonly DeviceValue[], options?: PlainRunOptions): Promise<DeviceRun>;
  run(
    program: StoredProgram,
    inputs: readonly DeviceValue[],
    options?: DeviceRunOptions,
  ): Promise<DeviceRun<DeviceValue>>;
  run(
    program: StoredProgram,
    inputs: readonly DeviceValue[],
    { signal, keep }: DeviceRunOptions = {},
  ): Promise<DeviceRun<DeviceValue>> {
    const { id, timeLimitMs = defaultTimeLimitMs } = program;
    const tensors = inputs.filter(isDeviceTensor);
    if (!tensors.every((tensor) => this.#isThere(tensor))) return Promise.reject(tensorGone());
    const request = { inputs: inputs.map(runInput), ...(keep && { keep }) };
    const send = async (device: OpenedDevice) => {
      const { generation } = this;
      const { outputs, ...run } = await device.run(program, request);
      return { ...run, outputs: outputs.map((output) => deviceValue(output, generation)) };
    };
    return this.#do(id, timeLimitMs, send, signal, tensors.length > 0);
  }

  /** The bytes of a tensor. @throws DawnletError NOT_FOUND, OUT_OF_MEMORY, DEVICE_LOST where it is gone. */
  async readTensor(tensor: DeviceTensor): Promise<Uint8Array> {
    if (!this.#isThere(tensor)) throw tensorGone();
    const read = (device: OpenedDevice) => device.client.readTensor(tensor.id);
    return this.#do("readTensor", defaultTimeLimitMs, read, undefined, true).catch((error: unknown) => {
      throw isDeviceLoss(error) ? tensorGone() : error;
    });
  }

  /** No run that reads them may be under way. Those that are gone already are ignored. */
  async releaseTensors(tensors: readonly DeviceTensor[]): Promise<void> {
    const ids = tensors.filter((tensor) => this.#isThere(tensor)).map(({ id }) => id);
    if (ids.length > 0) await unlessLost(this.#current!.client.releaseTensors(ids));
  }

  #isThere({ generation }: DeviceTensor): boolean {
    return this.#current !== undefined && generation === this.generation;
  }

  /** Loads a Program, if it is not loaded. @throws DawnletError as DeviceApi.load. */
  load(program: StoredProgram): Promise<LoadTiming> {
    return this.#do(program.id, defaultTimeLimitMs, (device) => device.load(program));
  }

  /**
   * Opens a GPU session for a client of remote-gpu, starting the process if none runs. Waits while calls that a device
   * was lost under run again: those have it for themselves.
   * @throws DawnletError NO_ADAPTER, UNAVAILABLE, DEVICE_LOST where that happens time and again.
   */
  async openSession(options: GpuSessionOptions): Promise<GpuLink> {
    for (let tries = maxSessionTries; ; tries--) {
      const device = await this.#whenCalm();
      try {
        this.#heartbeat.start();
        const link = await device.sessions.open(options);
        this.#start.worked();
        return link;
      } catch (error) {
        if (!isDeviceLoss(error) || tries <= 1) throw error;
      }
    }
  }

  /** As DeviceApi.evict. A device that is away holds nothing. */
  async evict(id: string): Promise<void> {
    const device = this.#current;
    if (device?.isLoaded(id)) await unlessLost(device.client.evict(id));
  }

  async unload(id: string): Promise<void> {
    const device = this.#current;
    if (device?.forget(id)) await unlessLost(device.client.unload(id));
  }

  /** Ends the process; the next call starts another. Jobs that have no answer yet fail. */
  async stop(): Promise<void> {
    await this.#start.pauseFor(this.#child.stop());
    this.#rejectAll(new DawnletError("UNAVAILABLE", "The device process is stopping"));
  }

  #do<T>(
    subject: string,
    timeLimitMs: number,
    send: (device: OpenedDevice) => Promise<T>,
    signal?: AbortSignal,
    isBound = false,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const job: DeviceJob = {
        subject,
        timeLimitMs,
        signal,
        isBound,
        losses: 0,
        isAlone: false,
        wasForgotten: false,
        device: undefined,
        send: (device) => {
          send(device).then(
            (value) => {
              if (job.device !== device) return;
              this.#finish(job);
              resolve(value);
            },
            (error: unknown) => this.#failed(job, device, error),
          );
        },
        reject,
      };
      if (this.#containment.arrive(job)) this.#send(job);
      else this.#wait(job);
    });
  }

  #send(job: DeviceJob): void {
    const device = this.#current!;
    job.device = device;
    this.#heartbeat.start();
    job.send(device);
  }

  /** The job has come while there is no device, or while others have their turn. */
  #wait(job: DeviceJob): void {
    const refusal = this.#current === undefined ? this.#start.refusal : undefined;
    if (refusal !== undefined) {
      this.#containment.withdraw(job);
      job.reject(refusal);
      return;
    }
    this.#giveUpOnAbort(job);
    // One that is on its way out has not been judged yet; its end starts the next.
    if (this.#current === undefined) void this.#start.run();
  }

  #giveUpOnAbort(job: DeviceJob): void {
    const { signal } = job;
    const giveUp = (): void => {
      if (this.#containment.withdraw(job)) job.reject(abortError(signal!, "run"));
    };
    if (signal?.aborted) giveUp();
    else signal?.addEventListener("abort", giveUp, { once: true });
  }

  #finish(job: DeviceJob): void {
    job.device = undefined;
    this.#start.worked();
    const { isCalm } = this.#containment;
    for (const next of this.#containment.finish(job)) this.#send(next);
    if (!isCalm) this.#openSessions();
  }

  async #whenCalm(): Promise<OpenedDevice> {
    if (this.#current !== undefined && this.#containment.isCalm) return this.#current;
    const refusal = this.#current === undefined ? this.#start.refusal : undefined;
    if (refusal !== undefined) throw refusal;
    const opening = Promise.withResolvers<OpenedDevice>();
    this.#opening.add(opening);
    if (this.#current === undefined) void this.#start.run();
    return opening.promise;
  }

  #openSessions(): void {
    if (this.#current === undefined || !this.#containment.isCalm) return;
    for (const { resolve } of this.#opening) resolve(this.#current);
    this.#opening.clear();
  }

  #stuck(sessions: GpuSessions, link: OpenLink): void {
    if (this.#current?.sessions !== sessions || this.#condemned !== undefined) return;
    this.#stuckSession = link;
    const { subject } = link.options;
    this.#condemn(
      "time-limit",
      `work of a GPU session of ${subject} took longer than ${link.timeLimitMs} ms`,
    );
  }

  #failed(job: DeviceJob, device: OpenedDevice, error: unknown): void {
    if (job.device !== device) return;
    const { code, details } = error instanceof DawnletError ? error : {};
    if (code === "TIME_LIMIT_EXCEEDED") {
      this.#overdue.add(job);
      this.#wasOverdueAlone = details?.isAlone === true;
      this.#condemn("time-limit", `a run took longer than ${job.timeLimitMs} ms on it`);
    } else if (code === "DEVICE_LOST") {
      // It ends by itself now. Who is to blame is judged when it has.
      this.#condemn("crash", "the device was lost", lostGraceMs);
    } else if (isUnknownProgram(error) && !job.wasForgotten && device.forget(job.subject)) {
      // A function with the same Program was removed between load and run.
      job.wasForgotten = true;
      job.send(device);
    } else {
      this.#finish(job);
      job.reject(error);
    }
  }

  /** No more jobs for this device; its process is killed after a moment, so that what it has said is heard. */
  #condemn(cause: LossCause, reason: string, graceMs = 0): void {
    const device = this.#current;
    this.#containment.down();
    if (this.#condemned !== undefined || device === undefined) return;
    this.#condemned = { cause, at: performance.now() };
    if (cause !== "crash") this.#onIncident({ type: "condemned", cause, reason });
    setTimeout(() => {
      if (this.#current === device) void this.#child.kill();
    }, graceMs);
  }

  #closed(device: OpenedDevice | undefined): void {
    if (device === undefined || device !== this.#current) return;
    this.#containment.down();
    this.#condemned ??= { cause: "crash", at: performance.now() };
  }

  #exited(end: ChildEnd, device: OpenedDevice | undefined): void {
    // One that was never ready is the matter of who started it.
    if (device === undefined || device !== this.#current) return;
    const condemned = this.#condemned ?? { cause: "crash", at: performance.now() };
    this.#current = undefined;
    this.#condemned = undefined;
    const { sessions } = device;
    const loss = this.#lossOf(condemned.cause, end, sessions.size > 0);
    const atDevice = this.#containment.atDevice.size;
    const stuck =
      this.#stuckSession ?? (loss.type === "hang" && atDevice === 0 ? sessions.suspect : undefined);
    const lostSessions = sessions.size;
    this.#stuckSession = undefined;
    this.#overdue.clear();
    this.#heartbeat.stop();
    device.end();
    sessions.end({ cause: end.wasWanted ? undefined : loss.type, blamed: stuck });
    this.#onExit(end.wasWanted);
    if (end.wasWanted) return;
    const jobs = [...this.#containment.atDevice];
    this.#start.ended(device, jobs.length === 0 && lostSessions === 0, endingOf(end));
    for (const job of jobs) job.device = undefined;
    const failed = this.#containment.lose(loss, performance.now());
    const blamed = failed.filter(({ verdict }) => verdict === "blamed").map(({ job }) => job.subject);
    const bound = this.#containment.withdrawAll(({ isBound }) => isBound);
    const wasAtDevice = new Set(jobs);
    this.#report({
      type: "lost",
      cause: loss.type,
      ending: endingOf(end),
      atDevice: jobs.length,
      blamed,
      givenUp: failed.length - blamed.length,
      rerun: jobs.length - failed.length - bound.filter((job) => wasAtDevice.has(job)).length,
      sessions: lostSessions,
      ...(stuck !== undefined && { blamedSession: stuck.options.subject }),
    });
    for (const one of failed) one.job.reject(lossError(one, loss.type));
    for (const job of bound) job.reject(tensorGone());
    for (const job of jobs) this.#giveUpOnAbort(job);
    void this.#start.run({ cause: loss.type, at: condemned.at });
  }

  #lossOf(cause: LossCause, end: ChildEnd, hasSessions: boolean): Loss<DeviceJob> {
    if (cause === "time-limit")
      return { type: cause, overdue: new Set(this.#overdue), isAlone: this.#wasOverdueAlone };
    if (cause === "hang") return { type: cause, hasSessions };
    return { type: wasEndedFromOutside(end) ? "killed" : "crash" };
  }

  async #ready(): Promise<OpenedDevice> {
    if (this.#current !== undefined) return this.#current;
    const { refusal } = this.#start;
    if (refusal !== undefined) throw refusal;
    return this.#start.run();
  }

  /** In the first process on a GPU, behind whatever is asked of it. On software adapters `writeBuffer` is the fastest. */
  #measureUpload({ client, description }: OpenedDevice): void {
    if (this.#upload !== undefined || description.adapter.isSoftware) return;
    client.measureUpload().then(
      (choice) => {
        this.#upload = choice;
      },
      // No room, or no device any more: the next process tries again.
      () => undefined,
    );
  }

  #opened(device: OpenedDevice): void {
    this.#current = device;
    this.#health.started();
    for (const job of this.#containment.up()) this.#send(job);
    this.#openSessions();
  }

  #rejectAll(error: unknown): void {
    for (const { reject } of this.#opening) reject(error);
    this.#opening.clear();
    for (const job of this.#containment.clear()) {
      job.device = undefined;
      job.reject(error);
    }
  }

  #report(incident: Incident): void {
    this.#health.note(incident);
    this.#onIncident(incident);
  }

  #longestLimitMs(): number {
    let longest = this.#current?.sessions.longestLimitMs ?? 0;
    for (const { timeLimitMs } of this.#containment.atDevice) longest = Math.max(longest, timeLimitMs);
    return longest;
  }
}

/** What was to be freed went with the device. */
async function unlessLost(call: Promise<void>): Promise<void> {
  await call.catch((error: unknown) => {
    if (!isDeviceLoss(error)) throw error;
  });
}
