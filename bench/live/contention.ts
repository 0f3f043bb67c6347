/** Contention in small: clients that wait for their answers, each with a function of its own, through the memory cliff. */
import { deadline } from "../../gateway/scheduler/policies/deadline/deadline.ts";
import { kaasBalance } from "../../gateway/scheduler/policies/kaas-balance.ts";
import { kaasCfs } from "../../gateway/scheduler/policies/kaas-cfs.ts";
import { kaasStatic } from "../../gateway/scheduler/policies/kaas-static.ts";
import { percentile } from "../harness/statistics.ts";
import { LiveGateway } from "./live-gateway.ts";
import { playClients } from "./play.ts";
import type { LiveSettings } from "./settings.ts";
import { slots, type World } from "./setup.ts";

export interface ContentionTurn {
  readonly clients: number;
  readonly policy: string;
  readonly callsPerSecond: number;
  /** NaN where nobody had an answer. */
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly wrong: number;
}

const policies = [kaasBalance, kaasCfs, kaasStatic, deadline];
/** The brief end of turns: policies are at rest after some runs of each client. */
const turnShare = 0.6;

export async function measureContention(
  world: World,
  { rounds, seconds, isQuick }: LiveSettings,
): Promise<readonly ContentionTurn[]> {
  const cliff = slots * world.devices;
  const counts = isQuick ? [1, cliff + 2] : [1, slots, cliff, cliff + 2, 2 * cliff];
  const durationMs = seconds * 1_000 * turnShare;
  const turns: ContentionTurn[] = [];
  for (let round = 0; round < rounds; round++)
    for (const clients of counts)
      for (let turn = 0; turn < policies.length; turn++) {
        const policy = policies[(round + turn) % policies.length]!;
        await using gateway = await LiveGateway.open(world, policy);
        await gateway.warm(clients);
        const latencies = await playClients(gateway, clients, durationMs);
        const at = (p: number) => (latencies.length === 0 ? Number.NaN : percentile(latencies, p));
        turns.push({
          ...{ clients, policy: policy.name, callsPerSecond: (latencies.length * 1_000) / durationMs },
          ...{ p50Ms: at(0.5), p90Ms: at(0.9), wrong: gateway.wrong },
        });
      }
  return turns;
}
