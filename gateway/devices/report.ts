/** What `GET /v1/devices` says of a device: what its memory holds, who is there, who left and why. */
import { DawnletError } from "../../kernels/errors.ts";
import type { DeviceDescription, DeviceMemory } from "../../runtime/device/api.ts";
import type { DeviceHealth } from "../../runtime/supervisor/incident.ts";
import type { CpuLane } from "../dispatch/cpu-lane.ts";
import type { DeviceKind } from "../scheduler/placement/place.ts";
import type { DeviceMember } from "./device-member.ts";
import type { LoggedEviction } from "./eviction-log.ts";
import type { ManagedDevice } from "./managed-device.ts";
import type { Residence } from "./residence.ts";

export interface ResidentReport {
  readonly function: string;
  readonly version: number | undefined;
  /** Of the Program: a function has one for each set of sizes. */
  readonly program: string;
  /** Weights, rounded up as the device places them. Shared ones count for each that shares them. */
  readonly bytes: number;
  readonly pinned: boolean;
  readonly priority: number;
  readonly running: number;
  readonly uses: number;
  readonly usesPerMinute: number;
  /** Left out where it has not been used since it was loaded. */
  readonly lastUsedAt?: string;
  /** When its keepAlive ends, unless it is used again. */
  readonly keptUntil?: string;
  /** Of a swap-in; measured since the start or before it. Left out where it never was. */
  readonly loadMs?: number;
}

interface DeviceStanding {
  /** `gpu0` */
  readonly id: string;
  readonly kind: DeviceKind;
  /** Calls go to it at once. */
  readonly isUp: boolean;
  readonly health: DeviceHealth;
}

/** One whose process does not start, or does not answer. */
export interface SilentDeviceReport extends DeviceStanding {
  readonly problem: string;
}

export interface DeviceReport extends DeviceStanding {
  readonly adapter: DeviceDescription["adapter"];
  readonly budgetBytes: number;
  readonly usedBytes: {
    readonly weights: number;
    readonly activations: number;
    readonly constants: number;
    readonly staging: number;
    /** That stay between runs. */
    readonly tensors: number;
    /** Buffers that handlers made. */
    readonly sessions: number;
    readonly total: number;
  };
  /** As the gateway counts them; `placedBytes` is the device's own count. */
  readonly weights: { readonly budgetBytes: number; readonly bytes: number; readonly placedBytes: number };
  readonly host: { readonly budgetBytes: number; readonly bytes: number };
  readonly lanes: number;
  readonly policy: string;
  /** Calls that wait for room. */
  readonly waiting: number;
  readonly residents: readonly ResidentReport[];
  readonly loading: readonly ResidentReport[];
  readonly swapIns: { readonly count: number; readonly bytes: number; readonly bytesPerSecond?: number };
  /** `last` has the newest first. */
  readonly evictions: {
    readonly counts: Readonly<Record<string, number>>;
    readonly last: readonly LoggedEviction[];
  };
}

/** Of a CPU lane, which has no weights but sessions of ONNX Runtime. */
export interface LaneReport {
  /** `cpu0` */
  readonly id: string;
  readonly kind: "cpu";
  readonly isUp: boolean;
  /** Of host memory, as the gateway estimates what sessions take. */
  readonly budgetBytes: number;
  readonly usedBytes: { readonly total: number };
  readonly sessions: CpuLane["sessions"];
}

export function reportLane({ id, isUp, budgetBytes, sessions }: CpuLane): LaneReport {
  const total = sessions.reduce((sum, { bytes }) => sum + bytes, 0);
  return { ...{ id, kind: "cpu", isUp, budgetBytes }, usedBytes: { total }, sessions };
}

export async function reportDevice(member: DeviceMember): Promise<DeviceReport | SilentDeviceReport> {
  const { managed } = member;
  try {
    const [{ adapter }, memory] = await Promise.all([managed.describe(), managed.memory()]);
    return { ...standingOf(member), ...describeDevice(managed, adapter, memory) };
  } catch (error) {
    if (!(error instanceof DawnletError)) throw error;
    return { ...standingOf(member), problem: error.message };
  }
}

function standingOf({ id, kind, isUp, managed: { health } }: DeviceMember): DeviceStanding {
  return { id, kind, isUp, health };
}

function describeDevice(
  device: ManagedDevice,
  adapter: DeviceDescription["adapter"],
  memory: DeviceMemory,
): Omit<DeviceReport, keyof DeviceStanding> {
  const { residency, evictions, policy } = device;
  const on = [...residency.residences].filter((one) => one.isOn);
  const reportOf = (residence: Readonly<Residence>) => reportResident(device, residence);
  const { bytesPerMs } = residency;
  return {
    adapter,
    ...memoryReport(memory),
    weights: {
      budgetBytes: residency.budgetBytes,
      bytes: residency.usedBytes,
      placedBytes: memory.placedBytes,
    },
    policy: policy.name,
    waiting: residency.waiting,
    residents: on.filter(({ state }) => state === "resident").map(reportOf),
    loading: on.filter(({ state }) => state === "loading").map(reportOf),
    swapIns: {
      ...residency.swapIns,
      ...(bytesPerMs !== undefined && { bytesPerSecond: Math.round(bytesPerMs * 1_000) }),
    },
    evictions: { counts: evictions.counts, last: evictions.last },
  };
}

function memoryReport(
  memory: DeviceMemory,
): Pick<DeviceReport, "budgetBytes" | "usedBytes" | "host" | "lanes"> {
  return {
    budgetBytes: memory.budgetBytes,
    usedBytes: {
      weights: memory.weightBytes,
      activations: memory.activationBytes,
      constants: memory.constantBytes,
      staging: memory.stagingBytes,
      tensors: memory.tensorBytes,
      sessions: memory.sessionBytes,
      total: memory.totalBytes,
    },
    host: { budgetBytes: memory.hostBudgetBytes, bytes: memory.hostBytes },
    lanes: memory.lanes,
  };
}

function reportResident(device: ManagedDevice, residence: Readonly<Residence>): ResidentReport {
  const { id, label, sizeBytes, settings, leases, uses, lastUsedMs, keepUntilMs } = residence;
  const { loadMs } = residence.estimate;
  const [owner] = device.ownersOf(id);
  const now = device.now();
  const timeOf = (ms: number) => new Date(Date.now() + ms - now).toISOString();
  return {
    function: owner?.name ?? label,
    version: owner?.version,
    program: id,
    bytes: sizeBytes,
    pinned: settings.isPinned,
    priority: settings.priority,
    running: leases,
    uses,
    usesPerMinute: Number((residence.usesPerSecond(now) * 60).toPrecision(3)),
    ...(lastUsedMs >= 0 && { lastUsedAt: timeOf(lastUsedMs) }),
    ...(keepUntilMs !== undefined && { keptUntil: timeOf(keepUntilMs) }),
    ...(loadMs !== undefined && { loadMs: Math.round(loadMs * 1_000) / 1_000 }),
  };
}
