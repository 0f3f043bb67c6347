/**
 * What clients have set of functions, in the store: `settings/<name>.json`. It holds for all versions of a name, and goes
 * before what their bundles say.
 */
import * as v from "valibot";
import {
  functionSettingsSchema,
  type StatedFunctionSettings,
} from "../../kernels/manifest/function-settings.ts";
import type { Records } from "../store/records.ts";

const folder = "settings";

export class SettingsRecords {
  readonly #records: Records;
  readonly #stated = new Map<string, StatedFunctionSettings>();

  constructor(records: Records) {
    this.#records = records;
  }

  of(name: string): StatedFunctionSettings {
    return this.#stated.get(name) ?? {};
  }

  /** To be called once for each function before `of`. */
  async read(name: string): Promise<void> {
    const parse = (value: unknown) => v.parse(functionSettingsSchema, value);
    const stated = await this.#records.read([folder, name], parse);
    if (stated !== undefined) this.#stated.set(name, stated);
  }

  async write(name: string, stated: StatedFunctionSettings): Promise<void> {
    await this.#records.write([folder, name], stated);
    this.#stated.set(name, stated);
  }

  async remove(name: string): Promise<void> {
    await this.#records.remove([folder, name]);
    this.#stated.delete(name);
  }
}
