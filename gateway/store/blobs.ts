/**
 * Bytes by their SHA-256: `<2 hex>/<64 hex><suffix>` in one folder. A blob is written once, sealed (see
 * runtime/device/blob-seal.ts), never changed, and read with its digest checked. Which blobs are still needed is
 * decided elsewhere.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { DawnletError } from "../../kernels/errors.ts";
import type { AtomicWriter } from "./atomic.ts";
import { describeFailures } from "./failures.ts";
import type { FileReader, Files } from "./files.ts";
import type { Holds } from "./holds.ts";
import { checkDigest, isDigest } from "./names.ts";

export interface StoredBlob {
  /** SHA-256 of the bytes, lower-case hex. */
  readonly digest: string;
  readonly sizeBytes: number;
  readonly path: string;
}

export interface BlobFolder {
  readonly files: Files;
  readonly writer: AtomicWriter;
  readonly holds: Holds;
  readonly folder: string;
  /** What its files' names end with, such as `.json`. */
  readonly suffix: string;
  /** What a blob is, in messages: "blob". */
  readonly noun: string;
}

/** Hashing one takes a millisecond at most: calls go on in between. */
const hashPieceBytes = 1024 * 1024;

/** Methods throw DawnletError UNAVAILABLE where the disk refuses, INVALID_ARGUMENT for what is no digest. */
export class Blobs {
  readonly #at: BlobFolder;
  /** Noting and deleting take turns: what was noted is not being deleted any more. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(at: BlobFolder) {
    this.#at = at;
  }

  /** Stores bytes and returns their digest. A damaged blob of that digest is replaced. */
  async put(bytes: Uint8Array): Promise<string> {
    const digest = digestOf(bytes);
    return this.#guarded(`store ${bytes.byteLength} bytes`, async () => {
      await this.#note(digest);
      // Verified, not only found: storing again is how a damaged blob is repaired.
      if (await this.#matches(digest)) await this.#at.writer.secure(this.path(digest));
      else await this.#publish(await this.#prepare(bytes, digest), digest);
      return digest;
    });
  }

  /**
   * Stores a stream of any length without holding it in memory. Nothing stays where it fails.
   * @throws DawnletError PAYLOAD_TOO_LARGE beyond `limitBytes`; the stream's own errors pass as they are.
   */
  async putStream(
    chunks: AsyncIterable<Uint8Array>,
    options: { readonly limitBytes: number },
  ): Promise<StoredBlob> {
    const hash = createHash("sha256");
    let digest = "";
    let sizeBytes = 0;
    return this.#guarded("store the upload", async () => {
      const prepared = await this.#at.writer.prepare(async (file) => {
        for await (const chunk of chunks) {
          sizeBytes += chunk.byteLength;
          if (sizeBytes > options.limitBytes) throw tooLarge(options.limitBytes);
          hash.update(chunk);
          await file.write(chunk);
        }
        digest = hash.digest("hex");
        await file.seal(digest);
      });
      await this.#publish(prepared, digest);
      return { digest, sizeBytes, path: this.path(digest) };
    });
  }

  /** Where the blob lies, or would lie. */
  path(digest: string): string {
    checkDigest(digest);
    return join(this.#at.folder, digest.slice(0, 2), digest + this.#at.suffix);
  }

  async has(digest: string): Promise<boolean> {
    return (await this.sizeBytes(digest)) !== undefined;
  }

  /** Undefined where there is no such blob. */
  async sizeBytes(digest: string): Promise<number | undefined> {
    return this.#guarded(`look for ${this.#name(digest)}`, async () => {
      const file = await this.#at.files.open(this.path(digest));
      await file?.close();
      return file?.sizeBytes;
    });
  }

  /** @throws DawnletError NOT_FOUND; CORRUPT_DATA where the bytes do not have that digest. Their details name it. */
  async read(digest: string): Promise<Uint8Array<ArrayBuffer>> {
    return this.#guarded(`read ${this.#name(digest)}`, async () => {
      const bytes = await this.#withFile(digest, async (file) => {
        const target = new Uint8Array(file.sizeBytes);
        const readBytes = await file.read(0, target);
        return readBytes === target.byteLength ? target : target.slice(0, readBytes);
      });
      if (bytes === undefined) throw this.#missing(digest);
      if (digestOf(bytes) !== digest) throw this.#corrupt(digest);
      return bytes;
    });
  }

  /**
   * Whether the blob is there and has its digest, which is found by reading all of it.
   * @param afterPiece waited for after each piece that was read: a place to be slow.
   */
  async isIntact(digest: string, afterPiece?: (sizeBytes: number) => Promise<void>): Promise<boolean> {
    return this.#guarded(`check ${this.#name(digest)}`, () => this.#matches(digest, afterPiece));
  }

  /** For who reads the file by its path. @throws as `read`. */
  async check(digest: string): Promise<void> {
    if (await this.isIntact(digest)) return;
    throw (await this.has(digest)) ? this.#corrupt(digest) : this.#missing(digest);
  }

  /** Breaks the blob's seal: who reads it next looks at its bytes first. A blob that is missing is fine. */
  async distrust(digest: string): Promise<void> {
    await this.#guarded(`mark ${this.#name(digest)}`, async () => {
      if (await this.has(digest)) await this.#at.files.touch(this.path(digest));
    });
  }

  /** Deleting what is not there is fine. */
  async delete(digest: string): Promise<void> {
    const path = this.path(digest);
    await this.#guarded(`delete ${this.#name(digest)}`, () =>
      this.#takeTurn(() => this.#at.files.remove(path)),
    );
  }

  /** Digests of all that is stored. */
  async list(): Promise<readonly string[]> {
    const { files, folder, suffix } = this.#at;
    return this.#guarded(`list what is stored`, async () => {
      const digests: string[] = [];
      for (const prefix of await files.list(folder)) {
        if (!prefix.isFolder) continue;
        for (const { name } of await files.list(join(folder, prefix.name))) {
          const digest = name.slice(0, name.length - suffix.length);
          const isOurs = name.endsWith(suffix) && isDigest(digest) && digest.startsWith(prefix.name);
          if (isOurs) digests.push(digest);
        }
      }
      return digests;
    });
  }

  /** Deletes all that is neither in `reachable` nor held. Returns how many blobs and bytes that were. */
  async collect(reachable: ReadonlySet<string>): Promise<{ readonly blobs: number; readonly bytes: number }> {
    let blobs = 0;
    let bytes = 0;
    for (const digest of await this.list()) {
      if (reachable.has(digest)) continue;
      const sizeBytes = (await this.sizeBytes(digest)) ?? 0;
      await this.#guarded(`delete ${this.#name(digest)}`, () =>
        this.#takeTurn(async () => {
          if (this.#at.holds.has(digest)) return;
          await this.#at.files.remove(this.path(digest));
          blobs += 1;
          bytes += sizeBytes;
        }),
      );
    }
    return { blobs, bytes };
  }

  async #publish(prepared: string, digest: string): Promise<void> {
    await this.#note(digest);
    await this.#at.writer.publish(prepared, this.path(digest));
  }

  /** Once this has settled no collection deletes the digest while a hold is open. */
  #note(digest: string): Promise<void> {
    return this.#takeTurn(async () => this.#at.holds.note(digest));
  }

  #prepare(bytes: Uint8Array, digest: string): Promise<string> {
    return this.#at.writer.prepare(async (file) => {
      await file.write(bytes);
      await file.seal(digest);
    });
  }

  async #matches(digest: string, afterPiece?: (sizeBytes: number) => Promise<void>): Promise<boolean> {
    const found = await this.#withFile(digest, async (file) => {
      const hash = createHash("sha256");
      const piece = new Uint8Array(Math.min(hashPieceBytes, file.sizeBytes));
      for (let offset = 0; offset < file.sizeBytes; ) {
        const readBytes = await file.read(offset, piece);
        if (readBytes === 0) break;
        hash.update(piece.subarray(0, readBytes));
        offset += readBytes;
        await afterPiece?.(readBytes);
      }
      return hash.digest("hex");
    });
    return found === digest;
  }

  async #withFile<T>(digest: string, use: (file: FileReader) => Promise<T>): Promise<T | undefined> {
    const file = await this.#at.files.open(this.path(digest));
    if (file === undefined) return undefined;
    try {
      return await use(file);
    } finally {
      await file.close();
    }
  }

  #takeTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(action);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  #guarded<T>(action: string, operation: () => Promise<T>): Promise<T> {
    return describeFailures(action, this.#at.folder, operation);
  }

  #name(digest: string): string {
    return `${this.#at.noun} '${digest.slice(0, 12)}…'`;
  }

  #missing(digest: string): DawnletError {
    const message = `Cannot use ${this.#at.noun} ${digest} as it is not stored: deploy the function again`;
    return new DawnletError("NOT_FOUND", message, { details: { digest } });
  }

  #corrupt(digest: string): DawnletError {
    const message = `Cannot use ${this.#at.noun} ${digest} as its bytes have another digest: deploy the function again`;
    return new DawnletError("CORRUPT_DATA", message, { details: { digest } });
  }
}

/** SHA-256 in lower-case hex, of arrays of any length. */
export function digestOf(bytes: Uint8Array): string {
  const hash = createHash("sha256");
  for (let offset = 0; offset < bytes.byteLength; offset += hashPieceBytes) {
    hash.update(bytes.subarray(offset, offset + hashPieceBytes));
  }
  return hash.digest("hex");
}

function tooLarge(limitBytes: number): DawnletError {
  const message = `Cannot store the upload as it is larger than ${limitBytes} bytes, the most that this server takes`;
  return new DawnletError("PAYLOAD_TOO_LARGE", message);
}
