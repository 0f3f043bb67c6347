/** Examines an adapter that was found, in a process of its own: numbers for people, nothing that decides. */
import * as v from "valibot";
import { DawnletError } from "../../kernels/errors.ts";
import type { Platform } from "../platform/platform.ts";
import { RpcClient } from "../port/rpc-client.ts";
import type { FoundAdapter } from "./find-adapter.ts";
import type { UploadRate } from "./upload-rate.ts";

const checkupTimeoutMs = 60_000;

export interface Checkup {
  /** Of 512 results of 16-bit arithmetic; null where the adapter has no `shader-f16`. */
  readonly wrongHalves: number | null;
  readonly upload: UploadRate;
}

const checkupSchema = v.object({
  wrongHalves: v.nullable(v.number()),
  upload: v.object({ sizeBytes: v.number(), runs: v.number(), bytesPerSecond: v.number() }),
});

/** @throws DawnletError where the process ends or does not answer. */
export async function examineAdapter(
  platform: Pick<Platform, "spawnProcess">,
  found: FoundAdapter,
): Promise<Checkup> {
  const signal = AbortSignal.timeout(checkupTimeoutMs);
  const child = await platform.spawnProcess(new URL("./checkup-main.ts", import.meta.url), {
    name: "the adapter checkup",
    environment: found.environment,
    // What drivers print beside the answer is of no interest here.
    onLine: () => {},
    signal,
  });
  try {
    const client = new RpcClient(child.port, { peer: "the adapter checkup" });
    const { result } = await client.call("checkup", found.gpuOptions, [], { signal });
    const parsed = v.safeParse(checkupSchema, result);
    if (parsed.success) return parsed.output;
    throw new DawnletError("INTERNAL", "The adapter checkup gave an answer that is none");
  } finally {
    // Not `stop`: drivers hang in an orderly exit, and there is nothing left to save.
    child.kill();
    await child.exited;
  }
}
