/**
 * The deployed functions of one gateway: finds versions, deploys and removes them, and hands calls to whoever
 * serves them. Deploys of one name go one after another; a failed one leaves the version before it in service.
 */

import { getLogger } from "@logtape/logtape";
import { DawnletError } from "../../kernels/errors.ts";
import { type FunctionSettingsPatch, patched } from "../../kernels/manifest/function-settings.ts";
import {
  type MemorySettings,
  memorySettings,
  statedMemorySettings,
} from "../../kernels/manifest/memory-settings.ts";
import { callSchedule, statedScheduleSettings } from "../../kernels/manifest/schedule-settings.ts";
import { tenantTimeLimitMs } from "../../kernels/manifest/time-limit.ts";
import { type BundleLimits, defaultBundleLimits } from "../bundle/read-bundle.ts";
import { receiveUpload } from "../bundle/receive.ts";
import type { FunctionDevice } from "../devices/function-device.ts";
import { warnOfPinned } from "../devices/pinned-reload.ts";
import type { StoredBlob } from "../store/blobs.ts";
import { checkFunctionName } from "../store/names.ts";
import { findDamage, healedRecord } from "./damage.ts";
import { deployFailure } from "./deploy.ts";
import type {
  DeployProgress,
  DeployResult,
  FetchInvocation,
  FetchResult,
  FunctionStatus,
  Functions,
  FunctionVersion,
  HeldInvocation,
  HeldResult,
  Invocation,
  InvocationResult,
  Upload,
} from "./functions.ts";
import { takenName, unknownFunction } from "./name-errors.ts";
import { Profiles } from "./profile/profiles.ts";
import { parseVersionRecord, reachableFrom, type VersionRecord } from "./record.ts";
import { Secrets } from "./secrets.ts";
import type { SharedBackends } from "./servable.ts";
import { SettingsRecords } from "./settings-records.ts";
import { type StorageClaim, StorageQuotas } from "./storage-quotas.ts";
import { Troubles } from "./troubles.ts";
import { Turns } from "./turns.ts";
import { checkOutputs, retire, statusOf, type Version } from "./version.ts";
import { type NewVersion, VersionBuilder } from "./version-builder.ts";
import { VersionTable } from "./version-table.ts";

const log = getLogger(["dawnlet", "functions"]);

/** Versions of a function that stay callable; older ones are removed. */
const keptVersions = 3;

export interface RegistryOptions {
  readonly backends: SharedBackends;
  readonly limits?: BundleLimits;
  /** Who shares the gateway. */
  readonly tenants?: readonly TenantLimits[];
  readonly now?: () => Date;
}

export interface TenantLimits {
  readonly name: string;
  /** Left out: `tenantTimeLimitMs`. */
  readonly timeLimitMs?: number;
  /** What its functions may hold in the store. Left out: as much as there is. */
  readonly storageBytes?: number;
}

export class Registry implements Functions {
  readonly secrets: Secrets;
  readonly profiles: Profiles;
  readonly #backends: SharedBackends;
  readonly #limits: BundleLimits;
  readonly #troubles: Troubles;
  readonly #versions: VersionTable;
  readonly #builder: VersionBuilder;
  readonly #settings: SettingsRecords;
  readonly #storage: StorageQuotas;
  /** Changes of one function go one after another. */
  readonly #turns = new Turns();
  #isReady = false;

  constructor({
    backends,
    limits = defaultBundleLimits,
    tenants = [],
    now = () => new Date(),
  }: RegistryOptions) {
    const timeLimits = new Map(tenants.map((one) => [one.name, one.timeLimitMs ?? tenantTimeLimitMs]));
    const storageBytes = new Map(
      tenants.flatMap((one) => (one.storageBytes === undefined ? [] : [[one.name, one.storageBytes]])),
    );
    this.#backends = backends;
    this.#versions = new VersionTable(backends.store);
    this.#builder = new VersionBuilder({
      ...{ backends, limits, timeLimits, now },
      save: (name, number, record) => this.#versions.save(name, number, record),
      onTrouble: (version, error) => void this.#troubles.failed(version, error),
    });
    this.#settings = new SettingsRecords(backends.store.records);
    this.#limits = limits;
    this.#storage = new StorageQuotas({
      store: backends.store,
      allowedBytes: storageBytes,
      records: () => this.#versions.all().map(({ record }) => record),
    });
    this.secrets = new Secrets({
      records: backends.store.records,
      tenantOf: (name) => this.#versions.tenantOf(name),
      change: (name, work) => this.#change(name, work),
      now,
    });
    this.#troubles = new Troubles({
      versions: () => this.#versions.all(),
      keep: (version) => this.#versions.keep(version),
      isTenant: (name) => timeLimits.has(name),
      now,
    });
    this.profiles = new Profiles({
      records: backends.store.records,
      devices: backends.devices.devices,
      lanes: backends.lanes,
      find: (name, version) => this.#versions.find(name, version),
      isDeployed: (version) => this.#versions.isDeployed(version),
      refuse: (version) => this.#troubles.refuse(version),
      failed: (version, error) => this.#troubles.failed(version, error),
      change: (name, work) => this.#change(name, work),
      now,
    });
  }

  get ready(): boolean {
    return this.#isReady;
  }

  /** Reads what was deployed before. */
  async open(): Promise<void> {
    const { functions } = this.#backends.store;
    for (const name of await functions.names()) {
      const stored = await functions.read(name, parseVersionRecord);
      if (stored === undefined) continue;
      const upTo = stored.versions.filter(
        ({ version }) => stored.current === undefined || version <= stored.current,
      );
      // A deploy that was cut short: nobody was told of it, and its blobs are about to go.
      for (const { version } of stored.versions.slice(upTo.length))
        await functions.removeVersion(name, version).catch(() => undefined);
      if (upTo.length === 0) continue;
      await this.#settings.read(name);
      const restored = upTo.map(({ version, record }) => this.#builder.restore(name, version, record));
      this.#versions.set(name, restored);
      for (const version of restored) await this.profiles.recall(version);
    }
    for (const { path, reason } of this.#backends.store.damage)
      log.error("damaged record {path} set aside: {reason}", { path, reason });
    await this.#versions.sweep();
    for (const name of this.#versions.names) this.#applySettings(name);
    this.#isReady = true;
  }

  /** Loads what is pinned. What cannot be loaded is logged. */
  async warm(): Promise<void> {
    const pinned = this.list().filter(({ memory }) => memory.pin);
    for (const { name } of pinned) await this.#warm(name);
  }

  list(): readonly FunctionStatus[] {
    return this.#versions.names.map((name) => this.get(name));
  }

  get(name: string): FunctionStatus {
    const all = this.#versions.of(name).map((version) => this.#currentStatus(version));
    const current = all.at(-1)!;
    const { tenant } = current;
    const { unpinnedReason } = this.#versions.current(name).device;
    return {
      name,
      ...(tenant !== undefined && { tenant }),
      current,
      versions: all,
      memory: this.#memoryOf(name),
      ...(unpinnedReason !== undefined && { unpinned: unpinnedReason }),
      schedule: callSchedule(this.#versions.current(name).device.owner.schedule),
    };
  }

  version(name: string, version?: string): FunctionVersion {
    return this.#currentStatus(this.#versions.find(name, version));
  }

  /** All versions, as they use the devices. */
  *devices(): Generator<FunctionDevice> {
    for (const { device } of this.#versions.all()) yield device;
  }

  /** True while any call is running. */
  get isBusy(): boolean {
    return this.#versions.all().some(({ running }) => running > 0);
  }

  async deploy(
    name: string,
    upload: Upload,
    onProgress: (progress: DeployProgress) => void = () => {},
  ): Promise<DeployResult> {
    checkFunctionName(name);
    try {
      return await this.#deploy(name, upload, onProgress);
    } catch (error) {
      // On a full disk what it has stored would be in the way of the next.
      await this.#versions.collect().catch(() => undefined);
      throw error;
    }
  }

  async #deploy(
    name: string,
    upload: Upload,
    onProgress: (progress: DeployProgress) => void,
  ): Promise<DeployResult> {
    this.#troubles.refuseDeploy(name, upload.tenant);
    const { store } = this.#backends;
    using _hold = store.hold();
    onProgress({ phase: "upload", message: "receiving" });
    using claim = await this.#storage.claim(name, upload.tenant);
    const blob = await receiveUpload(upload, store, this.#limits, (bytes) => claim?.received(bytes));
    // Awaited here: the hold must last until a record names what is stored.
    return await this.#turns.take(name, async () => {
      const before = this.#versions.among(name);
      const current = before.at(-1);
      const tenant = current === undefined ? upload.tenant : current.record.tenant;
      if (upload.tenant !== undefined && upload.tenant !== tenant) throw takenName(name);
      if (current !== undefined && current.record.digest === blob.digest) {
        await this.#heal(current, blob, onProgress);
        // A tenant's own word ends no quarantine.
        if (upload.tenant === undefined) await this.#troubles.lift(this.#versions.find(name, undefined));
        return { function: this.get(name), changed: false };
      }
      const number = (current?.number ?? 0) + 1;
      const version = await this.#build({ name, number, tenant }, blob, onProgress, claim);
      onProgress({ phase: "store", message: `version ${number}` });
      await this.#publish(name, number, version.record);
      const versions = [...before, version];
      const removed = versions.splice(0, Math.max(0, versions.length - keptVersions));
      this.#versions.set(name, versions);
      claim?.[Symbol.dispose]();
      // What others have of these bytes was written again, where it was damaged.
      this.#troubles.intact(reachableFrom(version.record));
      this.#applySettings(name);
      for (const old of removed) {
        await store.functions.removeVersion(name, old.number);
        await retire(old);
      }
      if (removed.length > 0) {
        await this.profiles.retain(name, versions);
        await this.#versions.collect();
      }
      if (this.#memoryOf(name).pin) await this.#warm(name);
      log.info("deployed {name} version {number}", {
        name,
        number,
        digest: blob.digest,
        engine: version.servable.engine.type,
      });
      return { function: this.get(name), changed: true };
    });
  }

  async #build(
    wanted: NewVersion,
    upload: StoredBlob,
    progress: (progress: DeployProgress) => void,
    claim?: StorageClaim,
  ): Promise<Version> {
    try {
      const version = await this.#builder.build(wanted, upload, progress);
      await claim?.keep(version.record).catch(async (error: unknown) => {
        await retire(version);
        throw error;
      });
      return version;
    } catch (error) {
      const { name, tenant } = wanted;
      this.#troubles.deployFailed(tenant, error);
      // What a trial has logged, of what nobody can ask for.
      if (!this.#versions.has(name)) this.#backends.handlers.logs.remove({ name, tenant });
      throw error;
    }
  }

  /** Both records or none: a version that was refused does not answer after a restart. */
  async #publish(name: string, number: number, record: VersionRecord): Promise<void> {
    const { functions } = this.#backends.store;
    try {
      await functions.writeVersion(name, number, record);
      await functions.setCurrent(name, number);
    } catch (error) {
      await functions.removeVersion(name, number).catch(() => undefined);
      throw deployFailure(name, error);
    }
  }

  /** Writes again what is damaged of a version whose upload was sent again. What it has in memory keeps serving. */
  async #heal(
    version: Version,
    upload: StoredBlob,
    progress: (progress: DeployProgress) => void,
  ): Promise<void> {
    const { store } = this.#backends;
    const { name, number } = version;
    progress({ phase: "store", message: `checking version ${number}, which has the same bytes` });
    const needed = new Set(reachableFrom(version.record));
    const damage = await findDamage(store, version.record);
    this.#troubles.intact(needed.difference(damage));
    if (damage.size === 0) return;
    const digests = [...damage].join(", ");
    log.warn("{name} version {number} is damaged and is built again: {digests}", { name, number, digests });
    const { tenant } = version.record;
    const again = await this.#build({ name, number, tenant }, upload, progress);
    const missing = await findDamage(store, version.record);
    this.#troubles.intact(needed.difference(missing));
    if (missing.size > 0) {
      const record = healedRecord(version.record, again.record, missing);
      await store.functions.writeVersion(name, number, record);
      const healed = this.#builder.restore(name, number, record);
      await this.profiles.recall(healed);
      this.#versions.replace(version, healed);
      this.#applySettings(name);
      await retire(version);
      if (this.#memoryOf(name).pin) await this.#warm(name);
    }
    progress({ phase: "store", message: `healed version ${number}` });
    log.info("healed {name} version {number}", { name, number });
  }

  async remove(name: string): Promise<void> {
    await this.#change(name, async () => {
      const versions = this.#versions.of(name);
      const tenant = this.#versions.tenantOf(name);
      await this.#settings.remove(name);
      await this.secrets.forget(name);
      await this.profiles.forget(name);
      await this.#backends.store.functions.remove(name);
      this.#versions.delete(name);
      await Promise.all(versions.map(retire));
      this.#backends.handlers.logs.remove({ name, tenant });
      await this.#versions.collect();
      log.info("removed {name}", { name });
    });
  }

  async liftQuarantine(name: string): Promise<void> {
    const barred = this.#versions.of(name).filter(({ record }) => record.quarantine !== undefined);
    const isTenantLifted = this.#troubles.liftTenant(this.#versions.tenantOf(name));
    if (barred.length === 0 && !isTenantLifted)
      throw new DawnletError("NOT_FOUND", `Function '${name}' is not in quarantine`);
    for (const version of barred) await this.#troubles.lift(version);
  }

  invoke(invocation: Invocation): Promise<InvocationResult>;
  invoke(invocation: HeldInvocation): Promise<HeldResult>;
  async invoke({ name, version: wanted, outputs, ...call }: HeldInvocation): Promise<HeldResult> {
    const version = this.#versions.find(name, wanted);
    this.#troubles.refuse(version);
    if (outputs !== undefined) checkOutputs(version, outputs);
    version.running++;
    try {
      const refusal = () => this.#troubles.refusalOf(version);
      const served = await version.servable.run({ ...call, ...(outputs && { outputs }), refusal });
      return { version: this.#currentStatus(version), ...served };
    } catch (error) {
      throw await this.#troubles.failed(version, error);
    } finally {
      if (--version.running === 0) version.onIdle?.();
    }
  }

  invokeHeld(invocation: HeldInvocation): Promise<HeldResult> {
    return this.invoke(invocation);
  }

  async fetch({ name, version: wanted, ...call }: FetchInvocation): Promise<FetchResult> {
    const version = this.#versions.find(name, wanted);
    this.#troubles.refuse(version);
    const { servable } = version;
    if (servable.fetch === undefined)
      throw new DawnletError(
        "UNSUPPORTED",
        `Cannot send requests to function '${name}' as it is no handler: call it with tensors at /function/${name}`,
      );
    version.running++;
    const onEnd = (): void => {
      if (--version.running === 0) version.onIdle?.();
    };
    try {
      return { version: this.#currentStatus(version), ...(await servable.fetch(call, onEnd)) };
    } catch (error) {
      throw await this.#troubles.failed(version, error);
    }
  }

  configure(name: string, patch: FunctionSettingsPatch): Promise<FunctionStatus> {
    return this.#change(name, async () => {
      const current = this.#versions.current(name);
      const after = patched(this.#settings.of(name), patch);
      try {
        this.#applySettings(name, after);
        if (current.device.owner.settings.pin) await current.servable.warm();
        await this.#settings.write(name, after);
      } catch (error) {
        this.#applySettings(name);
        throw error;
      }
      return this.get(name);
    });
  }

  async inspect(name: string, version?: string): Promise<unknown> {
    const found = this.#versions.find(name, version);
    try {
      const program = await found.servable.inspect();
      return { ...this.#currentStatus(found), program };
    } catch (error) {
      throw this.#troubles.damaged(found, error);
    }
  }

  /** What a check of the stored bytes has found. */
  noteChecked(digest: string, isIntact: boolean): void {
    this.#troubles.checked(digest, isIntact);
  }

  /**
   * A change of a deployed function in its turn. Before that the function may be removed and its name become somebody
   * else's, whom the change is not meant for. @throws DawnletError NOT_FOUND
   */
  async #change<T>(name: string, work: () => Promise<T>): Promise<T> {
    const asked = this.#versions.tenantOf(name);
    return this.#turns.take(name, async () => {
      if (this.#versions.tenantOf(name) !== asked) throw unknownFunction(name);
      return work();
    });
  }

  #memoryOf(name: string, stated = this.#settings.of(name)): MemorySettings {
    return memorySettings(this.#versions.current(name).record.memory, statedMemorySettings(stated));
  }

  /** Older versions are kept as the current one is, but not pinned. */
  #applySettings(name: string, stated = this.#settings.of(name)): void {
    const memory = this.#memoryOf(name, stated);
    const versions = this.#versions.of(name);
    const current = versions.at(-1);
    for (const version of versions)
      version.device.configure(version === current ? memory : { ...memory, pin: false }, {
        ...version.record.schedule,
        ...statedScheduleSettings(stated),
      });
  }

  async #warm(name: string): Promise<void> {
    const { servable, device } = this.#versions.current(name);
    await servable.warm().catch((error: unknown) => warnOfPinned(device.owner, error));
  }

  /** Calls may have shown how exact a model is, whether they can run together, or a device that cannot run it. */
  #currentStatus(version: Version): FunctionVersion {
    const { engine, batching } = version.servable;
    const { status } = version;
    if (engine !== status.engine || batching !== status.batching)
      version.status = { ...status, engine, ...(batching && { batching }) };
    if (version.device.misfits !== version.status.misfits) version.status = statusOf(version);
    const quarantine = this.#troubles.quarantineOf(version);
    // Of its tenant, which ends by itself: the version does not keep it.
    if (quarantine !== undefined && version.status.quarantine === undefined)
      return { ...version.status, quarantine };
    return version.status;
  }
}
