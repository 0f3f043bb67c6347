/**
 * The file operations that the store is built from, and their implementation over node:fs.
 * The store names no other file operation, so a test can stop it between any two of them or lose what
 * was not yet synchronised. No policy here: paths and bytes only. Failures are the system's own errors.
 */
import { mkdir, open, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { constants } from "node:os";
import { sealTimeMs } from "../../runtime/device/blob-seal.ts";

/** A file being written, from its start on. */
export interface FileWriter {
  /** Appends all bytes. */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Makes the file read-only and leaves the seal of verified bytes on it, as far as the file system takes it.
   * Nothing is written afterwards.
   */
  seal(digest: string): Promise<void>;
  /** Settles when bytes and seal have reached the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface FileReader {
  readonly sizeBytes: number;
  /** Fills `target` from `offset` on, as far as the file reaches. Returns how many bytes were read. */
  read(offset: number, target: Uint8Array): Promise<number>;
  close(): Promise<void>;
}

export interface Files {
  /** Creates a file that only its owner may read. Fails with EEXIST where there is one already. */
  create(path: string): Promise<FileWriter>;
  /** Undefined where there is none. */
  open(path: string): Promise<FileReader | undefined>;
  /** Replaces `to` where it exists: others see the old one or the new one. */
  rename(from: string, to: string): Promise<void>;
  /** A file that is missing is fine. */
  remove(path: string): Promise<void>;
  /** Creates missing parents too. A folder that exists is fine. */
  makeFolder(path: string): Promise<void>;
  /** Removes a folder with all that is in it. A folder that is missing is fine. */
  removeFolder(path: string): Promise<void>;
  /** Settles when the names in the folder have reached the disk. */
  syncFolder(path: string): Promise<void>;
  /** Names in a folder, sorted. Empty where the folder is missing. */
  list(path: string): Promise<readonly FolderEntry[]>;
  /** Sets the time of the last change to now. */
  touch(path: string): Promise<void>;
  /** Time of the last change in milliseconds since 1970. Undefined where there is no such file. */
  modifiedAtMs(path: string): Promise<number | undefined>;
}

export interface FolderEntry {
  readonly name: string;
  readonly isFolder: boolean;
}

/** One read or write call moves at most this much: Node refuses 2 GiB and more. */
const largestPieceBytes = 256 * 1024 * 1024;

/** What file systems without rights or times answer. */
const refusalsOfSeals: ReadonlySet<string> = new Set(["EPERM", "EACCES", "ENOSYS", "ENOTSUP", "EINVAL"]);

export const diskFiles: Files = {
  async create(path) {
    const handle = await open(path, "wx", 0o600);
    return {
      async write(bytes) {
        for (let done = 0; done < bytes.byteLength; ) {
          const piece = Math.min(largestPieceBytes, bytes.byteLength - done);
          done += (await handle.write(bytes, done, piece)).bytesWritten;
        }
      },
      async seal(digest) {
        try {
          const { size, ino, mtimeMs, ctimeMs } = await handle.stat();
          const status = { sizeBytes: size, inode: ino, modifiedMs: mtimeMs, changedMs: ctimeMs };
          await handle.chmod(0o400);
          await handle.utimes(Date.now() / 1000, sealTimeMs(digest, status) / 1000);
        } catch (error) {
          // Without it the blob is hashed when a process first reads it: slower, as safe.
          if (!refusalsOfSeals.has(errorNumber(error) ?? "")) throw error;
        }
      },
      sync: () => handle.sync(),
      close: () => handle.close(),
    };
  },

  async open(path) {
    const handle = await unlessMissing(() => open(path, "r"));
    if (handle === undefined) return undefined;
    const close = () => handle.close();
    try {
      const { size } = await handle.stat();
      return { sizeBytes: size, read: (offset, target) => readFully(handle, offset, target), close };
    } catch (error) {
      await close();
      throw error;
    }
  },

  rename,
  remove: (path) => rm(path, { force: true }),
  makeFolder: async (path) => void (await mkdir(path, { recursive: true, mode: 0o700 })),
  removeFolder: (path) => rm(path, { recursive: true, force: true }),

  async syncFolder(path) {
    const handle = await open(path, "r");
    try {
      await handle.sync();
    } catch (error) {
      // Windows refuses to synchronise a folder and writes its names through anyway.
      if (errorNumber(error) !== "EPERM" && errorNumber(error) !== "EISDIR") throw error;
    } finally {
      await handle.close();
    }
  },

  async list(path) {
    const entries = (await unlessMissing(() => readdir(path, { withFileTypes: true }))) ?? [];
    return entries
      .map((entry) => ({ name: entry.name, isFolder: entry.isDirectory() }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  },

  touch: (path) => utimes(path, new Date(), new Date()),
  modifiedAtMs: async (path) => (await unlessMissing(() => stat(path)))?.mtimeMs,
};

/** The system's name for what went wrong, such as `ENOSPC`. */
export function errorNumber(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ("code" in error) return typeof error.code === "string" ? error.code : undefined;
  // Deno 2.9 leaves the code of the rarer ones out, such as EFBIG: then the message ends with the number.
  const number = Number(/\(os error (\d+)\)$/.exec(error.message)?.[1]);
  return Object.entries(constants.errno).find(([, value]) => value === number)?.[0];
}

async function unlessMissing<T>(action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    if (errorNumber(error) === "ENOENT") return undefined;
    throw error;
  }
}

interface PositionedReader {
  read(target: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
}

async function readFully(handle: PositionedReader, offset: number, target: Uint8Array): Promise<number> {
  let done = 0;
  while (done < target.byteLength) {
    const piece = Math.min(largestPieceBytes, target.byteLength - done);
    const { bytesRead } = await handle.read(target, done, piece, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}
