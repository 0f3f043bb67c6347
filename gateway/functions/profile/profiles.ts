/**
 * Profiles of deployed functions: measures one on request and keeps it. One is measured at a time on a device, while
 * calls of others go on. What is measured and how, sweep.ts and device-bench.ts say.
 */
import { getLogger } from "@logtape/logtape";
import { DawnletError } from "../../../kernels/errors.ts";
import type { DeviceDescription } from "../../../runtime/device/api.ts";
import { abortError } from "../../../runtime/port/abort-error.ts";
import type { DeviceMember } from "../../devices/device-member.ts";
import type { KnownTime } from "../../scheduler/core/specs.ts";
import { type Configuration, configurationsOf } from "../../scheduler/profile/configurations.ts";
import { knownTimes } from "../../scheduler/profile/known-times.ts";
import type { MeasuredProfile } from "../../scheduler/profile/measured-profile.ts";
import type { Records } from "../../store/records.ts";
import { unknownFunction } from "../name-errors.ts";
import type { PreparedProgram } from "../prepared-call.ts";
import type { Version } from "../version.ts";
import { DeviceBench, readyBatches } from "./device-bench.ts";
import { ProfileRecords } from "./profile-records.ts";
import { type GivenCall, sampleCall } from "./sample-call.ts";
import { quotaWindowMs, sweep } from "./sweep.ts";

/** Which profile. */
export interface ProfileOf {
  readonly name: string;
  /** Number or digest; left out: the current one. */
  readonly version?: string | undefined;
  /** Id; left out: the first on which the version runs. */
  readonly device?: string | undefined;
}

export interface ProfileRequest extends ProfileOf, GivenCall {
  /** Of measuring; what has to be compiled first takes its own time. */
  readonly seconds: number;
  /** Shares of the device's time; 1 is always among them. */
  readonly quotas: readonly number[];
  /** Most runs side by side that are tried. */
  readonly lanes: number;
  /** Calls a run; 1 is always among them. */
  readonly batches: readonly number[];
}

export const defaultProfile = {
  seconds: 60,
  quotas: [0.2, 0.4, 0.6, 0.8, 1],
  lanes: 16,
  batches: [1, 2, 4, 8, 16],
} as const satisfies Pick<ProfileRequest, "seconds" | "quotas" | "lanes" | "batches">;

export interface ProfileProgress {
  readonly phase: "prepare" | "measure";
  /** A sentence for people. */
  readonly message: string;
}

export interface ProfilesOptions {
  readonly records: Pick<Records, "readOptional" | "write" | "remove" | "removeFolder" | "list">;
  readonly devices: readonly DeviceMember[];
  /** Devices that are CPU lanes, which have no profiles. */
  readonly lanes: readonly { readonly id: string }[];
  /** @throws DawnletError NOT_FOUND */
  readonly find: (name: string, version: string | undefined) => Version;
  readonly isDeployed: (version: Version) => boolean;
  /** @throws DawnletError where it is in quarantine. */
  readonly refuse: (version: Version) => void;
  /** Notes why a run failed. @returns the error as the caller is to see it. */
  readonly failed: (version: Version, error: unknown) => Promise<unknown>;
  /** Does work on a deployed function in its turn among deploys and removals. @throws DawnletError NOT_FOUND */
  readonly change: <T>(name: string, work: () => Promise<T>) => Promise<T>;
  readonly now: () => Date;
}

const log = getLogger(["dawnlet", "functions"]);

/** Methods throw DawnletError, NOT_FOUND for functions, versions and devices that there are not. */
export class Profiles {
  readonly #options: ProfilesOptions;
  readonly #records: ProfileRecords;
  /** Ids of devices. */
  readonly #measuring = new Set<string>();

  constructor(options: ProfilesOptions) {
    this.#options = options;
    this.#records = new ProfileRecords(options.records);
  }

  /** The one that was measured last. @throws NOT_FOUND where there is none. */
  async stored({ name, version: wanted, device }: ProfileOf): Promise<MeasuredProfile> {
    const version = this.#options.find(name, wanted);
    const member = this.#member(version, device);
    const profile = await this.#read(version, member.class);
    if (profile !== undefined) return profile;
    throw new DawnletError(
      "NOT_FOUND",
      `There is no profile of function '${name}' version ${version.number} on ${member.id}: 'dawnlet profile ${name}' measures one`,
    );
  }

  /**
   * Measures one and keeps it.
   * @throws UNSUPPORTED for what runs on no device; UNAVAILABLE while another is measured there; INVALID_ARGUMENT; what
   * the function's runs fail with; CANCELLED by the signal, or where the function is removed meanwhile.
   */
  async measure(
    request: ProfileRequest,
    signal: AbortSignal,
    onProgress: (progress: ProfileProgress) => void,
  ): Promise<MeasuredProfile> {
    const { name } = request;
    const version = this.#options.find(name, request.version);
    this.#options.refuse(version);
    const member = this.#member(version, request.device);
    if (this.#measuring.has(member.id))
      throw new DawnletError(
        "UNAVAILABLE",
        `Cannot profile function '${name}' as another profile is being measured on ${member.id}: try again later`,
      );
    const profile = await this.#counted(version, member, signal, () =>
      this.#measure(version, member, request, signal, onProgress),
    );
    await this.#options.change(name, async () => {
      if (!this.#options.isDeployed(version)) throw unknownFunction(name);
      await this.#records.write(profile);
      await this.recall(version);
    });
    log.info("profiled {name} version {number} on {device}", {
      ...{ name, number: version.number, device: member.id },
    });
    return profile;
  }

  /**
   * Has the scheduler expect of a version what its profiles say, until runs say more, and the autoscaler know what parts
   * of devices are good for. Never throws.
   */
  async recall(version: Version): Promise<void> {
    const { owner } = version.device;
    const times: KnownTime[] = [];
    const configurations = new Map<string, readonly Configuration[]>();
    for (const deviceClass of new Set(this.#options.devices.map((device) => device.class))) {
      const profile = await this.#read(version, deviceClass).catch(() => undefined);
      if (profile === undefined) continue;
      times.push(...knownTimes(profile));
      configurations.set(deviceClass, configurationsOf(profile));
    }
    if (times.length > 0) owner.profiled = times;
    if (configurations.size > 0) owner.configurations = configurations;
  }

  /** All of a function that is being removed, in its turn. */
  forget(name: string): Promise<void> {
    return this.#records.forget(name);
  }

  /** Removes those of versions that are not kept. Never throws: what stays does no harm. */
  async retain(name: string, versions: readonly Version[]): Promise<void> {
    const digests = new Set(versions.map(({ record }) => record.digest));
    await this.#records
      .retain(name, digests)
      .catch((error: unknown) => log.warn("old profiles of {name} stay: {error}", { name, error }));
  }

  #read({ name, record }: Version, deviceClass: string): Promise<MeasuredProfile | undefined> {
    return this.#records.read({ name, digest: record.digest, class: deviceClass });
  }

  /** As a call of the version, which the removal of the version waits for, and as the only profile on its device. */
  async #counted<T>(
    version: Version,
    member: DeviceMember,
    signal: AbortSignal,
    work: () => Promise<T>,
  ): Promise<T> {
    this.#measuring.add(member.id);
    version.running++;
    try {
      return await work();
    } catch (error) {
      if (signal.aborted) throw abortError(signal, `the profile of ${version.name}`);
      throw await this.#options.failed(version, error);
    } finally {
      this.#measuring.delete(member.id);
      if (--version.running === 0) version.onIdle?.();
    }
  }

  async #measure(
    version: Version,
    member: DeviceMember,
    request: ProfileRequest,
    signal: AbortSignal,
    onProgress: (progress: ProfileProgress) => void,
  ): Promise<MeasuredProfile> {
    const { name } = request;
    const prepare = (message: string) => onProgress({ phase: "prepare", message });
    prepare(`version ${version.number} on ${member.id}`);
    const { adapter } = await member.describe();
    const call = await preparedCall(version, request, signal);
    const { batches, notes } = await readyBatches(call, request.batches, signal, prepare);
    const check = () => {
      signal.throwIfAborted();
      if (!this.#options.isDeployed(version)) throw unknownFunction(name);
    };
    const bench = new DeviceBench({ call, device: version.device, member, batches, signal, check });
    const measured = await sweep(bench, {
      quotas: [...new Set([...request.quotas, 1])].sort((a, b) => a - b),
      maxLanes: request.lanes,
      seconds: request.seconds,
      onProgress: (message) => onProgress({ phase: "measure", message }),
    });
    return {
      function: name,
      device: nameOf(adapter),
      points: measured.points,
      version: version.number,
      digest: version.record.digest,
      class: member.class,
      measuredAt: this.#options.now().toISOString(),
      rows: call.batch?.rows ?? 1,
      windowMs: quotaWindowMs,
      notes: [...notes, ...measured.notes],
    };
  }

  #member({ name, device }: Version, wanted: string | undefined): DeviceMember {
    const { devices } = this.#options;
    const misfits = new Set(device.misfits?.map((one) => one.device));
    const found =
      wanted === undefined
        ? (devices.find(({ id }) => !misfits.has(id)) ?? devices[0])
        : devices.find(({ id }) => id === wanted);
    if (found !== undefined) return found;
    if (this.#options.lanes.some(({ id }) => id === wanted))
      throw new DawnletError(
        "UNSUPPORTED",
        `Cannot profile function '${name}' on '${wanted}': a CPU lane has no parts to measure, one call runs at a time`,
      );
    const known = devices.map(({ id }) => id).join(", ");
    throw new DawnletError(
      "NOT_FOUND",
      `Cannot profile function '${name}' on device '${wanted}': there are ${known}`,
    );
  }
}

/** @throws DawnletError UNSUPPORTED where a call is no run on a device. */
async function preparedCall(
  { name, servable, status }: Version,
  given: GivenCall,
  signal: AbortSignal,
): Promise<PreparedProgram> {
  const refused = (why: string) =>
    new DawnletError("UNSUPPORTED", `Cannot profile function '${name}' as ${why}`);
  if (servable.prepare === undefined) throw refused("it is a handler: profile the functions that it calls");
  const prepared = await servable.prepare({ ...sampleCall(status, given), signal });
  if (prepared.type === "program") return prepared;
  throw refused("such calls are answered by a session of ONNX Runtime on the CPU, not by a device");
}

/** As people know it: `H200 (driver 580)`. */
function nameOf({ vendor, device, description }: DeviceDescription["adapter"]): string {
  const name = device || vendor || "unknown device";
  return description === "" || description === name ? name : `${name} (${description})`;
}
