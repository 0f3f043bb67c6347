/**
 * Measures one combination of quota and lanes: as many callers as there are lanes, each of whom calls again when it has
 * an answer. What a call waits for its quota is part of its latency. What a run does, and the clock, are given.
 */
import { DeviceTime } from "./device-time.ts";
import { QuotaBucket } from "./quota-bucket.ts";

/** Milliseconds. Tests bring one of their own. */
export interface Clock {
  now(): number;
  sleep(ms: number): Promise<void>;
}

/** A run has ended; how long it was on the device. */
export interface FinishedRun {
  readonly executeMs: number;
}

export interface CellOptions {
  readonly run: () => Promise<FinishedRun>;
  readonly quota: number;
  readonly lanes: number;
  readonly windowMs: number;
  /** It goes on for at least so long, and for so many runs in all. */
  readonly leastMs: number;
  readonly leastRuns: number;
  /** Once this point in time has come, one run is enough. */
  readonly deadline: number;
  readonly clock: Clock;
}

export interface CellFigures {
  readonly runs: number;
  readonly runsPerSecond: number;
  readonly p50Ms: number;
  readonly p98Ms: number;
}

interface Answer {
  readonly endMs: number;
  readonly latencyMs: number;
}

/** The first call of each caller warms up and is not counted. @throws what a run throws, once no other is under way. */
export async function measureCell(options: CellOptions): Promise<CellFigures> {
  const { run, quota, lanes, windowMs, leastMs, leastRuns, deadline, clock } = options;
  const bucket = new QuotaBucket(quota, windowMs, clock.now());
  const deviceTime = new DeviceTime();
  let hasFailed = false;

  const call = async (): Promise<Answer> => {
    const askedMs = clock.now();
    for (let waitMs = bucket.waitMs(askedMs); waitMs > 0; waitMs = bucket.waitMs(clock.now()))
      await clock.sleep(waitMs);
    try {
      const { executeMs } = await run();
      const endMs = clock.now();
      bucket.charge(deviceTime.add(endMs, executeMs), endMs);
      return { endMs, latencyMs: endMs - askedMs };
    } catch (error) {
      hasFailed = true;
      throw error;
    }
  };

  await inLanes(lanes, call);
  const startMs = clock.now();
  const answers: Answer[] = [];
  const isEnough = () => {
    const now = clock.now();
    if (now >= deadline && answers.length > 0) return true;
    return now - startMs >= leastMs && answers.length >= leastRuns;
  };
  await inLanes(lanes, async () => {
    while (!hasFailed && !isEnough()) answers.push(await call());
  });
  return figuresOf(answers, startMs, lanes);
}

/** All have ended when this one does, in either way. */
async function inLanes(lanes: number, work: () => Promise<unknown>): Promise<void> {
  const ended = await Promise.allSettled(Array.from({ length: lanes }, work));
  for (const one of ended) if (one.status === "rejected") throw one.reason;
}

function figuresOf(answers: readonly Answer[], startMs: number, lanes: number): CellFigures {
  const latencies = answers.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b);
  return {
    runs: answers.length,
    runsPerSecond:
      1000 *
      medianRate(
        answers.map(({ endMs }) => endMs),
        startMs,
        lanes,
      ),
    p50Ms: quantile(latencies, 0.5),
    p98Ms: quantile(latencies, 0.98),
  };
}

const usualParts = 5;

/**
 * Ends a millisecond: the median of about five parts with equally many ends, so that a pause of the machine in one of
 * them changes nothing. Lanes end together: parts are made of whole rounds.
 */
function medianRate(ends: readonly number[], startMs: number, lanes: number): number {
  const size = Math.max(1, Math.floor(ends.length / usualParts / lanes)) * lanes;
  const rates: number[] = [];
  let beginMs = startMs;
  for (let last = size - 1; last < ends.length; last += size) {
    if (ends[last]! > beginMs) rates.push(size / (ends[last]! - beginMs));
    beginMs = ends[last]!;
  }
  if (rates.length > 0)
    return quantile(
      rates.sort((a, b) => a - b),
      0.5,
    );
  const tookMs = (ends.at(-1) ?? startMs) - startMs;
  return tookMs > 0 ? ends.length / tookMs : 0;
}

/** Nearest rank. @param sorted ascending, at least one. */
function quantile(sorted: readonly number[], p: number): number {
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)]!;
}
