/**
 * Files whose n-th operation fails: once, as a full disk does, or from then on, as for a process that
 * was killed. A write that fails leaves half of its bytes.
 */
import type { Files, FileWriter } from "../../../gateway/store/files.ts";

export type Fault =
  | { readonly type: "once"; readonly error: Error }
  /** Nothing that comes after has any effect. */
  | { readonly type: "killed" };

export class Killed extends Error {}

export class FaultyFiles implements Files {
  readonly #files: Files;
  #fault: Fault | undefined;
  #remaining = 0;

  constructor(files: Files) {
    this.#files = files;
  }

  /** @param after Operations that still succeed. */
  arm(fault: Fault, after: number): void {
    this.#fault = fault;
    this.#remaining = after;
  }

  disarm(): void {
    this.#fault = undefined;
  }

  async create(path: string): Promise<FileWriter> {
    this.#count();
    const file = await this.#files.create(path);
    return {
      write: async (bytes) => {
        try {
          this.#count();
        } catch (error) {
          await file.write(bytes.subarray(0, bytes.byteLength >> 1));
          throw error;
        }
        await file.write(bytes);
      },
      seal: async (digest) => {
        this.#count();
        await file.seal(digest);
      },
      sync: async () => {
        this.#count();
        await file.sync();
      },
      close: () => file.close(),
    };
  }

  async open(path: string) {
    this.#count();
    return this.#files.open(path);
  }

  async rename(from: string, to: string) {
    this.#count();
    await this.#files.rename(from, to);
  }

  async remove(path: string) {
    this.#count();
    await this.#files.remove(path);
  }

  async makeFolder(path: string) {
    this.#count();
    await this.#files.makeFolder(path);
  }

  async removeFolder(path: string) {
    this.#count();
    await this.#files.removeFolder(path);
  }

  async syncFolder(path: string) {
    this.#count();
    await this.#files.syncFolder(path);
  }

  async list(path: string) {
    this.#count();
    return this.#files.list(path);
  }

  async touch(path: string) {
    await this.#files.touch(path);
  }

  async modifiedAtMs(path: string) {
    this.#count();
    return this.#files.modifiedAtMs(path);
  }

  #count(): void {
    const fault = this.#fault;
    if (fault === undefined) return;
    if (this.#remaining > 0) {
      this.#remaining -= 1;
      return;
    }
    if (fault.type === "killed") throw new Killed("killed by a test");
    this.#fault = undefined;
    throw fault.error;
  }
}
