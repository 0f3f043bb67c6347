/**
 * What is deployed, on disk: `functions/<name>/<version>.json` and `functions/<name>/current.json`.
 * The order that survives a crash: blobs, then the version, then `setCurrent`. What a version's record
 * holds is the registry's matter.
 */
import { checkFunctionName } from "./names.ts";
import type { Records } from "./records.ts";

export interface StoredFunction<T> {
  readonly name: string;
  /** The version that answers by default. Undefined where none was set or its record was damaged. */
  readonly current: number | undefined;
  /** Oldest first. */
  readonly versions: ReadonlyArray<{ readonly version: number; readonly record: T }>;
}

const folder = "functions";
const currentRecord = "current";
const versionPattern = /^[1-9][0-9]{0,8}$/;

/** Methods throw DawnletError INVALID_ARGUMENT for a bad name, UNAVAILABLE where the disk refuses. */
export class FunctionRecords {
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  async names(): Promise<readonly string[]> {
    return this.#records.folders([folder]);
  }

  /** Adds or replaces one version. It answers by default only after `setCurrent`. */
  async writeVersion(name: string, version: number, record: unknown): Promise<void> {
    await this.#records.write([folder, ...this.#versionPath(name, version)], record);
  }

  async setCurrent(name: string, version: number): Promise<void> {
    checkFunctionName(name);
    await this.#records.write([folder, name, currentRecord], { version });
  }

  /**
   * Reads all versions of a function; damaged ones are left out and noted in `Records.damage`.
   * Undefined where the function has no version.
   */
  async read<T>(name: string, parse: (value: unknown) => T): Promise<StoredFunction<T> | undefined> {
    checkFunctionName(name);
    const versions: Array<{ version: number; record: T }> = [];
    for (const recordName of await this.#records.list([folder, name])) {
      if (recordName === currentRecord) continue;
      if (!versionPattern.test(recordName)) {
        await this.#records.setAside(`${folder}/${name}/${recordName}.json`, "its name is no version number");
        continue;
      }
      const record = await this.#records.read([folder, name, recordName], parse);
      if (record !== undefined) versions.push({ version: Number(recordName), record });
    }
    if (versions.length === 0) return undefined;
    versions.sort((a, b) => a.version - b.version);
    const stated = await this.#records.read([folder, name, currentRecord], parseCurrent);
    const current = versions.some(({ version }) => version === stated) ? stated : undefined;
    return { name, current, versions };
  }

  async removeVersion(name: string, version: number): Promise<void> {
    await this.#records.remove([folder, ...this.#versionPath(name, version)]);
  }

  /** Removes a function with all its versions, or nothing. */
  async remove(name: string): Promise<void> {
    checkFunctionName(name);
    await this.#records.removeFolder([folder, name]);
  }

  #versionPath(name: string, version: number): [string, string] {
    checkFunctionName(name);
    if (!versionPattern.test(String(version))) throw new RangeError(`${version} is no version number`);
    return [name, String(version)];
  }
}

function parseCurrent(value: unknown): number {
  const isRecord = typeof value === "object" && value !== null && "version" in value;
  if (!isRecord || typeof value.version !== "number" || !Number.isSafeInteger(value.version)) {
    throw new TypeError("it names no version");
  }
  return value.version;
}
