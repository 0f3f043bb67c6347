/**
 * The deployed functions of one gateway: finds versions, deploys and removes them, and hands calls to whoever
 * serves them. Deploys of one name go one after another; a failed one leaves the version before it in service.
 */
import { getLogger } from "@logtape/logtape";
import { DawnletError } from "../../kernels/errors.ts";
import { type BundleLimits, defaultBundleLimits } from "../bundle/read-bundle.ts";
import { receiveUpload } from "../bundle/receive.ts";
import { checkFunctionName } from "../store/names.ts";
import { deployFailure, deployUpload } from "./deploy.ts";
import type {
  DeployProgress,
  DeployResult,
  FunctionStatus,
  Functions,
  FunctionVersion,
  Invocation,
  InvocationResult,
  Upload,
} from "./functions.ts";
import { OnnxFunction } from "./onnx-function.ts";
import { parseVersionRecord, reachableFrom, type VersionRecord } from "./record.ts";
import type { Backends, Servable } from "./servable.ts";
import { WgslFunction } from "./wgsl-function.ts";

const log = getLogger(["dawnlet", "functions"]);

/** Versions of a function that stay callable; older ones are removed. */
const keptVersions = 3;

interface Version {
  readonly name: string;
  readonly number: number;
  record: VersionRecord;
  servable: Servable;
  /** Made once and replaced when the engine changes: the hot path only reads it. */
  status: FunctionVersion;
  /** Calls that are running. */
  running: number;
  /** Called when no call is running any more. */
  onIdle?: () => void;
}

interface Entry {
  /** Oldest first; the last one is current. */
  versions: Version[];
}

export interface RegistryOptions {
  readonly backends: Backends;
  readonly limits?: BundleLimits;
  readonly now?: () => Date;
}

export class Registry implements Functions {
  readonly #backends: Backends;
  readonly #limits: BundleLimits;
  readonly #now: () => Date;
  readonly #entries = new Map<string, Entry>();
  /** The last change of each name: the next one waits for it. */
  readonly #changes = new Map<string, Promise<unknown>>();
  #isReady = false;

  constructor({ backends, limits = defaultBundleLimits, now = () => new Date() }: RegistryOptions) {
    this.#backends = backends;
    this.#limits = limits;
    this.#now = now;
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
      if (upTo.length === 0) continue;
      this.#entries.set(name, {
        versions: upTo.map(({ version, record }) => this.#restore(name, version, record)),
      });
    }
    for (const { path, reason } of this.#backends.store.damage)
      log.error("damaged record {path} set aside: {reason}", { path, reason });
    this.#isReady = true;
  }

  list(): readonly FunctionStatus[] {
    return [...this.#entries.keys()].sort().map((name) => this.get(name));
  }

  get(name: string): FunctionStatus {
    const { versions } = this.#entry(name);
    const all = versions.map((version) => this.#currentStatus(version));
    return { name, current: all.at(-1)!, versions: all };
  }

  version(name: string, version?: string): FunctionVersion {
    return this.#currentStatus(this.#find(name, version));
  }

  async deploy(
    name: string,
    upload: Upload,
    onProgress: (progress: DeployProgress) => void = () => {},
  ): Promise<DeployResult> {
    checkFunctionName(name);
    const { store } = this.#backends;
    using _hold = store.hold();
    onProgress({ phase: "upload", message: "receiving" });
    const blob = await receiveUpload(upload, store, this.#limits);
    return this.#inTurn(name, async () => {
      const entry = this.#entries.get(name);
      const current = entry?.versions.at(-1);
      if (current !== undefined && current.record.digest === blob.digest)
        return { function: this.get(name), changed: false };
      const number = (current?.number ?? 0) + 1;
      const version = await deployUpload(blob, {
        backends: this.#backends,
        limits: this.#limits,
        now: this.#now,
        progress: onProgress,
        save: (record) => this.#save(name, number, record),
      }).catch((error: unknown) => {
        log.warn("deploy of {name} failed: {reason}", {
          name,
          reason: error instanceof Error ? error.message : String(error),
        });
        throw deployFailure(name, error);
      });
      onProgress({ phase: "store", message: `version ${number}` });
      await store.functions.writeVersion(name, number, version.record);
      await store.functions.setCurrent(name, number);
      const added = {
        name,
        number,
        ...version,
        status: statusOf(name, number, version.record, version.servable),
        running: 0,
      };
      const versions = [...(entry?.versions ?? []), added];
      const removed = versions.splice(0, Math.max(0, versions.length - keptVersions));
      this.#entries.set(name, { versions });
      for (const old of removed) {
        await store.functions.removeVersion(name, old.number);
        await retire(old);
      }
      if (removed.length > 0) await this.#collect();
      log.info("deployed {name} version {number}", {
        name,
        number,
        digest: blob.digest,
        engine: version.servable.engine.type,
      });
      return { function: this.get(name), changed: true };
    });
  }

  async remove(name: string): Promise<void> {
    await this.#inTurn(name, async () => {
      const { versions } = this.#entry(name);
      await this.#backends.store.functions.remove(name);
      this.#entries.delete(name);
      await Promise.all(versions.map(retire));
      await this.#collect();
      log.info("removed {name}", { name });
    });
  }

  async invoke({ name, version: wanted, outputs, ...call }: Invocation): Promise<InvocationResult> {
    const version = this.#find(name, wanted);
    if (outputs !== undefined) checkOutputs(version, outputs);
    version.running++;
    try {
      const served = await version.servable.run(outputs === undefined ? call : { ...call, outputs });
      return { version: this.#currentStatus(version), ...served };
    } finally {
      if (--version.running === 0) version.onIdle?.();
    }
  }

  async inspect(name: string, version?: string): Promise<unknown> {
    const found = this.#find(name, version);
    return { ...this.#currentStatus(found), program: await found.servable.inspect() };
  }

  #entry(name: string): Entry {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw new DawnletError("NOT_FOUND", `There is no function '${name}'`);
    return entry;
  }

  #find(name: string, wanted: string | undefined): Version {
    const { versions } = this.#entry(name);
    if (wanted === undefined) return versions.at(-1)!;
    const found = versions.find(
      ({ number, record }) =>
        `${number}` === wanted || (wanted.length >= 8 && record.digest.startsWith(wanted)),
    );
    if (found === undefined) {
      const known = versions.map(({ number }) => number).join(", ");
      throw new DawnletError(
        "NOT_FOUND",
        `Function '${name}' has no version '${wanted}': there are ${known}`,
      );
    }
    return found;
  }

  /** A first call may have shown how exact a model is, or that it needs the fallback. */
  #currentStatus(version: Version): FunctionVersion {
    const { engine } = version.servable;
    if (engine !== version.status.engine) version.status = { ...version.status, engine };
    return version.status;
  }

  #restore(name: string, number: number, record: VersionRecord): Version {
    const { source } = record;
    const servable =
      source.type === "wgsl"
        ? new WgslFunction(this.#backends, record, source)
        : new OnnxFunction(this.#backends, record, source, (changed) =>
            this.#save(name, number, { ...record, source: changed }),
          );
    return { name, number, record, servable, status: statusOf(name, number, record, servable), running: 0 };
  }

  async #save(name: string, number: number, record: VersionRecord): Promise<void> {
    const version = this.#entries.get(name)?.versions.find((one) => one.number === number);
    if (version === undefined) return;
    version.record = record;
    await this.#backends.store.functions.writeVersion(name, number, record);
  }

  async #collect(): Promise<void> {
    // What a deploy has written is held until its version is among the entries; our own hold keeps those holds past
    // the end of a deploy that finishes meanwhile.
    using _hold = this.#backends.store.hold();
    const versions = [...this.#entries.values()].flatMap((entry) => entry.versions);
    const reachable = new Set(versions.flatMap(({ record }) => reachableFrom(record)));
    await this.#backends.store.collect(reachable);
  }

  #inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#changes.get(name) ?? Promise.resolve()).then(work);
    const settled = turn.catch(() => undefined);
    this.#changes.set(name, settled);
    void settled.then(() => {
      if (this.#changes.get(name) === settled) this.#changes.delete(name);
    });
    return turn;
  }
}

/** How long calls of a version that was removed may take. */
const drainMs = 30_000;

/** Lets running calls finish, then frees what the version holds. It must not be found any more. */
async function retire(version: Version): Promise<void> {
  if (version.running > 0) {
    const { promise, resolve } = Promise.withResolvers<void>();
    version.onIdle = resolve;
    const timer = setTimeout(resolve, drainMs);
    await promise;
    clearTimeout(timer);
  }
  await version.servable.dispose();
}

function statusOf(
  name: string,
  version: number,
  record: VersionRecord,
  { engine }: Servable,
): FunctionVersion {
  const { digest, createdAt, sizeBytes, signature, source } = record;
  return { name, version, digest, kind: source.type, createdAt, sizeBytes, signature, engine };
}

function checkOutputs({ name, status }: Version, outputs: readonly string[]): void {
  const known = status.signature.outputs.map((output) => output.name);
  const unknown = outputs.find((output) => !known.includes(output));
  if (unknown !== undefined)
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Function '${name}' has no output '${unknown}': it has ${known.map((one) => `'${one}'`).join(", ")}`,
    );
}
