/**
 * A zip on disk for zip.js: it reads the ranges that it needs, so that an archive of gigabytes costs
 * no memory. Works where `fs.openAsBlob` reads the whole file, too.
 */
import { Reader } from "@zip.js/zip.js";
import { DawnletError } from "../../kernels/errors.ts";
import { describeFailures } from "../store/failures.ts";
import type { FileReader } from "../store/files.ts";

/** The largest thing zip.js reads at once is the central directory, whose size the archive claims. */
const largestReadBytes = 64 * 1024 * 1024;

export class ZipFileReader extends Reader<FileReader> {
  readonly #file: FileReader;
  readonly #folder: string;

  /** @param folder Where the file lies, for messages. The caller closes the file. */
  constructor(file: FileReader, folder: string) {
    super(file);
    this.#file = file;
    this.#folder = folder;
    this.size = file.sizeBytes;
  }

  override async readUint8Array(offset: number, length: number): Promise<Uint8Array> {
    const available = Math.max(0, Math.min(length, this.size - offset));
    if (available > largestReadBytes) {
      const message = "Cannot read the zip as its directory is larger than any that this server takes";
      throw new DawnletError("INVALID_BUNDLE", message);
    }
    const target = new Uint8Array(available);
    const readBytes = await describeFailures("read the zip", this.#folder, () =>
      this.#file.read(offset, target),
    );
    return target.subarray(0, readBytes);
  }
}
