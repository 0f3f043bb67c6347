/**
 * Profiles in the store: `profiles/<name>/<digest>-<class>.json`, one a version and class of devices. They go with the
 * function, and with its old versions. Whatever happens to one, it can be measured again: a record that cannot be read
 * is ignored, with a line in the log.
 */
import { getLogger } from "@logtape/logtape";
import { DawnletError } from "../../../kernels/errors.ts";
import {
  type MeasuredProfile,
  parseMeasuredProfile,
  toMeasuredRecord,
} from "../../scheduler/profile/measured-profile.ts";
import type { RecordPath, Records } from "../../store/records.ts";

const folder = "profiles";
const log = getLogger(["dawnlet", "functions"]);

/** What a profile is of. */
export interface ProfileKey {
  readonly name: string;
  /** Of the version. */
  readonly digest: string;
  /** See `deviceClassOf`. */
  readonly class: string;
}

/** Methods throw DawnletError UNAVAILABLE where the disk refuses. */
export class ProfileRecords {
  readonly #records: Pick<Records, "readOptional" | "write" | "remove" | "removeFolder" | "list">;

  constructor(records: Pick<Records, "readOptional" | "write" | "remove" | "removeFolder" | "list">) {
    this.#records = records;
  }

  /** Undefined where there is none that can be read. */
  async read(key: ProfileKey): Promise<MeasuredProfile | undefined> {
    const path = pathOf(key);
    try {
      return await this.#records.readOptional(path, (value) => parseOf(key, value));
    } catch (error) {
      if (error instanceof DawnletError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      log.warn("the profile in {path}.json is ignored: {reason}", { path: path.join("/"), reason });
      return undefined;
    }
  }

  async write(profile: MeasuredProfile): Promise<void> {
    await this.#records.write(pathOf({ ...profile, name: profile.function }), toMeasuredRecord(profile));
  }

  /** Removes those of versions that are not kept. @param digests of those that are. */
  async retain(name: string, digests: ReadonlySet<string>): Promise<void> {
    for (const record of await this.#records.list([folder, name]))
      if (!digests.has(record.slice(0, record.indexOf("-"))))
        await this.#records.remove([folder, name, record]);
  }

  /** All of a function that is being removed. */
  async forget(name: string): Promise<void> {
    await this.#records.removeFolder([folder, name]);
  }
}

/** @throws TypeError where the record is another's, as one that was copied by hand. */
function parseOf({ name, digest, class: wanted }: ProfileKey, value: unknown): MeasuredProfile {
  const profile = parseMeasuredProfile(value);
  if (profile.function !== name || profile.digest !== digest || profile.class !== wanted)
    throw new TypeError("it is of another function, version or device");
  return profile;
}

function pathOf({ name, digest, class: wanted }: ProfileKey): RecordPath {
  return [folder, name, `${digest}-${wanted}`];
}
