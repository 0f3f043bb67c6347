/**
 * Counts of calls and where their time went, by version, since the server started; in nanoseconds as
 * Open Inference clients read them. Nothing is sampled or estimated.
 */
import type { FunctionVersion, HopTimings } from "../functions/functions.ts";
import type { CallObserver, FinishedCall } from "../http/exchange.ts";

/** How often, and how long in sum. */
export interface Duration {
  count: number;
  ns: number;
}

const phases = ["queue", "compute_input", "compute_infer", "compute_output"] as const;
export type Phase = (typeof phases)[number];

/** Phases of the protocol by hops of ours. Hops that are not named here count as input: they come before the run. */
const phaseOfHop: Readonly<Record<string, Phase>> = {
  queue: "queue",
  execute: "compute_infer",
  run: "compute_infer",
  read: "compute_output",
  decode: "compute_output",
};

/** What was counted for one version. */
export interface CallCounts {
  readonly name: string;
  readonly version: number;
  /** Of the deployed bytes: a name that was removed and deployed anew starts over. */
  readonly digest: string;
  /** Whose it was: who deploys the same bytes under the same name must not see the counts of somebody else. */
  readonly tenant: string | undefined;
  pending: number;
  started: number;
  readonly success: Duration;
  readonly fail: Duration;
  readonly phases: Record<Phase, Duration>;
  readonly byStatus: Map<number, number>;
  readonly failures: Record<FailureReason, number>;
  /** Milliseconds since 1970; 0 before the first. */
  lastInferenceMs: number;
}

/** Triton's reasons. */
export type FailureReason = "REJECTED" | "CANCELED" | "BACKEND" | "OTHER";

export class Statistics implements CallObserver {
  readonly #counts = new Map<string, CallCounts>();
  /** The same by identity, for registries that hand out the same object each time. */
  readonly #byVersion = new WeakMap<FunctionVersion, CallCounts>();

  callStarted(version: FunctionVersion): void {
    const counts = this.of(version);
    counts.pending++;
    counts.started++;
  }

  callFinished(call: FinishedCall): void {
    const counts = this.of(call.version);
    const ns = Math.round(call.totalMs * 1e6);
    // A name may have been removed and deployed anew in between.
    counts.pending = Math.max(0, counts.pending - 1);
    counts.byStatus.set(call.status, (counts.byStatus.get(call.status) ?? 0) + 1);
    counts.lastInferenceMs = Date.now();
    if (call.timings === undefined || call.errorCode !== undefined) {
      add(counts.fail, ns);
      counts.failures[failureReason(call)]++;
      return;
    }
    add(counts.success, ns);
    addPhases(counts.phases, call.timings);
  }

  /** Counts of a version, all zero if it was never called. */
  of(version: FunctionVersion): CallCounts {
    const known = this.#byVersion.get(version);
    if (known !== undefined) return known;
    const counts = this.#find(version);
    this.#byVersion.set(version, counts);
    return counts;
  }

  #find(version: FunctionVersion): CallCounts {
    const key = `${version.name}/${version.version}`;
    const known = this.#counts.get(key);
    if (known?.digest === version.digest && known.tenant === version.tenant) return known;
    const fresh = emptyCounts(version);
    this.#counts.set(key, fresh);
    return fresh;
  }

  /** Versions that were asked for, those that are deployed no more included. */
  get size(): number {
    return this.#counts.size;
  }

  /** Forgets what is deployed no more. */
  retain(versions: readonly FunctionVersion[]): void {
    const kept = new Set(versions.map(({ name, version }) => `${name}/${version}`));
    for (const key of this.#counts.keys()) if (!kept.has(key)) this.#counts.delete(key);
  }
}

function emptyCounts({ name, version, digest, tenant }: FunctionVersion): CallCounts {
  const none = (): Duration => ({ count: 0, ns: 0 });
  return {
    name,
    version,
    digest,
    tenant,
    pending: 0,
    started: 0,
    success: none(),
    fail: none(),
    phases: { queue: none(), compute_input: none(), compute_infer: none(), compute_output: none() },
    byStatus: new Map(),
    failures: { REJECTED: 0, CANCELED: 0, BACKEND: 0, OTHER: 0 },
    lastInferenceMs: 0,
  };
}

function add(duration: Duration, ns: number): void {
  duration.count++;
  duration.ns += ns;
}

function addPhases(sums: Record<Phase, Duration>, timings: HopTimings): void {
  for (const phase of phases) sums[phase].count++;
  for (const [hop, milliseconds] of timings) {
    const phase = Object.hasOwn(phaseOfHop, hop) ? phaseOfHop[hop]! : "compute_input";
    sums[phase].ns += Math.round(milliseconds * 1e6);
  }
}

function failureReason(call: FinishedCall): FailureReason {
  if (call.errorCode === "QUEUE_FULL") return "REJECTED";
  if (call.errorCode === "CANCELLED") return "CANCELED";
  return call.status >= 500 ? "BACKEND" : "OTHER";
}

/** As the statistics extension of the protocol writes one version. */
export function modelStatistics(counts: CallCounts) {
  const { success, fail, phases: sums } = counts;
  const none: Duration = { count: 0, ns: 0 };
  return {
    name: counts.name,
    version: String(counts.version),
    last_inference: counts.lastInferenceMs,
    inference_count: success.count,
    execution_count: success.count,
    // Answers are never cached: both cache counts are what they are.
    inference_stats: { success, fail, ...sums, cache_hit: none, cache_miss: none },
    batch_stats:
      success.count === 0
        ? []
        : [
            {
              batch_size: 1,
              compute_input: sums.compute_input,
              compute_infer: sums.compute_infer,
              compute_output: sums.compute_output,
            },
          ],
    memory_usage: [],
  };
}
