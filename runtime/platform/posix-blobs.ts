/**
 * Positioned reads of weight files. Used by Node and Deno.
 * A model's weights are many reads of few files: files stay open until they have not been read for a while.
 */
import { type FileHandle, open } from "node:fs/promises";
import { clearInterval, setInterval } from "node:timers";
import { DawnletError } from "../../kernels/errors.ts";

/** Files open at a time; the one that was not read for longest is closed first. */
const maxOpen = 64;
const idleMs = 5000;

interface OpenFile {
  readonly handle: Promise<FileHandle>;
  readers: number;
  usedAt: number;
}

/** In the order of last use. */
const openFiles = new Map<string, OpenFile>();
let sweeper: ReturnType<typeof setInterval> | undefined;

/** See `Platform.readBlob`. */
export async function readBlob(path: string, offset: number, target: Uint8Array): Promise<void> {
  const file = take(path);
  try {
    const handle = await file.handle;
    let filled = 0;
    while (filled < target.byteLength) {
      const { bytesRead } = await handle.read(target, filled, target.byteLength - filled, offset + filled);
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

function take(path: string): OpenFile {
  const file = openFiles.get(path) ?? { handle: open(path, "r"), readers: 0, usedAt: 0 };
  file.readers++;
  openFiles.delete(path);
  openFiles.set(path, file);
  return file;
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
  file.handle.then((handle) => handle.close()).catch(() => {});
}

function tooShort(path: string, offset: number, asked: number, got: number): DawnletError {
  return new DawnletError(
    "CORRUPT_DATA",
    `Cannot read ${asked} bytes at ${offset} of '${path}' as it ends ${asked - got} bytes too early: deploy the function again`,
  );
}

function toDawnletError(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !("code" in error) || error instanceof DawnletError) return error;
  if (error.code !== "ENOENT" && error.code !== "ENOTDIR") return error;
  return new DawnletError("NOT_FOUND", `Cannot read '${path}' as there is no such file`, { cause: error });
}
