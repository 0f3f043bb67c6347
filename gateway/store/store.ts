/**
 * The store: the data folder of one gateway, and the only code that writes there.
 *
 *   blobs/      weights and uploads by SHA-256        functions/  records of what is deployed
 *   programs/   Programs as JSON, by SHA-256          damaged/    what could not be read, moved aside
 *   settings/   what clients set of functions         estimates/  measured times by adapter
 *   secrets/    secrets of functions, as they are
 *   tmp/        what is being written, emptied at opening
 *
 * It keeps bytes and JSON; what they mean, and what is still needed, the registry knows.
 */
import { dirname, join, resolve } from "node:path";
import { AtomicWriter } from "./atomic.ts";
import { Blobs } from "./blobs.ts";
import { describeFailures } from "./failures.ts";
import { diskFiles, type Files } from "./files.ts";
import { FunctionRecords } from "./function-records.ts";
import { Holds } from "./holds.ts";
import { takeLock } from "./lock.ts";
import { type Damage, Records } from "./records.ts";

export interface StoreOptions {
  /** Id of this process, for the lock that keeps a second gateway out. */
  readonly pid: number;
  /** Left out: the disk. Tests give one that fails or forgets. */
  readonly files?: Files;
}

export interface Collected {
  readonly blobs: number;
  readonly bytes: number;
}

/** A folder for files that live as long as one piece of work. */
export interface WorkFolder extends AsyncDisposable {
  readonly path: string;
}

export interface Store extends AsyncDisposable {
  /** Absolute. */
  readonly folder: string;
  readonly blobs: Blobs;
  /** The text of Programs; the same rules as for blobs. */
  readonly programs: Blobs;
  readonly records: Records;
  readonly functions: FunctionRecords;
  /** Records that were found damaged since opening, and where they lie now. */
  readonly damage: readonly Damage[];
  /** While it is open, `collect` leaves alone what is written. Take it before a deploy's first blob. */
  hold(): Disposable;
  /** Deletes all blobs and programs whose digest is neither in `reachable` nor held. */
  collect(reachable: ReadonlySet<string>): Promise<Collected>;
  makeWorkFolder(): Promise<WorkFolder>;
  /** Gives up the lock. Nothing may be written afterwards. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens the data folder and creates it where it is missing, for its owner alone (mode 0700).
 * @throws DawnletError UNAVAILABLE where another gateway uses the folder or the disk refuses.
 */
export async function openStore(dataFolder: string, options: StoreOptions): Promise<Store> {
  const folder = resolve(dataFolder);
  const files = options.files ?? diskFiles;
  const temporaryFolder = join(folder, "tmp");
  const guarded = <T>(action: string, operation: () => Promise<T>) =>
    describeFailures(action, folder, operation);

  const lock = await guarded("open the store", async () => {
    await files.makeFolder(folder);
    // Where it may not be read it cannot be synchronised: then the folder is as safe as the system makes it.
    await files.syncFolder(dirname(folder)).catch(() => undefined);
    const lock = await takeLock(files, folder, options.pid);
    try {
      await files.removeFolder(temporaryFolder);
      for (const name of ["blobs", "programs", "functions", "tmp"])
        await files.makeFolder(join(folder, name));
      await files.syncFolder(folder);
    } catch (error) {
      await lock.release().catch(() => undefined);
      throw error;
    }
    return lock;
  });

  const writer = new AtomicWriter(files, temporaryFolder);
  const holds = new Holds();
  const shared = { files, writer, holds };
  const blobs = new Blobs({ ...shared, folder: join(folder, "blobs"), suffix: "", noun: "blob" });
  const programs = new Blobs({
    ...shared,
    folder: join(folder, "programs"),
    suffix: ".json",
    noun: "program",
  });
  const records = new Records(files, writer, folder);

  return {
    folder,
    blobs,
    programs,
    records,
    functions: new FunctionRecords(records),
    get damage() {
      return records.damage;
    },
    hold: () => holds.hold(),

    async collect(reachable) {
      const fromBlobs = await blobs.collect(reachable);
      const fromPrograms = await programs.collect(reachable);
      return {
        blobs: fromBlobs.blobs + fromPrograms.blobs,
        bytes: fromBlobs.bytes + fromPrograms.bytes,
      };
    },

    async makeWorkFolder() {
      const path = writer.temporaryPath();
      await guarded("make a work folder", () => files.makeFolder(path));
      // What cannot be removed now is swept at the next opening.
      return { path, [Symbol.asyncDispose]: () => files.removeFolder(path).catch(() => undefined) };
    },

    [Symbol.asyncDispose]: () => guarded("close the store", () => lock.release()),
  };
}
