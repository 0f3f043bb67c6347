/**
 * Positioned reads of weight files. Used by Node and Deno.
 * A large weight is many reads of one file: files stay open until they have not been read for a while. A model has a
 * hundred small ones, for which the detour by the thread pool costs ten times what the read does while the system has
 * the file in memory: small reads are done at once, until one of them had to wait for the disk.
 * What a file has to be like, the caller checks each time it was opened.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import { clearInterval, setInterval } from "node:timers";
import { promisify } from "node:util";
import { DawnletError } from "../../kernels/errors.ts";
import type { BlobStatus } from "../device/blob-seal.ts";
import type { BlobCheck, BlobFile } from "./platform.ts";

/** Files open at a time; the one that was not read for longest is closed first. */
const maxOpen = 64;
const idleMs = 5000;
/** Hashing one takes less than a millisecond: calls that are running go on in between. */
const hashPieceBytes = 2 ** 20;

/** A read of at most so much is done at once: some 0.1 ms of copying. */
const smallBytes = 2 ** 20;
/** A read, or an opening, that took longer has waited for a disk: for a while the thread pool waits for it. */
const slowMs = 2;
const slowForMs = 1000;
let slowUntil = Number.NEGATIVE_INFINITY;

const openLater = promisify(fs.open);
const statLater = promisify(fs.fstat);
const chmodLater = promisify(fs.fchmod);
const utimesLater = promisify(fs.futimes);
/** Of bytes that were read. */
const readLater = (fd: number, into: Uint8Array, at: number, offset: number): Promise<number> =>
  new Promise((resolve, reject) => {
    fs.read(fd, into, at, into.byteLength - at, offset, (error, bytesRead) =>
      error === null ? resolve(bytesRead) : reject(error),
    );
  });

interface OpenFile {
  readonly fd: Promise<number>;
  readers: number;
  usedAt: number;
}

/** In the order of last use. */
const openFiles = new Map<string, OpenFile>();
let sweeper: ReturnType<typeof setInterval> | undefined;

/** See `Platform.readBlob`. */
export async function readBlob(
  path: string,
  offset: number,
  target: Uint8Array,
  check?: BlobCheck,
): Promise<void> {
  const file = take(path, check);
  try {
    const fd = await file.fd;
    let filled = 0;
    while (filled < target.byteLength) {
      const isSmall = target.byteLength - filled <= smallBytes;
      const bytesRead =
        isSmall && isDiskFast()
          ? atOnce(() => fs.readSync(fd, target, filled, target.byteLength - filled, offset + filled))
          : await readLater(fd, target, filled, offset + filled);
      if (bytesRead === 0) throw tooShort(path, offset, target.byteLength, filled);
      filled += bytesRead;
    }
  } catch (error) {
    // A file that is wrong may be replaced: the next read looks again.
    if (openFiles.get(path) === file) openFiles.delete(path);
    throw toDawnletError(error, path);
  } finally {
    release(file, path);
  }
}

function take(path: string, check: BlobCheck | undefined): OpenFile {
  const file = openFiles.get(path) ?? { fd: openChecked(path, check), readers: 0, usedAt: 0 };
  file.readers++;
  openFiles.delete(path);
  openFiles.set(path, file);
  return file;
}

async function openChecked(path: string, check: BlobCheck | undefined): Promise<number> {
  const fd = isDiskFast() ? atOnce(() => fs.openSync(path, "r")) : await openLater(path, "r");
  try {
    await check?.(blobFile(fd));
  } catch (error) {
    fs.close(fd, () => {});
    throw error;
  }
  return fd;
}

function isDiskFast(): boolean {
  return performance.now() >= slowUntil;
}

function atOnce<T>(action: () => T): T {
  const startedAt = performance.now();
  const result = action();
  const now = performance.now();
  if (now - startedAt > slowMs) slowUntil = now + slowForMs;
  return result;
}

function blobFile(fd: number): BlobFile {
  return {
    status: () => statusOf(fd),
    digest: () => digestOf(fd),
    async setModified(timeMs) {
      try {
        await chmodLater(fd, 0o400);
        await utimesLater(fd, Date.now() / 1000, timeMs / 1000);
      } catch (error) {
        // Another's file, a disk mounted read-only, a file system without times.
        if (systemCode(error) === undefined) throw error;
      }
    },
  };
}

async function statusOf(fd: number): Promise<BlobStatus> {
  const { size, ino, mtimeMs, ctimeMs } = isDiskFast() ? fs.fstatSync(fd) : await statLater(fd);
  return { sizeBytes: size, inode: ino, modifiedMs: mtimeMs, changedMs: ctimeMs };
}

async function digestOf(fd: number): Promise<string> {
  const hash = createHash("sha256");
  const piece = new Uint8Array(hashPieceBytes);
  for (let offset = 0; ; ) {
    const bytesRead = await readLater(fd, piece, 0, offset);
    if (bytesRead === 0) return hash.digest("hex");
    hash.update(piece.subarray(0, bytesRead));
    offset += bytesRead;
  }
}

function release(file: OpenFile, path: string): void {
  file.readers--;
  if (openFiles.get(path) !== file) {
    if (file.readers === 0) close(file);
    return;
  }
  file.usedAt = performance.now();
  if (openFiles.size > maxOpen) closeIdle(Number.POSITIVE_INFINITY, openFiles.size - maxOpen);
  if (sweeper === undefined) sweeper = setInterval(sweep, idleMs).unref();
}

function sweep(): void {
  closeIdle(performance.now() - idleMs, openFiles.size);
  if (openFiles.size > 0) return;
  clearInterval(sweeper);
  sweeper = undefined;
}

/** Closes up to `count` files that nobody reads and that were last read at `before` or earlier. */
function closeIdle(before: number, count: number): void {
  for (const [path, file] of openFiles) {
    if (count === 0) return;
    if (file.readers > 0 || file.usedAt > before) continue;
    openFiles.delete(path);
    close(file);
    count--;
  }
}

function close(file: OpenFile): void {
  // One that could not be opened has told its readers so.
  file.fd.then((fd) => fs.close(fd, () => {})).catch(() => {});
}

function tooShort(path: string, offset: number, asked: number, got: number): DawnletError {
  return new DawnletError(
    "CORRUPT_DATA",
    `Cannot read ${asked} bytes at ${offset} of '${path}' as it ends ${asked - got} bytes too early: deploy the function again`,
  );
}

function toDawnletError(error: unknown, path: string): unknown {
  const options = { cause: error };
  switch (systemCode(error)) {
    case undefined:
      return error;
    case "ENOENT":
    case "ENOTDIR":
      return new DawnletError("NOT_FOUND", `Cannot read '${path}' as there is no such file`, options);
    case "EIO":
      return new DawnletError(
        "CORRUPT_DATA",
        `Cannot read '${path}' as its disk cannot: replace the disk, and deploy the function again`,
        options,
      );
    default:
      return new DawnletError(
        "UNAVAILABLE",
        `Cannot read '${path}' as the system refuses: ${systemCode(error)}`,
        options,
      );
  }
}

/** The system's name for what went wrong; undefined for errors that are not the system's. */
function systemCode(error: unknown): string | undefined {
  const isSystems = error instanceof Error && !(error instanceof DawnletError) && "code" in error;
  return isSystems && typeof error.code === "string" ? error.code : undefined;
}
