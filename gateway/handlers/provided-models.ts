/**
 * Models that handlers give as bytes (the hook for ONNX Runtime): deployed like any other, under a name that their digest
 * gives, so that equal ones are compiled once, and can be seen and removed.
 */
import { createHash } from "node:crypto";
import { DawnletError } from "../../kernels/errors.ts";
import type { Functions } from "../functions/functions.ts";
import { providedName } from "../functions/provided-names.ts";
import type { UsedFunction } from "./handler-services.ts";

export class ProvidedModels {
  readonly #deploying = new Map<string, Promise<UsedFunction>>();

  /** @param tenant whose `functions` these are. @throws DawnletError as a deploy. */
  deployed(bytes: Uint8Array, functions: Functions, tenant = ""): Promise<UsedFunction> {
    const digest = sha256(bytes);
    // Another tenant's name for the same model is another: names are everybody's, and would tell of it.
    const name = providedName(sha256(`${tenant}/${digest}`));
    const running = this.#deploying.get(name);
    if (running !== undefined) return running;
    const deploying = this.#deploy(name, digest, bytes, functions).finally(() =>
      this.#deploying.delete(name),
    );
    this.#deploying.set(name, deploying);
    return deploying;
  }

  async #deploy(
    name: string,
    digest: string,
    bytes: Uint8Array,
    functions: Functions,
  ): Promise<UsedFunction> {
    try {
      functions.version(name, digest);
      return { name, version: digest };
    } catch (error) {
      if (!(error instanceof DawnletError) || error.code !== "NOT_FOUND") throw error;
    }
    const body = new Blob([new Uint8Array(bytes)]).stream();
    await functions.deploy(name, { body });
    return { name, version: digest };
  }
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
