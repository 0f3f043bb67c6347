/** Makes versions that can answer calls: from an upload, or from the record of an earlier deploy. Registers none of them. */
import { getLogger } from "@logtape/logtape";
import { defaultMemorySettings } from "../../kernels/manifest/memory-settings.ts";
import type { BundleLimits } from "../bundle/read-bundle.ts";
import { FunctionDevice } from "../devices/function-device.ts";
import type { StoredBlob } from "../store/blobs.ts";
import { deployFailure, deployUpload } from "./deploy.ts";
import type { DeployProgress } from "./functions.ts";
import { openServable } from "./open-servable.ts";
import type { VersionRecord } from "./record.ts";
import type { SharedBackends } from "./servable.ts";
import { newVersion, type Version } from "./version.ts";

export interface VersionBuilderOptions {
  readonly backends: SharedBackends;
  readonly limits: BundleLimits;
  /** Of the runs of those who share the gateway, by name. */
  readonly timeLimits: ReadonlyMap<string, number>;
  /** Keeps what a version has changed of its own source. */
  readonly save: (name: string, number: number, record: VersionRecord) => Promise<void>;
  /** Hears of what goes wrong outside of calls. */
  readonly onTrouble: (version: Version, error: unknown) => void;
  readonly now: () => Date;
}

/** Which version is to be made, and whose. */
export interface NewVersion extends Pick<Version, "name" | "number"> {
  readonly tenant: string | undefined;
}

const log = getLogger(["dawnlet", "functions"]);

export class VersionBuilder {
  readonly #options: VersionBuilderOptions;

  constructor(options: VersionBuilderOptions) {
    this.#options = options;
  }

  /** @throws DawnletError that says why the upload cannot be deployed. */
  async build(
    { name, number, tenant }: NewVersion,
    upload: StoredBlob,
    progress: (progress: DeployProgress) => void,
  ): Promise<Version> {
    const { backends, limits, now, save } = this.#options;
    const device = this.#deviceFor(name, number, tenant);
    const context = {
      ...{ name, number, limits, now, tenant, progress },
      backends: { ...backends, device },
      save: (record: VersionRecord) => save(name, number, record),
    };
    try {
      const { record, servable } = await deployUpload(upload, context);
      device.owner.schedule = record.schedule;
      return this.#watched(newVersion({ name, number, record, servable, device }));
    } catch (error) {
      log.warn("deploy of {name} failed: {reason}", {
        name,
        reason: error instanceof Error ? error.message : String(error),
      });
      throw deployFailure(name, error);
    }
  }

  restore(name: string, number: number, record: VersionRecord): Version {
    const { backends, save } = this.#options;
    const device = this.#deviceFor(name, number, record.tenant);
    device.owner.schedule = record.schedule;
    const servable = openServable({
      backends: { ...backends, device },
      ...{ name, number, record },
      save: (changed) => save(name, number, { ...record, source: changed }),
    });
    return this.#watched(newVersion({ name, number, record, servable, device }));
  }

  #deviceFor(name: string, version: number, tenant: string | undefined): FunctionDevice {
    const { devices, dispatcher } = this.#options.backends;
    const maxTimeLimitMs = tenant === undefined ? undefined : this.#options.timeLimits.get(tenant);
    const owner = { name, version, settings: defaultMemorySettings, tenant, maxTimeLimitMs };
    return new FunctionDevice(devices, owner, dispatcher);
  }

  #watched(version: Version): Version {
    version.servable.onTrouble = (error) => this.#options.onTrouble(version, error);
    return version;
  }
}
