/** The CPU lanes of a gateway, put together: how many there are, what each may take of host memory, who hears of them. */
import { availableParallelism } from "node:os";
import { getLogger } from "@logtape/logtape";
import type { Platform } from "../runtime/platform/platform.ts";
import { SessionProcesses } from "../runtime/supervisor/session-processes.ts";
import type { DeviceSetListener } from "./devices/device-events.ts";
import { CpuLane, sessionBytes } from "./dispatch/cpu-lane.ts";
import { formatBytes } from "./text.ts";

export interface OpenCpuLanesOptions {
  readonly platform: Platform;
  readonly count: number;
  /** Of host memory, for the sessions of all together. */
  readonly budgetBytes: number;
  /** Hears of the first lane under this index, of the others under those that follow. */
  readonly firstIndex: number;
  readonly listener: Required<Pick<DeviceSetListener, "resident" | "evicted" | "loadMeasured">>;
}

/** Each keeps a core busy, and the gateway and the drivers of GPUs want cores as well. */
const mostByDefault = 4;

export function defaultLanes(cores: number = availableParallelism()): number {
  return Math.min(mostByDefault, Math.max(1, cores - 1));
}

/** Starts no process yet. */
export function openCpuLanes(options: OpenCpuLanesOptions): readonly CpuLane[] {
  const { platform, count, budgetBytes, firstIndex, listener } = options;
  const laneBytes = Math.floor(budgetBytes / Math.max(1, count));
  if (count > 0 && laneBytes < sessionBytes)
    getLogger(["dawnlet", "gateway"]).warn("no model runs on a CPU lane: it has {bytes} (--host-memory)", {
      bytes: formatBytes(laneBytes),
    });
  const log = getLogger(["dawnlet", "session"]);
  return Array.from({ length: count }, (_, lane) => {
    const id = `cpu${lane}`;
    const index = firstIndex + lane;
    return new CpuLane({
      id,
      budgetBytes: laneBytes,
      sessions: (onClosed) =>
        new SessionProcesses({
          ...{ platform, onClosed },
          // Their bytes are counted, by which the scheduler sees to it that there are not too many.
          maxProcesses: Number.POSITIVE_INFINITY,
          onLine: (line) => log.info("{line}", { line, device: id }),
        }),
      listener: {
        resident: (program) => listener.resident(index, program),
        evicted: (program, reason) => listener.evicted(index, program, reason),
        loadMeasured: (...told) => listener.loadMeasured(index, ...told),
      },
    });
  });
}
