/** Plays calls against a live gateway: at their times, whatever became of those before, or from clients that wait. */
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { ArrivalBlock } from "../traces/arrivals.ts";
import type { Slice } from "./arena.ts";
import { seedsOfEach } from "./functions.ts";
import type { LiveGateway } from "./live-gateway.ts";

export interface PlayedCall {
  readonly function: number;
  /** When it was due. */
  readonly atMs: number;
  /** From when it was due to its answer; undefined where that was not right. */
  readonly latencyMs: number | undefined;
}

export async function playArrivals(
  gateway: LiveGateway,
  { timesMs, functionOf }: ArrivalBlock,
  deadlineMs?: number,
): Promise<readonly PlayedCall[]> {
  const startedAt = performance.now();
  const elapsed = () => performance.now() - startedAt;
  const send = async (fn: number, atMs: number, seed: number): Promise<PlayedCall> => {
    const options = { seed, ...(deadlineMs !== undefined && { deadlineMs }) };
    const tookMs = await gateway.call(fn, options);
    return { function: fn, atMs, latencyMs: tookMs === undefined ? undefined : elapsed() - atMs };
  };
  const pending: Promise<PlayedCall>[] = [];
  for (const [i, atMs] of timesMs.entries()) {
    // Timers are up to a millisecond late, which is much of what HTTP adds.
    const earlyMs = Math.floor(atMs - elapsed());
    if (earlyMs > 1) await sleep(earlyMs - 1);
    while (elapsed() < atMs) await nextTurn();
    pending.push(send(functionOf[i]!, atMs, i % seedsOfEach));
  }
  return Promise.all(pending);
}

/** Calls of one slice after the other, by the clock that goes on between them. */
export function joined(slices: readonly Slice<readonly PlayedCall[]>[]): readonly PlayedCall[] {
  return slices.flatMap(({ fromMs, played }) =>
    played.map((call) => ({ ...call, atMs: fromMs + call.atMs })),
  );
}

/** Of right answers. */
export function latenciesOf(calls: readonly PlayedCall[]): readonly number[] {
  return calls.flatMap(({ latencyMs }) => latencyMs ?? []);
}

export function arrivalsOf(calls: readonly PlayedCall[]): ArrivalBlock {
  return {
    timesMs: Float64Array.from(calls, ({ atMs }) => atMs),
    functionOf: Uint32Array.from(calls, (call) => call.function),
  };
}

/** A client a function; each sends its next call when it has its answer. @returns latencies of right answers by client. */
export async function playClients(
  gateway: LiveGateway,
  clients: number,
  durationMs: number,
): Promise<readonly (readonly number[])[]> {
  const until = performance.now() + durationMs;
  const client = async (fn: number) => {
    const latencies: number[] = [];
    for (let i = 0; performance.now() < until; i++) {
      const tookMs = await gateway.call(fn, { seed: i % seedsOfEach });
      if (tookMs !== undefined && performance.now() <= until) latencies.push(tookMs);
    }
    return latencies;
  };
  return Promise.all(Array.from({ length: clients }, (_, fn) => client(fn)));
}
