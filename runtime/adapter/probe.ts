/** Tries a candidate in a process of its own. */
import { DawnletError } from "../../kernels/errors.ts";
import type { AdapterDescription } from "../device/api.ts";
import type { Platform } from "../platform/platform.ts";
import { RpcClient } from "../port/rpc-client.ts";
import type { AdapterCandidate } from "./candidates.ts";
import { type ProbeParams, parseDescription } from "./probe-protocol.ts";

/** A driver that takes longer to compute 256 numbers is of no use. */
const probeTimeoutMs = 20_000;

export type ProbeOutcome = { readonly description: AdapterDescription } | { readonly failure: string };

/** @throws DawnletError where the signal aborts. What is wrong with the candidate is an outcome. */
export async function probeCandidate(
  platform: Pick<Platform, "spawnProcess">,
  candidate: AdapterCandidate,
  params: ProbeParams,
  signal?: AbortSignal,
): Promise<ProbeOutcome> {
  const complaints: string[] = [];
  const timeout = AbortSignal.timeout(probeTimeoutMs);
  const limit = signal ? AbortSignal.any([signal, timeout]) : timeout;
  try {
    const child = await platform.spawnProcess(new URL("./probe-main.ts", import.meta.url), {
      name: "adapter probe",
      environment: candidate.environment,
      onLine: (line) => complaints.push(line),
      signal: limit,
    });
    try {
      const client = new RpcClient(child.port, { peer: "the adapter probe" });
      const { result } = await client.call("probe", params, [], { signal: limit });
      const description = parseDescription(result);
      return description ? { description } : { failure: "the probe gave an answer that is none" };
    } finally {
      // Not `stop`: drivers hang in an orderly exit, and there is nothing left to save.
      child.kill();
      await child.exited;
    }
  } catch (error) {
    if (signal?.aborted) throw error;
    return { failure: failure(error, complaints) };
  }
}

/** The driver's own words say most. */
function failure(error: unknown, complaints: readonly string[]): string {
  const said = complaints.find((line) => /^(warning|error)\b/i.test(line.trim())) ?? complaints[0];
  const what = error instanceof DawnletError ? error.message : String(error);
  return said ? `${what} (${said.trim()})` : what;
}
