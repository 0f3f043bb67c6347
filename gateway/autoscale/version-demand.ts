/** What a version needs now, as the pure autoscaler is told of it: from its calls, its settings and the devices. */
import type { DeviceMember } from "../devices/device-member.ts";
import type { FunctionDevice } from "../devices/function-device.ts";
import type { OwnedProgram, ProgramOwner } from "../devices/owner.ts";
import type { FunctionState } from "../scheduler/core/function-state.ts";
import type { Configuration } from "../scheduler/profile/configurations.ts";
import type { FunctionDemand, Tier } from "../scheduler/scaling/demand.ts";
import {
  type IdleWindow,
  type IdleWindowOptions,
  idleWindowOf,
  tierAfter,
} from "../scheduler/scaling/idle-window.ts";
import type { CallWatch } from "./call-watch.ts";
import { inferredConfigurations } from "./inferred-configurations.ts";

/** A version of a function, as far as its Programs are known. */
export interface ScaledVersion extends Pick<FunctionDevice, "owner" | "misfits"> {
  readonly programs: readonly Pick<OwnedProgram, "id" | "weights">[];
}

export type ScaledDevice = Pick<
  DeviceMember,
  "index" | "id" | "class" | "isUp" | "budgetBytes" | "stateOf" | "pins"
>;

/** A version at a tick. */
export interface VersionDemand extends FunctionDemand {
  readonly owner: ProgramOwner;
  /** Ids. */
  readonly programs: ReadonlySet<string>;
  /** Of its weights, each once. */
  readonly digests: ReadonlySet<string>;
  /** Milliseconds since its last call, 0 while it is called. */
  readonly idleMs: number;
  readonly window: IdleWindow;
}

export interface DemandContext {
  readonly calls: CallWatch;
  readonly devices: readonly ScaledDevice[];
  /** What the scheduler takes for the functions of a version. */
  readonly units: (owner: ProgramOwner) => readonly FunctionState[];
  readonly idleWindow: IdleWindowOptions;
}

/** @param rate calls a second that are forecast. @param isInHost host memory may have its weights. */
export function versionDemand(
  { owner, programs, misfits }: ScaledVersion,
  rate: number,
  isInHost: boolean,
  { calls, devices, units, idleWindow }: DemandContext,
): VersionDemand {
  const weights = new Map(
    programs.flatMap((one) => one.weights.map(({ digest, sizeBytes }) => [digest, sizeBytes] as const)),
  );
  const ids = new Set(programs.map(({ id }) => id));
  const idleMs = calls.idleMs(owner);
  const window = windowOf(owner, calls, idleWindow);
  const isCalled = calls.wasCalled(owner);
  return {
    ...{ owner, programs: ids, digests: new Set(weights.keys()), idleMs, window },
    name: nameOf(owner),
    bytes: weights.values().reduce((sum, bytes) => sum + bytes, 0),
    ...{ rate, isInHost },
    tier: owner.settings.pin ? "device" : tierOf(window, idleMs, isCalled),
    configurations: configurationsFor(owner, units(owner), refusing(devices, misfits)),
    heldBy: new Set(devices.filter((one) => holds(one, ids)).map(({ id }) => id)),
    home: owner.settings.pin ? homeOf(ids, devices) : undefined,
  };
}

export function nameOf({ name, version }: ProgramOwner): string {
  return `${name}@${version}`;
}

/** What its owner states takes the place of what its idle times say. */
function windowOf(owner: ProgramOwner, calls: CallWatch, options: IdleWindowOptions): IdleWindow {
  const window = idleWindowOf(calls.idleTimes(owner), options);
  const { keepAliveMs } = owner.settings;
  if (keepAliveMs === null) return window;
  return {
    backAfterMs: 0,
    untilMs: keepAliveMs,
    hostUntilMs: Math.max(window.hostUntilMs, keepAliveMs),
  };
}

/** One that nobody has called is not brought to a device for that it was deployed. */
function tierOf(window: IdleWindow, idleMs: number, isCalled: boolean): Tier {
  if (isCalled) return tierAfter(window, idleMs);
  return idleMs < window.hostUntilMs ? "host" : "store";
}

/** As it was profiled, else as its runs have shown; not on devices that cannot run it. */
function configurationsFor(
  owner: ProgramOwner,
  units: readonly FunctionState[],
  refusing: ReadonlySet<string>,
): ReadonlyMap<string, readonly Configuration[]> {
  const all = new Map([...inferredConfigurations(units), ...(owner.configurations ?? [])]);
  for (const deviceClass of refusing) all.delete(deviceClass);
  return all;
}

/** Classes of devices: what one cannot run, the others of its class cannot either. */
function refusing(
  devices: readonly ScaledDevice[],
  misfits: ScaledVersion["misfits"] = [],
): ReadonlySet<string> {
  const ids = new Set(misfits.map(({ device }) => device));
  return new Set(devices.filter(({ id }) => ids.has(id)).map((device) => device.class));
}

function holds(device: ScaledDevice, programs: ReadonlySet<string>): boolean {
  return [...programs].some((id) => device.stateOf(id) !== "absent");
}

function homeOf(programs: ReadonlySet<string>, devices: readonly ScaledDevice[]): string | undefined {
  return devices.find((device) => [...programs].some((id) => device.pins(id)))?.id;
}
