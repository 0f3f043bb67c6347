/**
 * The one error class of the project and the one list of its codes.
 * Every layer throws it, every Port carries its code, the gateway maps codes to HTTP statuses.
 * Mistakes of our own stay `TypeError` and `RangeError`.
 */

/** Each code with when it happens and what the caller can do about it. */
export const errorCodes = {
  /** A value of a call is wrong: shape, data type, byte count, parameter. Correct the call. */
  INVALID_ARGUMENT: "INVALID_ARGUMENT",
  /** A bundle cannot be read: broken zip, path outside the bundle, missing file, bad manifest. Correct the bundle. */
  INVALID_BUNDLE: "INVALID_BUNDLE",
  /** WGSL does not compile or does not fit its manifest. The message has line and column. */
  INVALID_SHADER: "INVALID_SHADER",
  /** The bytes are no ONNX model, or the model contradicts itself. */
  INVALID_MODEL: "INVALID_MODEL",
  /** The model is well formed, but neither the GPU path nor the fallback can run it. The message names the operator. */
  UNSUPPORTED_MODEL: "UNSUPPORTED_MODEL",
  /** A Program is malformed. The message names the path in it. */
  INVALID_PROGRAM: "INVALID_PROGRAM",
  /** A Program needs more than this device has: bindings, buffer size, workgroups, features. Use another device or a smaller Program. */
  LIMIT_EXCEEDED: "LIMIT_EXCEEDED",
  /** A body or an archive is larger than the server takes. */
  PAYLOAD_TOO_LARGE: "PAYLOAD_TOO_LARGE",
  /** A tenant's functions would hold more in the store than it may. Remove some, or ask the operator. */
  STORAGE_FULL: "STORAGE_FULL",
  /** No function, version or blob of that name. */
  NOT_FOUND: "NOT_FOUND",
  /** The caller may not do this with what is its own. Ask the operator. */
  FORBIDDEN: "FORBIDDEN",
  /** Somebody else has deployed a function of that name. Use another. */
  NAME_TAKEN: "NAME_TAKEN",
  /** The HTTP method or content type is not one that this path takes. */
  UNSUPPORTED: "UNSUPPORTED",
  /** Nothing of a request's body has arrived for a while. Send it again. */
  REQUEST_TIMEOUT: "REQUEST_TIMEOUT",
  /** The queue, or the memory for bodies of calls, is full. Try again after the time that the answer names. */
  QUEUE_FULL: "QUEUE_FULL",
  /** The function or the server is not ready to answer: starting, compiling, stopping. Try again. */
  UNAVAILABLE: "UNAVAILABLE",
  /** The GPU device was lost, or its process ended, while the call was running. Try again. */
  DEVICE_LOST: "DEVICE_LOST",
  /** The device budget or the GPU itself has no room for what the call needs. */
  OUT_OF_MEMORY: "OUT_OF_MEMORY",
  /** A run took longer, on the device or in a session on the CPU, than its function may. What it was on is started anew. */
  TIME_LIMIT_EXCEEDED: "TIME_LIMIT_EXCEEDED",
  /** The function has hung or crashed its device too often. Deploy it again, or lift its quarantine; of a tenant the operator does. */
  QUARANTINED: "QUARANTINED",
  /** A handler's code threw, or answered with no response. Its log has the place. */
  FUNCTION_FAILED: "FUNCTION_FAILED",
  /** A handler used more of something than its manifest allows it. The message, and the detail `limit`, name it. */
  FUNCTION_LIMIT: "FUNCTION_LIMIT",
  /** The call did not end within its deadline. */
  DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
  /** The caller gave up. */
  CANCELLED: "CANCELLED",
  /** A handler asked for a host that its manifest does not name, or for a private network. Name the host, or ask the operator. */
  HOST_NOT_ALLOWED: "HOST_NOT_ALLOWED",
  /** No WebGPU adapter was found. The message says what to install. */
  NO_ADAPTER: "NO_ADAPTER",
  /** Stored bytes do not match their digest. Deploy the function again. */
  CORRUPT_DATA: "CORRUPT_DATA",
  /** A defect of Dawnlet. Please report it. */
  INTERNAL: "INTERNAL",
} as const;

export type ErrorCode = keyof typeof errorCodes;

const brand = Symbol.for("dawnlet.error");

/**
 * An error whose code means the same in every process and to every client. A handler has the class a second time, in its
 * bundle: what either makes is an instance of both.
 */
export class DawnletError extends Error {
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === "object" && value !== null && brand in value;
  }

  readonly code: ErrorCode;
  readonly details: ErrorDetails | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options?: ErrorOptions & { readonly details?: ErrorDetails },
  ) {
    super(message, options);
    this.name = "DawnletError";
    this.code = code;
    this.details = options?.details;
  }

  get [brand](): true {
    return true;
  }
}

/** For programs that handle the error: `neededBytes` of OUT_OF_MEMORY, for one. */
export type ErrorDetails = Readonly<Record<string, number | string | boolean>>;

/** What crosses a Port in place of an error: no stack, no cause. */
export interface ErrorRecord {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details?: ErrorDetails;
}

export function toErrorRecord(error: unknown): ErrorRecord {
  if (error instanceof DawnletError) {
    const { code, message, details } = error;
    return { code, message, ...(details && { details }) };
  }
  return { code: "INTERNAL", message: error instanceof Error ? error.message : String(error) };
}

export function fromErrorRecord(record: ErrorRecord): DawnletError {
  const known = Object.hasOwn(errorCodes, record.code);
  const { message, details } = record;
  return new DawnletError(known ? record.code : "INTERNAL", message, details && { details });
}
