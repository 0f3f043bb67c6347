/**
 * JSON documents in the data folder: `["functions", "x", "1"]` is `functions/x/1.json`. A record is
 * written whole or not at all. One that cannot be read is moved aside to `damaged/`, noted and passed
 * over: a bad file must not keep the others from being served. What records mean is the caller's.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { AtomicWriter } from "./atomic.ts";
import { describeFailures } from "./failures.ts";
import type { Files } from "./files.ts";
import { checkRecordName, isName } from "./names.ts";

/** Names of the folders, then of the record, without `.json`. */
export type RecordPath = readonly [string, ...string[]];

/** A file that was passed over. */
export interface Damage {
  /** Relative to the data folder, as is `movedTo`. */
  readonly path: string;
  readonly reason: string;
  /** Undefined where it could not be moved and still lies where it was. */
  readonly movedTo?: string;
}

/** Folders that hold something other than records. */
const reservedFolders: ReadonlySet<string> = new Set(["blobs", "programs", "tmp", "damaged"]);
const suffix = ".json";

/** Methods throw DawnletError UNAVAILABLE where the disk refuses, INVALID_ARGUMENT for a bad path. */
export class Records {
  readonly #files: Files;
  readonly #writer: AtomicWriter;
  readonly #folder: string;
  readonly #damage = new Map<string, Damage>();

  constructor(files: Files, writer: AtomicWriter, folder: string) {
    this.#files = files;
    this.#writer = writer;
    this.#folder = folder;
  }

  /** What was found damaged since the store was opened. */
  get damage(): readonly Damage[] {
    return [...this.#damage.values()];
  }

  /** Replaces a record. After a failure or a crash it is the old one or the new one, whole. */
  async write(path: RecordPath, value: unknown): Promise<void> {
    const bytes = new TextEncoder().encode(`${JSON.stringify(value, undefined, 2)}\n`);
    await this.#guarded("write a record", () => this.#writer.write(this.#locate(path) + suffix, bytes));
  }

  /**
   * Undefined where there is no such record, or none that can be read.
   * @param parse Throws where the value is not what it should be.
   */
  async read<T>(path: RecordPath, parse: (value: unknown) => T): Promise<T | undefined> {
    const text = await this.#read(path);
    if (text === undefined) return undefined;
    try {
      return parse(JSON.parse(text));
    } catch (error) {
      await this.setAside(join(...path) + suffix, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  /**
   * As `read`, for what its owner can do without: a record that is damaged stays where it is and is not noted, as
   * nobody needs to repair it. @throws what `parse` throws, SyntaxError where it is no JSON.
   */
  async readOptional<T>(path: RecordPath, parse: (value: unknown) => T): Promise<T | undefined> {
    const text = await this.#read(path);
    return text === undefined ? undefined : parse(JSON.parse(text));
  }

  /** A record that is missing is fine. */
  async remove(path: RecordPath): Promise<void> {
    const file = this.#locate(path) + suffix;
    await this.#guarded("remove a record", async () => {
      if ((await this.#files.modifiedAtMs(file)) === undefined) return;
      await this.#files.remove(file);
      await this.#files.syncFolder(join(file, ".."));
    });
  }

  /** Removes a folder of records: all of them or none. A folder that is missing is fine. */
  async removeFolder(path: RecordPath): Promise<void> {
    const folder = this.#locate(path);
    await this.#guarded("remove records", async () => {
      const doomed = this.#writer.temporaryPath();
      const parent = join(folder, "..");
      if ((await this.#files.modifiedAtMs(folder)) === undefined) return;
      await this.#files.rename(folder, doomed);
      try {
        await this.#files.syncFolder(parent);
      } catch (error) {
        await this.#files.rename(doomed, folder).catch(() => undefined);
        throw error;
      }
      // From here on the records are gone; what fails now is swept at the next opening.
      await this.#files.removeFolder(doomed).catch(() => undefined);
    });
  }

  /** Names of the folders in a folder; those that no record could have are moved aside. */
  async folders(path: RecordPath): Promise<readonly string[]> {
    return this.#list(path, true);
  }

  /** Names of the records in a folder, without `.json`; files that are no records are moved aside. */
  async list(path: RecordPath): Promise<readonly string[]> {
    return this.#list(path, false);
  }

  /** Moves a file or folder to `damaged/` and notes why. Never throws. */
  async setAside(path: string, reason: string): Promise<void> {
    const movedTo = join(
      "damaged",
      `${path.replaceAll(/[/\\]/g, ".").slice(0, 200)}.${randomUUID().slice(0, 8)}`,
    );
    try {
      await this.#files.makeFolder(join(this.#folder, "damaged"));
      await this.#files.rename(join(this.#folder, path), join(this.#folder, movedTo));
      this.#damage.set(path, { path, reason, movedTo });
    } catch {
      this.#damage.set(path, { path, reason });
    }
  }

  async #list(path: RecordPath, wantFolders: boolean): Promise<readonly string[]> {
    const entries = await this.#guarded("list records", () => this.#files.list(this.#locate(path)));
    const names: string[] = [];
    for (const entry of entries) {
      const name = entry.isFolder ? entry.name : entry.name.slice(0, -suffix.length);
      const isKnown = isName(name) && (entry.isFolder || entry.name.endsWith(suffix));
      if (!isKnown) await this.setAside(join(...path, entry.name), "it is no record of Dawnlet");
      else if (entry.isFolder === wantFolders) names.push(name);
    }
    return names;
  }

  #read(path: RecordPath): Promise<string | undefined> {
    return this.#guarded("read a record", () => this.#readText(this.#locate(path) + suffix));
  }

  async #readText(path: string): Promise<string | undefined> {
    const file = await this.#files.open(path);
    if (file === undefined) return undefined;
    try {
      const bytes = new Uint8Array(file.sizeBytes);
      const readBytes = await file.read(0, bytes);
      return new TextDecoder().decode(bytes.subarray(0, readBytes));
    } finally {
      await file.close();
    }
  }

  #locate(path: RecordPath): string {
    for (const name of path) checkRecordName(name);
    if (path.length > 1 && reservedFolders.has(path[0])) {
      throw new RangeError(`Records cannot be kept in '${path[0]}'`);
    }
    return join(this.#folder, ...path);
  }

  #guarded<T>(action: string, operation: () => Promise<T>): Promise<T> {
    return describeFailures(action, this.#folder, operation);
  }
}
