/**
 * The functions of a gateway as one caller may see and change them: all of them for the operator, a tenant's own for
 * a tenant. What another owns answers as what is not there. Who the caller is, is known before.
 */

import { DawnletError } from "../../kernels/errors.ts";
import type { FunctionSettingsPatch } from "../../kernels/manifest/function-settings.ts";
import type { Caller } from "./caller.ts";
import type {
  DeployProgress,
  DeployResult,
  FetchInvocation,
  FetchResult,
  FunctionStatus,
  Functions,
  FunctionVersion,
  HeldInvocation,
  HeldResult,
  Invocation,
  InvocationResult,
  Upload,
} from "./functions.ts";
import { takenName, unknownFunction } from "./name-errors.ts";

/** Costs nothing for the operator: the same object. */
export function functionsFor(all: Functions, caller: Caller): Functions {
  switch (caller.type) {
    case "operator":
      return all;
    case "tenant":
      return new TenantFunctions(all, caller.name);
    default:
      return caller satisfies never;
  }
}

/** Each method looks at the owner in the turn of the event loop in which it hands on, so that none comes in between. */
class TenantFunctions implements Functions {
  readonly #all: Functions;
  readonly #tenant: string;

  constructor(all: Functions, tenant: string) {
    this.#all = all;
    this.#tenant = tenant;
  }

  get ready(): boolean {
    return this.#all.ready;
  }

  list(): readonly FunctionStatus[] {
    return this.#all.list().filter(({ tenant }) => tenant === this.#tenant);
  }

  get(name: string): FunctionStatus {
    this.#checkOwn(name);
    return this.#all.get(name);
  }

  version(name: string, version?: string): FunctionVersion {
    this.#checkOwn(name);
    return this.#all.version(name, version);
  }

  /** @throws DawnletError NAME_TAKEN */
  async deploy(
    name: string,
    upload: Upload,
    onProgress?: (progress: DeployProgress) => void,
  ): Promise<DeployResult> {
    // Spares the upload. While it is received another may take the name: the registry looks again.
    if (this.#all.list().some((status) => status.name === name && status.tenant !== this.#tenant))
      throw takenName(name);
    return this.#all.deploy(name, { ...upload, tenant: this.#tenant }, onProgress);
  }

  async remove(name: string): Promise<void> {
    this.#checkOwn(name);
    return this.#all.remove(name);
  }

  async configure(name: string, patch: FunctionSettingsPatch): Promise<FunctionStatus> {
    this.#checkOwn(name);
    return this.#all.configure(name, patch);
  }

  async liftQuarantine(name: string): Promise<void> {
    this.#checkOwn(name);
    throw new DawnletError(
      "FORBIDDEN",
      `Cannot lift the quarantine of function '${name}' for a tenant: it takes the operator's token`,
    );
  }

  async invoke(invocation: Invocation): Promise<InvocationResult> {
    this.#checkOwn(invocation.name);
    return this.#all.invoke(invocation);
  }

  async invokeHeld(invocation: HeldInvocation): Promise<HeldResult> {
    this.#checkOwn(invocation.name);
    return this.#all.invokeHeld(invocation);
  }

  async fetch(invocation: FetchInvocation): Promise<FetchResult> {
    this.#checkOwn(invocation.name);
    return this.#all.fetch(invocation);
  }

  async inspect(name: string, version?: string): Promise<unknown> {
    this.#checkOwn(name);
    return this.#all.inspect(name, version);
  }

  /** By the current version: what is said of a version that there is not would tell that there are others. */
  #checkOwn(name: string): void {
    if (this.#all.version(name).tenant !== this.#tenant) throw unknownFunction(name);
  }
}
