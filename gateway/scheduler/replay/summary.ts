/** What a replay says happened, counted: of all functions or of one. */
import type { SchedulerAction } from "../core/actions.ts";
import { isMeant, type OpenRequest, type TrailedAction, type TrailedStep } from "./trail.ts";

export interface ReplaySummary {
  /** By type. */
  readonly events: Readonly<Record<string, number>>;
  readonly requests: number;
  readonly runs: number;
  /** In those runs. */
  readonly runRequests: number;
  /** Runs whose weights were not there. */
  readonly coldRuns: number;
  /** Ahead of requests. */
  readonly loads: number;
  /** That the scheduler chose, by reasons without their figures and names. */
  readonly evictions: Readonly<Record<string, number>>;
  /** By cause. */
  readonly refusals: Readonly<Record<string, number>>;
  /** From arrival to run, in milliseconds; undefined where nothing ran. */
  readonly waitMs: Quantiles | undefined;
  /** Longest first. */
  readonly longestWaits: readonly LongWait[];
  /** Requests that had no end when the log had. */
  readonly open: {
    readonly running: number;
    readonly waiting: number;
    /** Of those that waited. */
    readonly oldest: Omit<LongWait, "device" | "step"> | undefined;
  };
  /** At which the scheduler threw. */
  readonly errors: readonly { readonly step: number; readonly message: string }[];
  /** Milliseconds from the first event of the log to the last. */
  readonly spanMs: number;
}

export interface Quantiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export interface LongWait {
  readonly waitMs: number;
  readonly request: number;
  readonly function: string;
  readonly device: string;
  /** In which it ran. */
  readonly step: number;
}

const longWaits = 10;

export class SummaryCount {
  /** Undefined: all. */
  readonly #wanted: string | undefined;
  readonly #events = new Map<string, number>();
  readonly #evictions = new Map<string, number>();
  readonly #refusals = new Map<string, number>();
  readonly #counts = { requests: 0, runs: 0, runRequests: 0, coldRuns: 0, loads: 0 };
  readonly #waits: number[] = [];
  readonly #longest: LongWait[] = [];
  readonly #errors: { readonly step: number; readonly message: string }[] = [];
  #firstAt: number | undefined;
  #lastAt = 0;

  /** @param wanted a function, as `isMeant` takes it. Left out: all, and what is about none. */
  constructor(wanted?: string) {
    this.#wanted = wanted;
  }

  add(step: TrailedStep): void {
    this.#firstAt ??= step.now;
    this.#lastAt = step.now;
    if (this.#isCounted(step.eventFunction)) {
      count(this.#events, step.event.type);
      if (step.event.type === "arrival") this.#counts.requests++;
      if ("error" in step) this.#errors.push({ step: step.number, message: String(step.error) });
    }
    for (const one of step.trailed) if (this.#isCounted(one.function)) this.#addAction(one, step);
  }

  /** @param open as the Trail says after the last step. */
  summary(open: Iterable<OpenRequest>): ReplaySummary {
    const byCount = (counts: ReadonlyMap<string, number>) =>
      Object.fromEntries([...counts].sort(([, a], [, b]) => b - a));
    return {
      events: byCount(this.#events),
      ...this.#counts,
      evictions: byCount(this.#evictions),
      refusals: byCount(this.#refusals),
      waitMs: quantiles(this.#waits),
      longestWaits: this.#longest,
      open: this.#open([...open].filter((one) => this.#isCounted(one.function))),
      errors: this.#errors,
      spanMs: this.#lastAt - (this.#firstAt ?? 0),
    };
  }

  #open(open: readonly OpenRequest[]): ReplaySummary["open"] {
    const waiting = open.filter(({ isRunning }) => !isRunning);
    const [oldest] = waiting;
    return {
      running: open.length - waiting.length,
      waiting: waiting.length,
      oldest: oldest && {
        waitMs: this.#lastAt - oldest.arrivedAt,
        request: oldest.id,
        function: oldest.function,
      },
    };
  }

  #isCounted(id: string | undefined): boolean {
    return this.#wanted === undefined || isMeant(id, this.#wanted);
  }

  #addAction({ action, requests }: TrailedAction, step: TrailedStep): void {
    switch (action.type) {
      case "run":
        this.#counts.runs++;
        this.#counts.runRequests += requests.length;
        if (action.isCold) this.#counts.coldRuns++;
        this.#addWaits(action, requests, step);
        break;
      case "load":
        this.#counts.loads++;
        break;
      case "evict":
        count(this.#evictions, kindOf(action.reason));
        break;
      case "reject":
        count(this.#refusals, action.cause);
        break;
      case "wake":
        break;
      default:
        action satisfies never;
    }
  }

  #addWaits(
    { device }: Extract<SchedulerAction, { readonly type: "run" }>,
    requests: TrailedAction["requests"],
    { now, number: step }: TrailedStep,
  ): void {
    for (const { id: request, function: fn, arrivedAt } of requests) {
      const waitMs = now - arrivedAt;
      this.#waits.push(waitMs);
      const at = this.#longest.findIndex((one) => one.waitMs < waitMs);
      if (at < 0 && this.#longest.length === longWaits) continue;
      const place = at < 0 ? this.#longest.length : at;
      this.#longest.splice(place, 0, { waitMs, request, function: fn, device, step });
      this.#longest.length = Math.min(longWaits, this.#longest.length);
    }
  }
}

/** `idle for 41.2 s, 2.5 uses a minute; 'g' comes in` is of the kind `idle for …`. */
export function kindOf(reason: string): string {
  const [first = ""] = reason.replaceAll(/'[^']*'/g, "…").split(/[:;,]\s/);
  return first.replaceAll(/\d[\d.]*(e[-+]?\d+)?( (ms|s|min|h|[KMGT]?i?B)\b)?/g, "…");
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** By the nearest rank. */
function quantiles(values: readonly number[]): Quantiles | undefined {
  if (values.length === 0) return undefined;
  const ascending = Float64Array.from(values).sort();
  const at = (part: number) => ascending[Math.ceil(part * ascending.length) - 1]!;
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}
