/**
 * The devices of a gateway, put together: how many device processes on which adapters, what each may take of memory, and
 * one record of estimates an adapter. Which runs go where, the DeviceSet and its policy decide.
 */
import { getLogger } from "@logtape/logtape";
import type { FoundAdapter } from "../runtime/adapter/find-adapter.ts";
import { trialEntry } from "../runtime/device/entry.ts";
import type { AdapterChoice } from "../runtime/device/open.ts";
import type { GpuMemory, Platform } from "../runtime/platform/platform.ts";
import { DeviceProcess } from "../runtime/supervisor/device-process.ts";
import type { DeviceProcessOptions } from "../runtime/supervisor/device-process-options.ts";
import { ShaderTrials } from "../runtime/supervisor/shader-trials.ts";
import { deviceClassOf } from "./devices/device-class.ts";
import { defaultDeviceMemory } from "./devices/device-memory.ts";
import { DeviceSet, type DeviceSetOptions } from "./devices/device-set.ts";
import { estimatesPath, keepEstimates } from "./devices/estimate-records.ts";
import { Estimates } from "./devices/estimates.ts";
import { incidentLog } from "./incident-log.ts";
import type { Records } from "./store/records.ts";
import { formatBytes } from "./text.ts";

export interface OpenDevicesOptions
  extends Pick<DeviceSetOptions, "policy" | "place" | "listener" | "tenancy"> {
  readonly platform: Platform;
  /** At least one. */
  readonly adapters: readonly FoundAdapter[];
  /** Device processes on each of them. */
  readonly perAdapter: number;
  /** Bytes that each may allocate on its GPU. Left out: what the adapter has, in equal parts. */
  readonly deviceBytes?: number | undefined;
  /** Bytes of weights that all together may keep in host memory, in equal parts. */
  readonly hostBytes: number;
  /** All memory of this machine. */
  readonly allHostBytes: number;
  readonly blobFolder: string;
  readonly silence?: DeviceProcessOptions["silence"];
}

const log = getLogger(["dawnlet", "gateway"]);
const deviceLog = getLogger(["dawnlet", "device"]);

/** Starts no process yet. */
export async function openDevices(options: OpenDevicesOptions): Promise<DeviceSet> {
  const { platform, adapters, perAdapter, hostBytes, blobFolder, silence } = options;
  const wanted = adapters.flatMap((adapter) => Array.from({ length: perAdapter }, () => adapter));
  const estimates = new Map<string, Estimates>();
  const counts = { gpu: 0, software: 0 };
  const gpus = await gpuMemories(platform, adapters);
  const bytes = new Map(adapters.map((adapter) => [adapter, deviceBytesOf(adapter, gpus, options)]));
  const trials = new Map(
    adapters.map((adapter) => [adapter, trialsOn(adapter, bytes.get(adapter)!, options)]),
  );
  const devices = wanted.map((adapter, index) => {
    const deviceBytes = bytes.get(adapter)!;
    const { environment, description } = adapter;
    const kind = description.adapter.isSoftware ? "software" : "gpu";
    const id = `${kind}${counts[kind]++}`;
    const record = estimatesPath(description.adapter).join("/");
    const shared = estimates.get(record) ?? new Estimates();
    estimates.set(record, shared);
    const link = new DeviceProcess({
      ...{ platform, id, environment },
      open: {
        ...choiceOf(adapter),
        budgetBytes: deviceBytes,
        hostBudgetBytes: Math.floor(hostBytes / wanted.length),
        blobFolder,
      },
      onLine: (line) => deviceLog.info("{line}", { line, device: id }),
      onIncident: incidentLog(wanted.length > 1 ? id : undefined),
      onExit: () => set.devices[index]!.managed.restarted(),
      onUsage: (usage) => set.devices[index]!.managed.sessionsUse(usage),
      onUp: (isUp) => set.upChanged(index, isUp),
      ...(silence && { silence }),
    });
    const deviceClass = deviceClassOf(description.adapter);
    return {
      link,
      kind,
      class: deviceClass,
      deviceBytes,
      estimates: shared,
      trials: trials.get(adapter),
    } as const;
  });
  const { policy, place, listener, tenancy } = options;
  const set = new DeviceSet({
    ...{ devices, policy },
    ...(place && { place }),
    ...(listener && { listener }),
    ...(tenancy && { tenancy }),
  });
  return set;
}

function trialsOn(
  adapter: FoundAdapter,
  budgetBytes: number,
  { platform, blobFolder }: Pick<OpenDevicesOptions, "platform" | "blobFolder">,
): ShaderTrials {
  const devices = ["trial0", "trial1"].map(
    (id) =>
      new DeviceProcess({
        ...{ platform, id, environment: adapter.environment, entry: trialEntry },
        open: { ...choiceOf(adapter), budgetBytes, hostBudgetBytes: 0, blobFolder },
        onLine: (line) => deviceLog.info("{line}", { line, device: id }),
        onIncident: incidentLog(id),
      }),
  );
  return new ShaderTrials({ devices });
}

/** What a process must know of an adapter to open it. */
export function choiceOf({ gpuOptions, description }: FoundAdapter): AdapterChoice {
  const { implementation, backend, adapter } = gpuOptions;
  return { implementation, backend, adapter, isSoftware: description.adapter.isSoftware };
}

/** Keeps what is known of each adapter in the store, as `keepEstimates` does. Devices that never started keep nothing. */
export async function keepAllEstimates(set: DeviceSet, records: Records): Promise<AsyncDisposable> {
  await using keeping = new AsyncDisposableStack();
  const kept = new Set<Estimates>();
  for (const device of set.devices) {
    const { estimates } = device.managed;
    const description = await device.describe().catch(() => undefined);
    if (description === undefined || kept.has(estimates)) continue;
    kept.add(estimates);
    keeping.use(await keepEstimates({ records, estimates, adapter: description.adapter }));
  }
  return keeping.move();
}

async function gpuMemories(
  platform: Platform,
  adapters: readonly FoundAdapter[],
): Promise<readonly GpuMemory[]> {
  const hasGpu = adapters.some(({ description }) => !description.adapter.isSoftware);
  return hasGpu ? platform.gpuMemories() : [];
}

function deviceBytesOf(
  { name, description }: FoundAdapter,
  gpus: readonly GpuMemory[],
  { deviceBytes, allHostBytes, perAdapter }: OpenDevicesOptions,
): number {
  if (deviceBytes !== undefined) return deviceBytes;
  const { bytes, from } = defaultDeviceMemory(description.adapter, allHostBytes, gpus);
  const size = Math.floor(bytes / perAdapter);
  log.info("device memory on {name}: at most {size}, {from}", { name, size: formatBytes(size), from });
  return size;
}
