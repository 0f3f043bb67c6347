/**
 * What clients have set of how functions are kept in device memory, in the store: `settings/<name>.json`. It holds for
 * all versions of a name, and goes before what their bundles say.
 */
import * as v from "valibot";
import { memorySettingsSchema, type StatedMemorySettings } from "../../kernels/manifest/memory-settings.ts";
import type { Records } from "../store/records.ts";

const folder = "settings";

export class MemoryRecords {
  readonly #records: Records;
  readonly #stated = new Map<string, StatedMemorySettings>();

  constructor(records: Records) {
    this.#records = records;
  }

  of(name: string): StatedMemorySettings {
    return this.#stated.get(name) ?? {};
  }

  /** To be called once for each function before `of`. */
  async read(name: string): Promise<void> {
    const parse = (value: unknown) => v.parse(memorySettingsSchema, value);
    const stated = await this.#records.read([folder, name], parse);
    if (stated !== undefined) this.#stated.set(name, stated);
  }

  async write(name: string, stated: StatedMemorySettings): Promise<void> {
    await this.#records.write([folder, name], stated);
    this.#stated.set(name, stated);
  }

  async remove(name: string): Promise<void> {
    await this.#records.remove([folder, name]);
    this.#stated.delete(name);
  }
}
