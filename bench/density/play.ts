/** Plays arrivals against functions: each call leaves when it is due, whatever became of those before it. */
import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { DawnletError } from "../../kernels/errors.ts";
import type { Arrivals } from "../traces/arrivals.ts";
import type { DensityFunction } from "./functions.ts";
import type { ManagedFunctions } from "./managed.ts";
import type { Call } from "./score.ts";

/** After the last arrival. What has no answer by then waits for room, and is given up. */
const patienceMs = 5_000;

export interface Failures {
  count: number;
  /** Of the first. */
  readonly message: string;
}

export interface Played {
  readonly calls: readonly Call[];
  /** Outputs that differ from what they must be, of all calls, those that do not count included. */
  readonly wrong: number;
  /** Why calls failed, by the code of their errors. */
  readonly failures: Readonly<Record<string, Failures>>;
  /** Swap-ins during the counted part. */
  readonly swapIns: { readonly count: number; readonly bytes: number };
}

/** @param leadMs how long the first calls, which are not counted, come. @throws what no call should fail with. */
export async function play(
  managed: ManagedFunctions,
  functions: readonly DensityFunction[],
  { timesMs, functionOf }: Arrivals,
  leadMs: number,
): Promise<Played> {
  const { residency } = managed.device;
  let wrong = 0;
  const calls: Call[] = [];
  const failures: Record<string, Failures> = {};
  const pending: Promise<void>[] = [];
  const abort = new AbortController();
  setMaxListeners(0, abort.signal);
  const startedAt = performance.now();
  const elapsed = () => performance.now() - startedAt;

  const send = async (index: number, atMs: number, variant: number): Promise<void> => {
    const { program, cases } = functions[index]!;
    const wasResident = residency.get(program.id)?.state === "resident";
    let latencyMs: number | undefined;
    try {
      if (!(await managed.call(index, cases[variant % cases.length]!, abort.signal))) wrong++;
      latencyMs = elapsed() - atMs;
    } catch (error) {
      if (!(error instanceof DawnletError)) throw error;
      if (atMs >= leadMs) {
        failures[error.code] ??= { count: 0, message: error.message };
        failures[error.code]!.count++;
      }
    }
    if (atMs >= leadMs) calls.push({ function: index, atMs, latencyMs, wasResident });
  };

  let before = residency.swapIns;
  let isLead = true;
  for (const [i, atMs] of timesMs.entries()) {
    const earlyMs = atMs - elapsed();
    if (earlyMs > 0) await sleep(earlyMs);
    if (isLead && atMs >= leadMs) {
      isLead = false;
      before = residency.swapIns;
    }
    pending.push(send(functionOf[i]!, atMs, i));
  }
  const timer = setTimeout(() => abort.abort(), patienceMs);
  await Promise.all(pending);
  clearTimeout(timer);
  const after = residency.swapIns;
  return {
    calls,
    wrong,
    failures,
    swapIns: { count: after.count - before.count, bytes: after.bytes - before.bytes },
  };
}
