/**
 * The one way from a protocol to `Functions.invoke`: checks that hold for every protocol, the deadline,
 * and what a client that went away means.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { Tensors } from "../../kernels/tensor.ts";
import type { Functions, FunctionVersion, Invocation, InvocationResult } from "../functions/functions.ts";
import type { Exchange } from "../http/exchange.ts";
import { readCallDeadline } from "./call-deadline.ts";
import { checkRequired, listNames } from "./parameters.ts";

/** A call as a protocol understood it. */
export interface Call {
  readonly inputs: Tensors;
  readonly parameters: Readonly<Record<string, number>>;
  /** Undefined: all. */
  readonly outputs: readonly string[] | undefined;
  /** How long the client is willing to wait, in milliseconds. */
  readonly timeoutMs: number | undefined;
}

export interface CallTarget {
  readonly version: FunctionVersion;
  /** As the client named it; undefined for whichever is current. */
  readonly versionName: string | undefined;
}

/** Finds what is called; from here on the exchange counts as a call of it. @throws NOT_FOUND */
export function findTarget(
  functions: Functions,
  exchange: Exchange,
  name: string,
  versionName?: string,
): CallTarget {
  const version = functions.version(name, versionName);
  exchange.beginCall(version);
  return { version, versionName };
}

/** @throws DawnletError of the call; DEADLINE_EXCEEDED and CANCELLED also where `invoke` only says that it was aborted. */
export async function callFunction(
  functions: Functions,
  exchange: Exchange,
  target: CallTarget,
  call: Call,
  request: Request,
): Promise<InvocationResult> {
  const { version, versionName } = target;
  const { signal: client, headers } = request;
  const { deadlineMs = call.timeoutMs, refuseLate } = readCallDeadline(headers);
  checkComplete(version, call);
  using deadline = call.timeoutMs === undefined ? undefined : new Deadline(client, call.timeoutMs);
  const signal = deadline?.signal ?? client;
  const invocation: { -readonly [Key in keyof Invocation]: Invocation[Key] } = {
    name: version.name,
    inputs: call.inputs,
    parameters: call.parameters,
    signal,
    refuseLate,
  };
  if (deadlineMs !== undefined) invocation.deadlineMs = deadlineMs;
  if (versionName !== undefined) invocation.version = versionName;
  if (call.outputs !== undefined) invocation.outputs = call.outputs;
  try {
    const result = await functions.invoke(invocation);
    exchange.timings = result.timings;
    exchange.device = result.device;
    return result;
  } catch (thrown) {
    throw signal.aborted ? abortError(signal.reason) : thrown;
  }
}

function checkComplete(version: FunctionVersion, call: Call): void {
  const { signature } = version;
  for (const { name } of signature.inputs) {
    if (Object.hasOwn(call.inputs, name)) continue;
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Cannot call function '${version.name}' as input '${name}' is missing: it takes ${listNames(signature.inputs)}`,
    );
  }
  checkRequired(version, call.parameters);
}

/** @throws DawnletError INVALID_ARGUMENT for names that are unknown or come twice. */
export function checkOutputNames(version: FunctionVersion, names: readonly string[]): void {
  const known = version.signature.outputs;
  names.forEach((name, index) => {
    if (!known.some((output) => output.name === name)) {
      throw new DawnletError(
        "INVALID_ARGUMENT",
        `Cannot answer with output '${name}' as function '${version.name}' has ${listNames(known)}`,
      );
    }
    if (names.indexOf(name) !== index) {
      throw new DawnletError(
        "INVALID_ARGUMENT",
        `Cannot answer with output '${name}' as it is asked for twice`,
      );
    }
  });
}

function abortError(reason: unknown): DawnletError {
  if (reason instanceof DawnletError) return reason;
  return new DawnletError("CANCELLED", "Cannot finish the call as the client went away", { cause: reason });
}

/** Aborts with the client, or by itself once the time is over. */
class Deadline {
  readonly signal: AbortSignal;
  readonly #timer: ReturnType<typeof setTimeout>;

  constructor(client: AbortSignal, timeoutMs: number) {
    const controller = new AbortController();
    this.signal = AbortSignal.any([client, controller.signal]);
    const error = () =>
      new DawnletError(
        "DEADLINE_EXCEEDED",
        `Cannot finish the call as its timeout of ${timeoutMs} ms is over`,
      );
    // Longer delays than a timer holds would fire at once.
    this.#timer = setTimeout(() => controller.abort(error()), Math.min(timeoutMs, 2 ** 31 - 1));
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
