/**
 * The device process as a gateway uses it: started at once, started again when it is lost, killed when it hangs. What
 * ran on a lost device runs again, unless it is to blame. Its jobs are the matter of device-jobs.ts, who waits to open
 * a GPU session that of session-openings.ts; what is loaded, opened-device.ts knows.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { DeviceDescription, DeviceMemory, LoadTiming, ShaderError } from "../device/api.ts";
import { deviceEntry, deviceProcessOptions, deviceStreams } from "../device/entry.ts";
import { Child, type ChildEnd } from "./child.ts";
import { DeviceJobs } from "./device-jobs.ts";
import { DeviceOpener } from "./device-opener.ts";
import type { DeviceProcessOptions, DeviceRunOptions, PlainRunOptions } from "./device-process-options.ts";
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
import type { GpuSessions } from "./gpu-sessions.ts";
import { Heartbeat } from "./heartbeat.ts";
import { type DeviceHealth, HealthRecord, type Incident, type LossCause } from "./incident.ts";
import { endingOf, isDeviceLoss, wasEndedFromOutside } from "./loss-words.ts";
import type { DeviceRun, OpenedDevice, StoredProgram } from "./opened-device.ts";
import { SessionOpenings } from "./session-openings.ts";
import { SessionSuspects } from "./session-suspects.ts";

export type { DeviceRun, StoredProgram } from "./opened-device.ts";

const defaultSilence = { intervalMs: 5_000, limitMs: 30_000 };
/** A process whose device is lost ends by itself within this, or is killed. */
const lostGraceMs = 2_000;

export class DeviceProcess {
  readonly id: string;
  readonly #child: Child<OpenedDevice>;
  readonly #jobs: DeviceJobs;
  readonly #openings: SessionOpenings;
  readonly #health = new HealthRecord();
  readonly #start: DeviceStart;
  readonly #heartbeat: Heartbeat;
  readonly #onIncident: (incident: Incident) => void;
  readonly #onExit: (wasWanted: boolean) => void;
  readonly #onUp: (isUp: boolean) => void;
  /** What `onUp` was told. */
  #wasUp = false;
  /** What is running now, for the hot path: no promise to wait for. */
  #current: OpenedDevice | undefined;
  /** Set from when the current one is not to be used any more until it is gone. */
  #condemned: LostDevice | undefined;
  readonly #sessionSuspects = new SessionSuspects<OpenLink>();
  /** Work of this session did not end. */
  #stuckSession: OpenLink | undefined;

  constructor(options: DeviceProcessOptions) {
    const { platform, id = "device0", environment, open, onLine, silence = defaultSilence } = options;
    this.id = id;
    this.#onIncident = options.onIncident ?? (() => {});
    this.#onExit = options.onExit ?? (() => {});
    this.#onUp = options.onUp ?? (() => {});
    this.#jobs = new DeviceJobs({
      sent: () => this.#heartbeat.start(),
      answered: () => this.#start.worked(),
      needed: () => this.#needed(),
      broken: (cause, reason) => this.#condemn(cause, reason),
      calm: () => {
        this.#openings.advance();
        this.#tellUp(true);
      },
    });
    this.#openings = new SessionOpenings({
      device: () => (this.#jobs.isCalm ? this.#current : undefined),
      needed: () => this.#needed(),
      sent: () => this.#heartbeat.start(),
      answered: () => this.#start.worked(),
    });
    this.#heartbeat = new Heartbeat({
      intervalMs: silence.intervalMs,
      ask: () => this.#current?.client.describe() ?? Promise.resolve(),
      isBusy: () => this.#jobs.atDevice > 0 || (this.#current?.sessions.size ?? 0) > 0,
      limitMs: () =>
        silence.limitMs + Math.max(this.#jobs.longestLimitMs, this.#current?.sessions.longestLimitMs ?? 0),
      onSilence: () => this.#condemn("hang", "it did not answer for too long"),
    });
    this.#start = new DeviceStart({
      open: () => this.#child.get(),
      onReady: (device) => this.#opened(device),
      onFailed: (error) => this.#rejectAll(error),
      report: (incident) => this.#report(incident),
    });
    const opener = new DeviceOpener(open, {
      stuck: (sessions, link) => this.#stuck(sessions, link),
      usage: (usage) => options.onUsage?.(usage),
    });
    this.#child = new Child<OpenedDevice>({
      platform,
      environment,
      onLine,
      onClosed: (device) => this.#closed(device),
      onExit: (end, device) => this.#exited(end, device),
      entry: options.entry ?? deviceEntry,
      ...deviceProcessOptions,
      closedCode: "DEVICE_LOST",
      streams: deviceStreams,
      prepare: (rpc, streams) => opener.open(rpc, streams.sessions!),
    });
  }

  /** A call goes to the device at once. False while none is ready, and while it is found out who has lost the last. */
  get isUp(): boolean {
    return this.#current !== undefined && this.#jobs.isCalm;
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
    return this.#jobs.do({ subject: code, send: (device) => device.client.checkShader(code) });
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
    { signal, keep, urgencyMs, share, onLoaded }: DeviceRunOptions = {},
  ): Promise<DeviceRun<DeviceValue>> {
    const { id: subject, timeLimitMs } = program;
    const tensors = inputs.filter(isDeviceTensor);
    if (!tensors.every((tensor) => this.#isThere(tensor))) return Promise.reject(tensorGone());
    const request = { inputs: inputs.map(runInput), keep, urgencyMs, share };
    const send = async (device: OpenedDevice) => {
      const holder = { device: this.id, generation: this.generation };
      const { outputs, timing, loadMs } = await device.run(program, request, onLoaded);
      return {
        outputs: outputs.map((output) => deviceValue(output, holder)),
        timing,
        loadMs,
        device: this.id,
      };
    };
    const isBound = tensors.length > 0;
    return this.#jobs.do({
      subject,
      ...(timeLimitMs !== undefined && { timeLimitMs }),
      send,
      signal,
      isBound,
      isRun: true,
    });
  }

  /** The bytes of a tensor. @throws DawnletError NOT_FOUND, OUT_OF_MEMORY, DEVICE_LOST where it is gone. */
  async readTensor(tensor: DeviceTensor): Promise<Uint8Array> {
    if (!this.#isThere(tensor)) throw tensorGone();
    const send = (device: OpenedDevice) => device.client.readTensor(tensor.id);
    return this.#jobs.do({ subject: "readTensor", send, isBound: true }).catch((error: unknown) => {
      throw isDeviceLoss(error) ? tensorGone() : error;
    });
  }

  /** No run that reads them may be under way. Those that are gone already are ignored. */
  async releaseTensors(tensors: readonly DeviceTensor[]): Promise<void> {
    const ids = tensors.filter((tensor) => this.#isThere(tensor)).map(({ id }) => id);
    if (ids.length > 0) await unlessLost(this.#current!.client.releaseTensors(ids));
  }

  #isThere({ device, generation }: DeviceTensor): boolean {
    return this.#current !== undefined && generation === this.generation && device === this.id;
  }

  /** Loads a Program, or brings it in again after it was evicted. @throws DawnletError as DeviceApi.load and reload. */
  load(program: StoredProgram): Promise<LoadTiming> {
    return this.#jobs.do({ subject: program.id, send: (device) => device.load(program) });
  }

  /**
   * Opens a GPU session for a client of remote-gpu, starting the process if none runs. Waits while calls that a device
   * was lost under run again: those have it for themselves.
   * @throws DawnletError NO_ADAPTER, UNAVAILABLE, DEVICE_LOST where that happens time and again.
   */
  openSession(options: GpuSessionOptions): Promise<GpuLink> {
    return this.#openings.open(options);
  }

  /** As DeviceApi.evict. A device that is away holds nothing. */
  async evict(id: string): Promise<void> {
    const device = this.#current;
    if (device?.isLoaded(id)) await unlessLost(device.client.evict(id));
  }

  /** As DeviceApi.dropHost. A device that is away has nothing in host memory either. */
  async dropHost(digests: readonly string[]): Promise<void> {
    const device = this.#current;
    if (device !== undefined) await unlessLost(device.client.dropHost(digests));
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

  #stuck(sessions: GpuSessions, link: OpenLink): void {
    if (this.#current?.sessions !== sessions || this.#condemned !== undefined) return;
    this.#stuckSession = link;
    const { subject } = link.options;
    this.#condemn(
      "time-limit",
      `work of a GPU session of ${subject} took longer than ${link.timeLimitMs} ms`,
    );
  }

  /** No more jobs for this device; its process is killed after a moment, so that what it has said is heard. */
  #condemn(cause: LossCause, reason: string): void {
    const device = this.#current;
    this.#jobs.down();
    this.#tellUp(false);
    if (this.#condemned !== undefined || device === undefined) return;
    this.#condemned = { cause, at: performance.now() };
    if (cause !== "crash") this.#onIncident({ type: "condemned", cause, reason });
    setTimeout(
      () => {
        if (this.#current === device) void this.#child.kill();
      },
      cause === "crash" ? lostGraceMs : 0,
    );
  }

  #closed(device: OpenedDevice | undefined): void {
    if (device === undefined || device !== this.#current) return;
    this.#jobs.down();
    this.#tellUp(false);
    this.#condemned ??= { cause: "crash", at: performance.now() };
  }

  #exited(end: ChildEnd, device: OpenedDevice | undefined): void {
    // One that was never ready is the matter of who started it.
    if (device === undefined || device !== this.#current) return;
    const condemned = this.#condemned ?? { cause: "crash", at: performance.now() };
    this.#current = undefined;
    this.#condemned = undefined;
    this.#jobs.gone();
    this.#tellUp(false);
    const { sessions } = device;
    const { size: lostSessions } = sessions;
    const { atDevice } = this.#jobs;
    const cause = causeOf(condemned.cause, end);
    const { busy } = sessions;
    const sessionLoss = { cause, stuck: this.#stuckSession, only: sessions.suspect, busy, atDevice };
    const guilty = end.wasWanted ? undefined : this.#sessionSuspects.judge(sessionLoss, performance.now());
    this.#stuckSession = undefined;
    this.#heartbeat.stop();
    device.end();
    sessions.end({ cause: end.wasWanted ? undefined : cause, blamed: guilty });
    this.#onExit(end.wasWanted);
    if (end.wasWanted) return;
    this.#start.ended(device, atDevice === 0 && lostSessions === 0, endingOf(end));
    const losses = this.#jobs.lose(cause, lostSessions === 0 ? "none" : busy.size === 0 ? "idle" : "busy");
    // One that was found out alone was there before, beside the sessions.
    if (losses.blamed.length > 0) this.#sessionSuspects.takeBack();
    this.#report({
      type: "lost",
      ...{ cause, ending: endingOf(end), ...losses, sessions: lostSessions },
      ...(guilty !== undefined && { blamedSession: guilty.options.subject }),
    });
    void this.#start.run({ cause, at: condemned.at });
  }

  /** Somebody waits for a device. @returns why that is of no use. */
  #needed(): DawnletError | undefined {
    // One that is on its way out has not been judged yet; its end starts the next.
    if (this.#current !== undefined) return undefined;
    const { refusal } = this.#start;
    if (refusal === undefined) void this.#start.run();
    return refusal;
  }

  async #ready(): Promise<OpenedDevice> {
    if (this.#current !== undefined) return this.#current;
    const { refusal } = this.#start;
    if (refusal !== undefined) throw refusal;
    return this.#start.run();
  }

  #opened(device: OpenedDevice): void {
    this.#current = device;
    this.#health.started();
    this.#jobs.up(device);
    this.#openings.advance();
    this.#tellUp(this.isUp);
  }

  #tellUp(isUp: boolean): void {
    if (isUp === this.#wasUp) return;
    this.#wasUp = isUp;
    this.#onUp(isUp);
  }

  #rejectAll(error: unknown): void {
    this.#openings.rejectAll(error);
    this.#jobs.rejectAll(error);
  }

  #report(incident: Incident): void {
    this.#health.note(incident);
    this.#onIncident(incident);
  }
}

function causeOf(cause: LossCause, end: ChildEnd): LossCause {
  return cause === "crash" && wasEndedFromOutside(end) ? "killed" : cause;
}

/** What was to be freed went with the device. */
async function unlessLost(call: Promise<void>): Promise<void> {
  await call.catch((error: unknown) => {
    if (!isDeviceLoss(error)) throw error;
  });
}
