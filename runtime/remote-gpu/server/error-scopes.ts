/**
 * The error scopes of one client of a GPUDevice that has many. The device has one stack of scopes for all, so each run of
 * commands of a client is put into scopes of its own, and what these catch is handed to the scope of that client that
 * was innermost then.
 */
import type { RemoteError } from "../protocol.ts";

interface Scope {
  readonly filter: GPUErrorFilter;
  /** Commands that ran while it was open and whose errors are not known yet. */
  readonly segments: Promise<void>[];
  error: RemoteError | undefined;
}

/** From the outermost to the innermost. */
const filters = ["internal", "out-of-memory", "validation"] as const;
/** A client that opens more has lost count. */
const maxDepth = 1024;

export class ErrorScopes {
  readonly #device: GPUDevice;
  readonly #onUncaptured: (error: RemoteError) => void;
  readonly #stack: Scope[] = [];
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
    const stack = [...this.#stack];
    const popped = [...filters].reverse().map(async (type) => {
      const error = await this.#device.popErrorScope();
      if (error !== null) this.#deliver(stack, { type, message: error.message });
    });
    // The device is lost where they reject: nobody asks for errors any more.
    const segment = Promise.allSettled(popped).then(() => undefined);
    for (const scope of stack) scope.segments.push(segment);
  }

  /** An error that the device does not know of. */
  note(type: GPUErrorFilter, message: string): void {
    this.#deliver([...this.#stack], { type, message });
  }

  push(filter: GPUErrorFilter): void {
    this.close();
    if (this.#stack.length < maxDepth) this.#stack.push({ filter, segments: [], error: undefined });
    else this.note("validation", `More than ${maxDepth} error scopes are open`);
  }

  /** @returns undefined where none is open. */
  pop(): Promise<RemoteError | null> | undefined {
    this.close();
    const scope = this.#stack.pop();
    if (scope === undefined) return undefined;
    return Promise.all(scope.segments).then(() => scope.error ?? null);
  }

  #deliver(stack: readonly Scope[], error: RemoteError): void {
    const scope = stack.findLast(({ filter }) => filter === error.type);
    if (scope === undefined) this.#onUncaptured(error);
    else scope.error ??= error;
  }
}
