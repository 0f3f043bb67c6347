/**
 * The error scopes of one client of a GPUDevice that has many. The device has one stack of scopes for all, so each run of
 * commands of a client is put into scopes of its own, and what these catch is handed to the scope of that client that
 * was innermost then.
 */
import type { RemoteError } from "../protocol.ts";
import { cut } from "./error-text.ts";

interface Scope {
  readonly filter: GPUErrorFilter;
  readonly outer: Scope | undefined;
  readonly depth: number;
  error: RemoteError | undefined;
}

/** From the outermost to the innermost. */
const filters = ["internal", "out-of-memory", "validation"] as const;
/** A client that opens more has lost count. */
const maxDepth = 1024;

export class ErrorScopes {
  readonly #device: GPUDevice;
  readonly #onUncaptured: (error: RemoteError) => void;
  #innermost: Scope | undefined;
  /** Settles when the errors of all commands so far are known: a device answers in order. */
  #known: Promise<unknown> = Promise.resolve();
  #isOpen = false;

  constructor(device: GPUDevice, onUncaptured: (error: RemoteError) => void) {
    this.#device = device;
    this.#onUncaptured = onUncaptured;
  }

  /** To be called before commands, and `close` before anybody else uses the device. */
  open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    for (const filter of filters) this.#device.pushErrorScope(filter);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const scope = this.#innermost;
    const popped = [...filters].reverse().map(async (type) => {
      const error = await this.#device.popErrorScope();
      if (error !== null) this.#deliver(scope, { type, message: cut(error.message) });
    });
    // The device is lost where they reject: nobody asks for errors any more.
    this.#known = Promise.allSettled([this.#known, ...popped]);
  }

  /** An error that the device does not know of. */
  note(type: GPUErrorFilter, message: string): void {
    this.#deliver(this.#innermost, { type, message: cut(message) });
  }

  push(filter: GPUErrorFilter): void {
    this.close();
    const outer = this.#innermost;
    const depth = (outer?.depth ?? 0) + 1;
    if (depth <= maxDepth) this.#innermost = { filter, outer, depth, error: undefined };
    else this.note("validation", `More than ${maxDepth} error scopes are open`);
  }

  /** @returns undefined where none is open. */
  pop(): Promise<RemoteError | null> | undefined {
    this.close();
    const scope = this.#innermost;
    if (scope === undefined) return undefined;
    this.#innermost = scope.outer;
    return this.#known.then(() => scope.error ?? null);
  }

  #deliver(innermost: Scope | undefined, error: RemoteError): void {
    for (let scope = innermost; scope !== undefined; scope = scope.outer) {
      if (scope.filter !== error.type) continue;
      scope.error ??= error;
      return;
    }
    this.#onUncaptured(error);
  }
}
