/**
 * Reading a zip that a stranger made. Limits count what is really inflated, not what headers claim;
 * checksums are verified; an archive that two tools could read differently is refused. Nothing is
 * written to disk here: the caller takes the bytes.
 */
import { dirname } from "node:path";
import { type Entry, type FileEntry, ZipReader } from "@zip.js/zip.js";
import { DawnletError } from "../../kernels/errors.ts";
import { diskFiles } from "../store/files.ts";
import { ZipFileReader } from "./zip-file.ts";
import { checkDistinct, isIgnored, sharedFolder, showPath, splitPath } from "./zip-paths.ts";

export interface ZipLimits {
  /** Most entries, folders included. */
  readonly entries: number;
  /** Most bytes of one entry, uncompressed. */
  readonly entryBytes: number;
  /** Most bytes of all entries that are read, uncompressed. */
  readonly totalBytes: number;
  /** Most uncompressed bytes for one compressed byte, looked at from the first megabyte on. */
  readonly ratio: number;
}

export interface ZipEntry {
  /** Relative, with `/`, safe to join to a folder. A folder that all entries share is taken off. */
  readonly path: string;
  /** As the archive states it; `read` and `inflate` hold it to that. */
  readonly sizeBytes: number;
}

export interface ZipArchive extends AsyncDisposable {
  /** Files only, in the order of the archive. */
  readonly entries: readonly ZipEntry[];
  /** An entry's bytes in memory. */
  read(entry: ZipEntry): Promise<Uint8Array<ArrayBuffer>>;
  /** Hands an entry's bytes over in pieces as they are inflated. Errors of `write` pass as they are. */
  inflate(entry: ZipEntry, write: (piece: Uint8Array) => Promise<void>): Promise<void>;
}

/** Small entries compress well without being bombs. */
const ratioFromBytes = 1024 * 1024;

/**
 * Opens a zip file and checks its directory.
 * @throws DawnletError INVALID_BUNDLE naming the entry at fault; PAYLOAD_TOO_LARGE where a size or the number
 * of entries is beyond the limits. `read` and `inflate` throw the same.
 */
export async function openZip(path: string, limits: ZipLimits): Promise<ZipArchive> {
  const file = await diskFiles.open(path);
  if (file === undefined) throw new DawnletError("NOT_FOUND", "Cannot read the upload: it is not stored");
  try {
    const reader = new ZipReader(new ZipFileReader(file, dirname(path)), {
      useWebWorkers: false,
      checkCrc32: true,
      checkOverlappingEntry: true,
      checkLocalDirectory: true,
      // Refused in zip-paths.ts, which says why.
      filenameValidation: "tolerant",
    });
    const entries = await readDirectory(reader, limits);
    const inflater = new Inflater(entries, limits);
    return {
      entries: [...entries.keys()],
      read: (entry) => inflater.read(entry),
      inflate: (entry, write) => inflater.inflate(entry, write),
      [Symbol.asyncDispose]: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readDirectory(
  reader: ZipReader<unknown>,
  limits: ZipLimits,
): Promise<ReadonlyMap<ZipEntry, FileEntry>> {
  const files: Array<{ segments: readonly string[]; entry: FileEntry }> = [];
  const seen: Array<readonly string[]> = [];
  let count = 0;
  try {
    for await (const entry of reader.getEntriesGenerator()) {
      count += 1;
      if (count > limits.entries) throw tooLarge(`it has more than ${limits.entries} entries`);
      const segments = splitPath(entry.filename);
      if (isIgnored(segments)) continue;
      checkEntry(entry, limits);
      if (entry.directory) continue;
      seen.push(segments);
      files.push({ segments, entry });
    }
  } catch (error) {
    throw describeError(error, "as it is broken");
  }
  checkDistinct(seen);
  const declaredBytes = files.reduce((sum, { entry }) => sum + entry.uncompressedSize, 0);
  if (declaredBytes > limits.totalBytes) {
    throw tooLarge(`its entries have ${declaredBytes} bytes: this server takes ${limits.totalBytes}`);
  }
  const skip = sharedFolder(seen) === undefined ? 0 : 1;
  return new Map(
    files.map(({ segments, entry }) => [
      { path: segments.slice(skip).join("/"), sizeBytes: entry.uncompressedSize },
      entry,
    ]),
  );
}

/** What the directory alone shows. The bits of the file type are those of `st_mode` on Unix. */
function checkEntry(entry: Entry, limits: ZipLimits): void {
  const name = showPath(entry.filename);
  const refuse = (reason: string): never => {
    throw new DawnletError("INVALID_BUNDLE", `Cannot use the zip as its entry ${name} ${reason}`);
  };
  if (entry.encrypted) refuse("is encrypted: send the bundle without a password");
  const fileType = (entry.externalFileAttributes >>> 16) & 0o170000;
  if (fileType === 0o120000) refuse("is a symbolic link: put the file itself there");
  if (fileType !== 0 && fileType !== 0o100000 && fileType !== 0o040000) refuse("is no regular file");
  if (entry.uncompressedSize > limits.entryBytes) {
    throw tooLarge(
      `its entry ${name} has ${entry.uncompressedSize} bytes: this server takes ${limits.entryBytes}`,
    );
  }
}

class Inflater {
  readonly #entries: ReadonlyMap<ZipEntry, FileEntry>;
  readonly #limits: ZipLimits;
  #totalBytes = 0;

  constructor(entries: ReadonlyMap<ZipEntry, FileEntry>, limits: ZipLimits) {
    this.#entries = entries;
    this.#limits = limits;
  }

  async read(entry: ZipEntry): Promise<Uint8Array<ArrayBuffer>> {
    const pieces: Uint8Array[] = [];
    let sizeBytes = 0;
    await this.inflate(entry, async (piece) => {
      pieces.push(piece.slice());
      sizeBytes += piece.byteLength;
    });
    const bytes = new Uint8Array(sizeBytes);
    let offset = 0;
    for (const piece of pieces) {
      bytes.set(piece, offset);
      offset += piece.byteLength;
    }
    return bytes;
  }

  async inflate(entry: ZipEntry, write: (piece: Uint8Array) => Promise<void>): Promise<void> {
    const source = this.#entries.get(entry);
    if (source === undefined) throw new RangeError(`'${entry.path}' is an entry of another archive`);
    let entryBytes = 0;
    // What the sink threw, kept apart: zip.js may wrap or replace it.
    let refusal: unknown;
    const sink = new WritableStream<Uint8Array>({
      write: async (piece) => {
        try {
          entryBytes += piece.byteLength;
          this.#totalBytes += piece.byteLength;
          this.#checkInflated(source, entryBytes);
          await write(piece);
        } catch (error) {
          refusal = error;
          throw error;
        }
      },
    });
    const what = `as its entry ${showPath(source.filename)} is broken`;
    try {
      await source.getData(sink);
    } catch (error) {
      throw refusal ?? describeError(error, what);
    }
    if (entryBytes !== source.uncompressedSize) {
      throw new DawnletError("INVALID_BUNDLE", `Cannot use the zip ${what}: its size is not the stated one`);
    }
  }

  #checkInflated(source: FileEntry, entryBytes: number): void {
    const { entryBytes: entryLimit, totalBytes: totalLimit, ratio } = this.#limits;
    const name = showPath(source.filename);
    if (entryBytes > entryLimit) {
      throw tooLarge(`its entry ${name} has more than ${entryLimit} bytes uncompressed`);
    }
    if (entryBytes > source.uncompressedSize) {
      const message = `Cannot use the zip as its entry ${name} is broken: it has more than the ${source.uncompressedSize} bytes that are stated`;
      throw new DawnletError("INVALID_BUNDLE", message);
    }
    if (this.#totalBytes > totalLimit) {
      throw tooLarge(`its entries have more than ${totalLimit} bytes uncompressed, counted up to ${name}`);
    }
    if (entryBytes > ratioFromBytes && entryBytes > source.compressedSize * ratio) {
      throw new DawnletError(
        "INVALID_BUNDLE",
        `Cannot use the zip as its entry ${name} inflates to more than ${ratio} times its size: send it uncompressed`,
      );
    }
  }
}

function tooLarge(reason: string): DawnletError {
  return new DawnletError("PAYLOAD_TOO_LARGE", `Cannot use the zip as ${reason}`);
}

/** zip.js throws errors of many kinds at bad bytes; each means that the archive is broken. */
function describeError(error: unknown, what: string): DawnletError {
  if (error instanceof DawnletError) return error;
  const reason = error instanceof Error && error.message !== "" ? `: ${error.message}` : "";
  return new DawnletError("INVALID_BUNDLE", `Cannot use the zip ${what}${reason}`, { cause: error });
}
