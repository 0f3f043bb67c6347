/**
 * A CPU lane: a device of the scheduler on which whole models run, in sessions of ONNX Runtime's wasm provider. One run at
 * a time, as a session computes in one thread: several lanes are several devices. What it cannot run, another device does.
 */
import { getLogger } from "@logtape/logtape";
import { DawnletError, type ErrorCode } from "../../kernels/errors.ts";
import type { SessionProcesses, SessionRun } from "../../runtime/supervisor/session-processes.ts";
import { sessionLimitFor } from "../../runtime/supervisor/time-limit.ts";
import type { ManagedDeviceListener } from "../devices/device-events.ts";
import type { ManagedRun } from "../devices/managed-runs.ts";
import type { CpuModel } from "../functions/prepared-call.ts";
import type { DeviceSpec } from "../scheduler/core/specs.ts";
import type { DispatchedCall } from "./dispatched-call.ts";
import { RefusedHere, type ScheduledDevice } from "./scheduled-device.ts";
import type { Unit } from "./scheduled-units.ts";

export type LaneSessions = Pick<SessionProcesses, "open" | "run" | "close" | "stop">;

export interface CpuLaneOptions {
  /** `cpu0` */
  readonly id: string;
  /** Of host memory, for sessions. */
  readonly budgetBytes: number;
  /** @param onClosed is told of each session that may have been open and is not any more. */
  readonly sessions: (onClosed: (id: string) => void) => LaneSessions;
  readonly listener: Pick<ManagedDeviceListener, "resident" | "evicted" | "loadMeasured">;
  /** Milliseconds, for tests. */
  readonly now?: () => number;
}

/** Of what one session is for. */
interface LaneModel {
  readonly model: CpuModel;
  /** For people: one of the functions that have it. */
  name: string;
  /** Programs that are this model at some sizes, as the dispatcher knows them. */
  readonly programs: Set<string>;
  /** Runs and loads that are under way. */
  uses: number;
  isOpen: boolean;
  /** Its code is compiled as well as it will be. */
  isWarm: boolean;
}

export interface LaneSession {
  readonly function: string;
  readonly bytes: number;
  readonly running: number;
}

/** A process with ONNX Runtime and no model to speak of: 161 MiB under Node 26. */
export const sessionBytes = 160 * 1024 * 1024;
/** What each byte of a model takes beside that: BERT-base of 418 MiB 1,227 in all, four layers of it, 201 MiB, 673. */
const modelFactor = 2.6;
/** To begin with: of starting it, and of what a model's bytes add. 2-core x86-64. */
const guessedOpenMs = 500;
const guessedBytesPerMs = 200_000;
/** Of smaller models it is the process that takes the time, which says nothing of bytes. */
const measurableBytes = 32 * 1024 * 1024;
/** A model that fails so many times, with nothing that went well between, stays away from the lane. */
const mostFailures = 3;
/** Whatever a manifest states: that is for devices, and the lane is there for what is fast on it. */
const limitMs = sessionLimitFor({});
/** The same model is refused for the same reason whenever it is opened. */
const lasting: ReadonlySet<ErrorCode> = new Set(["UNSUPPORTED_MODEL", "INVALID_MODEL"]);
/**
 * Wasm is compiled again, and better, while it runs: a model's first two runs took 17 and 5 ms where later ones took 1, or
 * 173 and 95 for 21. They would be the lane's only measurement, and the model never come back. So they are repeated until
 * they are hardly faster than the one before, for so long at most.
 */
const warmUpMs = 500;
const isMuchFaster = 0.8;

export const cpuClass = "cpu-wasm";
const log = getLogger(["dawnlet", "cpu"]);

export class CpuLane implements ScheduledDevice {
  readonly id: string;
  readonly isUp = true;
  readonly spec: DeviceSpec;
  readonly budgetBytes: number;
  readonly #sessions: LaneSessions;
  readonly #listener: CpuLaneOptions["listener"];
  readonly #now: () => number;
  /** With sessions that are open or being opened. */
  readonly #models = new Map<string, LaneModel>();
  /** Failures in a row; Infinity where it is known never to run. */
  readonly #failures = new Map<string, number>();
  #previous: Promise<unknown> = Promise.resolve();

  constructor(options: CpuLaneOptions) {
    const { id, budgetBytes, sessions, listener, now = () => performance.now() } = options;
    this.id = id;
    this.budgetBytes = budgetBytes;
    this.spec = {
      ...{ id, class: cpuClass, node: "local", bus: id },
      // The scheduler counts bytes of weights.
      ...{ budgetBytes: budgetBytes / modelFactor, fixedBytes: sessionBytes / modelFactor },
      ...{ loadFixedMs: guessedOpenMs, loadBytesPerMs: guessedBytesPerMs, hasCopyEngine: false },
    };
    this.#sessions = sessions((model) => this.#closed(model));
    this.#listener = listener;
    this.#now = now;
  }

  /** Sessions that are open. */
  get sessions(): readonly LaneSession[] {
    return [...this.#models.values()]
      .filter(({ isOpen }) => isOpen)
      .map(({ name, model, uses }) => ({
        function: name,
        bytes: sessionBytes + modelFactor * model.sizeBytes,
        running: uses,
      }));
  }

  takes({ cpuModel }: Unit): boolean {
    return cpuModel !== undefined && (this.#failures.get(cpuModel.id) ?? 0) < mostFailures;
  }

  run(unit: Unit, calls: readonly DispatchedCall[]): readonly Promise<ManagedRun>[] {
    return calls.map((call) => this.#using(unit, (model, openMs) => this.#run(model, call, openMs)));
  }

  load(unit: Unit): Promise<void> {
    return this.#using(unit, async () => {});
  }

  evict({ programs, cpuModel }: Unit): void {
    const model = cpuModel && this.#models.get(cpuModel.id);
    if (model === undefined || model.uses > 0) return;
    for (const program of programs)
      if (model.programs.delete(program)) this.#listener.evicted(program, "commanded");
    if (model.programs.size === 0) void this.#sessions.close(model.model);
  }

  forget(unit: Unit): void {
    this.evict(unit);
    // The next version of the function may have the same bytes, healed.
    if (unit.cpuModel !== undefined) this.#failures.delete(unit.cpuModel.id);
  }

  holds({ programs, cpuModel }: Unit): boolean {
    const model = cpuModel && this.#models.get(cpuModel.id);
    return model !== undefined && [...programs].some((program) => model.programs.has(program));
  }

  /** Sessions come and go: what is pinned is pinned on a GPU. */
  pins(): boolean {
    return false;
  }

  /** What it knows ends with the gateway: the next measures anew. */
  executeMs(): undefined {
    return undefined;
  }

  stop(): Promise<void> {
    return this.#sessions.stop();
  }

  /**
   * Opens the session where it is not, and keeps it meanwhile.
   * @param work gets the milliseconds that it waited for that.
   * @throws RefusedHere where it cannot be opened.
   */
  async #using<T>(unit: Unit, work: (model: LaneModel, openMs: number) => Promise<T>): Promise<T> {
    const model = this.#modelOf(unit);
    model.uses++;
    try {
      const openMs = await this.#open(unit, model);
      return await work(model, openMs);
    } finally {
      model.uses--;
      if (model.uses === 0 && model.programs.size === 0) this.#models.delete(model.model.id);
    }
  }

  /** @returns milliseconds. */
  async #open({ programs, name }: Unit, lane: LaneModel): Promise<number> {
    const { model } = lane;
    const [program] = programs;
    if (lane.isOpen && lane.programs.has(program!)) return 0;
    lane.programs.add(program!);
    const startedAt = this.#now();
    try {
      const ownMs = await this.#sessions.open(model);
      lane.isOpen = true;
      // Again: one that was closed meanwhile has forgotten them.
      lane.programs.add(program!);
      if (ownMs > 0 && model.sizeBytes >= measurableBytes)
        this.#listener.loadMeasured(program!, model.sizeBytes, ownMs);
      this.#listener.resident(program!);
      return this.#now() - startedAt;
    } catch (error) {
      this.#closed(model.id);
      throw this.#failed(model, name, error);
    }
  }

  #failed({ id }: CpuModel, name: string, error: unknown): RefusedHere {
    const isLasting =
      error instanceof RangeError || (error instanceof DawnletError && lasting.has(error.code));
    const failures = isLasting ? Number.POSITIVE_INFINITY : (this.#failures.get(id) ?? 0) + 1;
    this.#failures.set(id, failures);
    log.info("{id} did not run {name}: {error}", { id: this.id, name, failures, error });
    return new RefusedHere(error);
  }

  #run(lane: LaneModel, call: DispatchedCall, openMs: number): Promise<ManagedRun> {
    const cameAt = this.#now();
    return this.#inTurn(async () => {
      call.signal?.throwIfAborted();
      const waitMs = this.#now() - cameAt;
      try {
        const { run, warmUpMs } = await this.#measured(lane, call);
        const outputs = outputsOf(call, run);
        this.#failures.delete(lane.model.id);
        const { executeMs } = run;
        const timing = { loadMs: 0, queueMs: 0, encodeMs: 0, executeMs, gpuMs: executeMs };
        return { outputs, timing, loadMs: openMs + warmUpMs, waitMs, device: this.id };
      } catch (error) {
        throw this.#failed(lane.model, lane.name, error);
      }
    });
  }

  /** A run that took as long as runs of it take; see `warmUpMs`. */
  async #measured(
    lane: LaneModel,
    { prepared }: DispatchedCall,
  ): Promise<{ run: SessionRun; warmUpMs: number }> {
    const { model, inputs } = prepared.onCpu!;
    const call = { inputs, outputs: prepared.outputs.map(({ name }) => name), limitMs };
    // One that has begun goes on, whoever gives it up: the next would wait for it unseen.
    const { signal } = new AbortController();
    const once = () => this.#sessions.run(model, call, signal);
    let run = await once();
    let spentMs = 0;
    while (!lane.isWarm) {
      const before = run.executeMs;
      if (spentMs + before > warmUpMs) break;
      spentMs += before;
      run = await once();
      lane.isWarm = run.executeMs > isMuchFaster * before;
    }
    lane.isWarm = true;
    return { run, warmUpMs: spentMs };
  }

  #modelOf({ name, cpuModel }: Unit): LaneModel {
    const { id } = cpuModel!;
    const model = this.#models.get(id) ?? {
      ...{ model: cpuModel!, name, programs: new Set<string>() },
      ...{ uses: 0, isOpen: false, isWarm: false },
    };
    model.name = name;
    this.#models.set(id, model);
    return model;
  }

  #closed(id: string): void {
    const model = this.#models.get(id);
    if (model === undefined) return;
    const programs = [...model.programs];
    model.programs.clear();
    model.isOpen = false;
    model.isWarm = false;
    if (model.uses === 0) this.#models.delete(id);
    for (const program of programs) this.#listener.evicted(program, "lost");
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#previous.then(work);
    this.#previous = result.catch(() => undefined);
    return result;
  }
}

/** As the Program gives them. @throws RangeError where the session gives others. */
function outputsOf({ prepared }: DispatchedCall, run: SessionRun): readonly Uint8Array[] {
  return prepared.outputs.map(({ name, dataType, shape }) => {
    const output = run.outputs.get(name);
    if (output?.dataType === dataType && `${output.shape}` === `${shape}`) return output.data;
    throw new RangeError(
      `Output '${name}' is ${output?.dataType} [${output?.shape}]: expected ${dataType} [${shape}]`,
    );
  });
}
