/** Plays calls against a live gateway: at their times, whatever became of those before, or from clients that wait. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Arrivals } from "../traces/arrivals.ts";
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
  { timesMs, functionOf }: Arrivals,
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
    const earlyMs = atMs - elapsed();
    if (earlyMs > 0) await sleep(earlyMs);
    pending.push(send(functionOf[i]!, atMs, i % seedsOfEach));
  }
  return Promise.all(pending);
}

/** A client a function; each sends its next call when it has its answer. @returns latencies of right answers. */
export async function playClients(
  gateway: LiveGateway,
  clients: number,
  durationMs: number,
): Promise<readonly number[]> {
  const latencies: number[] = [];
  const until = performance.now() + durationMs;
  const client = async (fn: number) => {
    for (let i = 0; performance.now() < until; i++) {
      const tookMs = await gateway.call(fn, { seed: i % seedsOfEach });
      if (tookMs !== undefined && performance.now() <= until) latencies.push(tookMs);
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, fn) => client(fn)));
  return latencies;
}
