/**
 * Secrets of functions in the store: `secrets/<name>.json`, which only the gateway's user may read. They hold for all
 * versions of a function and go with it. Values leave through `of` alone: they are in no log, error or answer.
 */
import * as v from "valibot";
import { DawnletError } from "../../kernels/errors.ts";
import type { RecordPath, Records } from "../store/records.ts";

/** What may be told of a secret. */
export interface SecretName {
  readonly name: string;
  /** ISO 8601. */
  readonly setAt: string;
}

export interface SecretsOptions {
  readonly records: Pick<Records, "readOptional" | "write" | "remove" | "setAside">;
  /** Whose a deployed function is; undefined for the operator's. @throws DawnletError NOT_FOUND */
  readonly tenantOf: (name: string) => string | undefined;
  /** Does work on a deployed function in its turn among deploys and removals. @throws DawnletError NOT_FOUND */
  readonly change: <T>(name: string, work: () => Promise<T>) => Promise<T>;
  readonly now: () => Date;
}

export const maxSecretBytes = 64 * 1024;
const maxSecrets = 64;
const maxKeyLength = 128;

const folder = "secrets";
const secret = v.object({ name: v.string(), value: v.string(), setAt: v.string() });
const storedSecrets = v.object({
  format: v.literal(1),
  /** Whose function they were set for: another's function of the same name must not get them. */
  tenant: v.exactOptional(v.string()),
  secrets: v.array(secret),
});

type Secret = v.InferOutput<typeof secret>;

/** Methods throw DawnletError, CORRUPT_DATA where what is stored cannot be read. */
export class Secrets {
  readonly #options: SecretsOptions;

  constructor(options: SecretsOptions) {
    this.#options = options;
  }

  /**
   * Values by key. Reads them anew each time, and takes no turn: a version may ask while it is deployed.
   * @param tenant whose the version is that asks; it may have been removed and its name be another's by now.
   */
  async of(name: string, tenant?: string): Promise<ReadonlyMap<string, string>> {
    return new Map((await this.#read(name, tenant)).map((one) => [one.name, one.value]));
  }

  /** By name. @throws NOT_FOUND where there is no such function. */
  async names(name: string): Promise<readonly SecretName[]> {
    const secrets = await this.#read(name, this.#options.tenantOf(name));
    return secrets.map((one) => ({ name: one.name, setAt: one.setAt }));
  }

  /** Adds or replaces one. @throws NOT_FOUND where there is no such function; INVALID_ARGUMENT. */
  async set(name: string, key: string, value: string): Promise<void> {
    const fail = (why: string) =>
      new DawnletError("INVALID_ARGUMENT", `Cannot set secret '${key}' of function '${name}' as ${why}`);
    checkSecretKey(key);
    if (value === "") throw fail("its value is empty");
    if (new TextEncoder().encode(value).byteLength > maxSecretBytes)
      throw fail(`its value has more than ${maxSecretBytes} bytes`);
    await this.#options.change(name, async () => {
      const tenant = this.#options.tenantOf(name);
      const others = (await this.#readOrSetAside(name, tenant)).filter((one) => one.name !== key);
      if (others.length >= maxSecrets) throw fail(`it has ${maxSecrets} already: remove one first`);
      const setAt = this.#options.now().toISOString();
      await this.#write(name, tenant, [...others, { name: key, value, setAt }]);
    });
  }

  /** @throws NOT_FOUND where there is no such function or secret. */
  async remove(name: string, key: string): Promise<void> {
    checkSecretKey(key);
    await this.#options.change(name, async () => {
      const tenant = this.#options.tenantOf(name);
      const all = await this.#read(name, tenant);
      const others = all.filter((one) => one.name !== key);
      if (others.length === all.length)
        throw new DawnletError("NOT_FOUND", `Function '${name}' has no secret '${key}'`);
      await this.#write(name, tenant, others);
    });
  }

  /** All of a function that is being removed, in its turn. */
  async forget(name: string): Promise<void> {
    await this.#options.records.remove(pathOf(name));
  }

  async #read(name: string, tenant: string | undefined): Promise<readonly Secret[]> {
    const stored = await this.#options.records
      .readOptional(pathOf(name), (value) => v.parse(storedSecrets, value))
      .catch((error: unknown) => {
        // Not as its cause: messages of parsers quote what they read.
        throw error instanceof DawnletError ? error : damaged(name);
      });
    return stored === undefined || stored.tenant !== tenant ? [] : stored.secrets;
  }

  /** As `read`, but secrets that are damaged do not keep new ones from being set. */
  async #readOrSetAside(name: string, tenant: string | undefined): Promise<readonly Secret[]> {
    try {
      return await this.#read(name, tenant);
    } catch (error) {
      if (!(error instanceof DawnletError) || error.code !== "CORRUPT_DATA") throw error;
      await this.#options.records.setAside(`${pathOf(name).join("/")}.json`, "it is no record of secrets");
      return [];
    }
  }

  async #write(name: string, tenant: string | undefined, secrets: readonly Secret[]): Promise<void> {
    const sorted = secrets.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const owner = tenant === undefined ? {} : { tenant };
    await this.#options.records.write(pathOf(name), { format: 1, ...owner, secrets: sorted });
  }
}

/** @throws DawnletError INVALID_ARGUMENT saying what a key may be. */
export function checkSecretKey(key: string): void {
  const isKey = key.length <= maxKeyLength && /^[a-zA-Z_$][a-zA-Z0-9_$]*$/.test(key);
  if (isKey && key !== "__proto__" && key !== "constructor" && key !== "prototype") return;
  const shown = key.length > 40 ? `${key.slice(0, 40)}…` : key;
  throw new DawnletError(
    "INVALID_ARGUMENT",
    `Cannot use '${shown}' as a secret's name: it has 1 to ${maxKeyLength} letters, digits, '_' or '$', does not begin with a digit, and is neither '__proto__', 'constructor' nor 'prototype'`,
  );
}

function pathOf(name: string): RecordPath {
  return [folder, name];
}

function damaged(name: string): DawnletError {
  return new DawnletError(
    "CORRUPT_DATA",
    `Cannot read the secrets of function '${name}' as their record is damaged: set them again`,
  );
}
