/**
 * Writing a file so that a crash leaves the old one or the new one, whole: write beside it, synchronise,
 * rename over it, synchronise the folder. What was begun and not ended lies in the folder for temporary
 * files, which is emptied when the store is opened.
 */
import { randomUUID } from "node:crypto";
import { dirname, join } from "node:path";
import type { Files, FileWriter } from "./files.ts";

export class AtomicWriter {
  readonly #files: Files;
  readonly #temporaryFolder: string;

  /** Both folders that take part, this one and the target's, are on one file system. */
  constructor(files: Files, temporaryFolder: string) {
    this.#files = files;
    this.#temporaryFolder = temporaryFolder;
  }

  /** A path that nobody uses, for what may vanish in a crash. */
  temporaryPath(): string {
    return join(this.#temporaryFolder, randomUUID());
  }

  /**
   * Lets `fill` write a temporary file and returns its path once its bytes are on the disk.
   * Nothing is left where `fill` throws. The caller publishes or removes the file.
   */
  async prepare(fill: (file: FileWriter) => Promise<void>): Promise<string> {
    const path = this.temporaryPath();
    const file = await this.#files.create(path);
    try {
      try {
        await fill(file);
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      await this.discard(path);
      throw error;
    }
    return path;
  }

  /** Moves a prepared file to its place, where it survives a crash once this has settled. */
  async publish(prepared: string, target: string): Promise<void> {
    const folder = dirname(target);
    try {
      await this.#files.makeFolder(folder);
      // Each time, not only when it is new: whoever made it may not have come to this line.
      await this.#files.syncFolder(dirname(folder));
      await this.#files.rename(prepared, target);
    } catch (error) {
      await this.discard(prepared);
      throw error;
    }
    await this.#files.syncFolder(folder);
  }

  /** Makes a file that was found in its place survive a crash, as whoever put it there may not have come to it. */
  async secure(target: string): Promise<void> {
    const folder = dirname(target);
    await this.#files.syncFolder(dirname(folder));
    await this.#files.syncFolder(folder);
  }

  async write(target: string, bytes: Uint8Array): Promise<void> {
    await this.publish(await this.prepare((file) => file.write(bytes)), target);
  }

  /** Removes a prepared file. Failing to is no failure: the next opening empties the folder. */
  async discard(prepared: string): Promise<void> {
    await this.#files.remove(prepared).catch(() => undefined);
  }
}
