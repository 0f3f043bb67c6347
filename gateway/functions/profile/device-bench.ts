/**
 * Runs of one call, or of several as one, on one device: what a profile measures. Sizes of batches are made ready first,
 * which for models means that they are compiled.
 */
import type { DeviceMember } from "../../devices/device-member.ts";
import type { FunctionDevice } from "../../devices/function-device.ts";
import type { OwnedProgram } from "../../devices/owner.ts";
import type { BatchGroup, PreparedProgram } from "../prepared-call.ts";
import type { FinishedRun } from "./measure-cell.ts";
import { watchOthers } from "./others-work.ts";
import type { Bench } from "./sweep.ts";

export interface DeviceBenchOptions {
  readonly call: PreparedProgram;
  readonly device: FunctionDevice;
  readonly member: DeviceMember;
  /** As `readyBatches` gives them. */
  readonly batches: readonly number[];
  readonly signal: AbortSignal;
  /** Before each run. @throws DawnletError where there is to be none. */
  readonly check: () => void;
}

export class DeviceBench implements Bench {
  readonly batches: readonly number[];
  readonly clock = { now: () => performance.now(), sleep };
  readonly #options: DeviceBenchOptions;
  readonly #runs = new Map<string, number>();

  constructor(options: DeviceBenchOptions) {
    this.#options = options;
    this.batches = options.batches;
  }

  async run(batch: number): Promise<FinishedRun> {
    const { call, check } = this.#options;
    check();
    if (batch === 1) return this.#run(call.program, call.inputs);
    const calls = Array.from({ length: batch }, () => call);
    const merged = call.batch!.group.merge(calls);
    return this.#run(merged.program, merged.inputs, (run) => merged.split(run));
  }

  watchOthers(): () => number {
    const { residency } = this.#options.member.managed;
    return watchOthers(() => residency.residences, this.#runs);
  }

  /** Each call's part is taken out as well: that is work of a batch, too. */
  async #run(
    program: OwnedProgram,
    inputs: PreparedProgram["inputs"],
    split?: (run: Awaited<ReturnType<FunctionDevice["runOn"]>>) => unknown,
  ): Promise<FinishedRun> {
    const { device, member, signal } = this.#options;
    this.#runs.set(program.id, (this.#runs.get(program.id) ?? 0) + 1);
    const run = await device.runOn(member.index, program, inputs, signal);
    split?.(run);
    return { executeMs: run.timing.executeMs };
  }
}

export interface ReadyBatches {
  /** Calls a run, ascending; the first is 1. */
  readonly batches: readonly number[];
  /** Sizes that there are not, in sentences. */
  readonly notes: readonly string[];
}

/** @param wanted calls a run. @param signal ends the wait, not a compilation. @throws what the signal says. */
export async function readyBatches(
  call: Pick<PreparedProgram, "batch">,
  wanted: readonly number[],
  signal: AbortSignal,
  onProgress: (message: string) => void,
): Promise<ReadyBatches> {
  const sizes = [...new Set([1, ...wanted])].sort((a, b) => a - b);
  const { batch } = call;
  if (batch === undefined) return { batches: [1], notes: sizes.length > 1 ? ["its calls run alone"] : [] };
  const missing: number[] = [];
  const batches: number[] = [];
  for (const size of sizes) {
    const rows = size * batch.rows;
    // Sizes double: one that is twice as large would show another's figures.
    const ready = () => (batch.group.sizeFor(rows) ?? Number.POSITIVE_INFINITY) < 2 * rows;
    if (size > 1 && !ready() && rows <= batch.group.maxRows) {
      onProgress(`making runs of ${rows} rows ready`);
      await makeReady(batch.group, rows, ready, signal);
    }
    if (size === 1 || ready()) batches.push(size);
    else missing.push(size);
  }
  const notes = missing.length > 0 ? [`no run takes ${missing.join(", ")} calls`] : [];
  return { batches, notes };
}

/** What was compiled before a restart is opened in the background; another size may be under way. */
const tries = 50;
const pauseMs = 40;

async function makeReady(
  group: BatchGroup,
  rows: number,
  isReady: () => boolean,
  signal: AbortSignal,
): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  aborted.catch(() => {});
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    signal.throwIfAborted();
    for (let i = 0; i < tries && rows <= group.maxRows; i++) {
      await Promise.race([group.want(rows), aborted]);
      if (isReady()) return;
      await Promise.race([sleep(pauseMs), aborted]);
    }
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
