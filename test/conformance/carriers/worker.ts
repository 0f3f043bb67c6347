/**
 * A device in a worker, called by Comlink, and the suite run against it on this side. Runs in pages and in
 * processes; what starts those is in page.ts and thread-host.ts.
 */
import type { DeviceDescription } from "../../../runtime/device/api.ts";
import { WorkerDevice, type WorkerOpenParams } from "../../../runtime/device/worker-functions.ts";
import type { ChildWorker, Platform } from "../../../runtime/platform/platform.ts";
import { budgetBytes } from "../checks/check.ts";
import { type Report, runByName } from "../suite.ts";
import { decodeSuite } from "../wire.ts";

const entry = new URL("../../../runtime/device/worker-main.ts", import.meta.url);

/** A suite as `encodeSuite` gives it, and where its weights are. */
export interface WorkerSuite {
  readonly encoded: Uint8Array;
  /** Weights that are given over the port; the others are read from `open.blobFolder`. */
  readonly given: ReadonlyMap<string, Uint8Array>;
  readonly open: Omit<WorkerOpenParams, "budgetBytes">;
}

export interface SuiteWorker {
  readonly description: DeviceDescription;
  run(name: string): Promise<Report>;
  close(): Promise<void>;
}

export async function startWorker(
  platform: Pick<Platform, "spawnWorker">,
  { encoded, given, open }: WorkerSuite,
): Promise<SuiteWorker> {
  const worker: ChildWorker = platform.spawnWorker(entry, { name: "device" });
  const device = new WorkerDevice(worker.messagePort);
  const suite = decodeSuite(encoded);
  const description = await device.open({ ...open, budgetBytes });
  for (const [digest, blob] of given) await device.giveWeight(digest, blob);
  return {
    description,
    run: (name) => runByName(device, suite, name),
    async close() {
      await device.close();
      await worker.terminate();
    },
  };
}
