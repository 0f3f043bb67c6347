/** WebGPU's error objects where the host has none of its own. */
import type { RemoteError, RemoteFailure } from "../protocol.ts";

export class RemoteGpuError implements GPUError {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

export class RemoteValidationError extends RemoteGpuError implements GPUValidationError {
  declare readonly __brand: "GPUValidationError";
}

export class RemoteOutOfMemoryError extends RemoteGpuError implements GPUOutOfMemoryError {
  declare readonly __brand: "GPUOutOfMemoryError";
}

export class RemoteInternalError extends RemoteGpuError implements GPUInternalError {
  declare readonly __brand: "GPUInternalError";
}

export class RemotePipelineError extends DOMException implements GPUPipelineError {
  declare readonly __brand: "GPUPipelineError";
  readonly reason: GPUPipelineErrorReason;

  constructor(message: string, options: GPUPipelineErrorInit) {
    super(message, "GPUPipelineError");
    this.reason = options.reason;
  }
}

export class RemoteUncapturedErrorEvent extends Event implements GPUUncapturedErrorEvent {
  declare readonly __brand: "GPUUncapturedErrorEvent";
  readonly error: GPUError;

  constructor(type: string, init: GPUUncapturedErrorEventInit) {
    super(type, init);
    this.error = init.error;
  }
}

export function gpuError({ type, message }: RemoteError): GPUError {
  switch (type) {
    case "validation":
      return new RemoteValidationError(message);
    case "out-of-memory":
      return new RemoteOutOfMemoryError(message);
    case "internal":
      return new RemoteInternalError(message);
  }
}

/** What a promise is rejected with. */
export function rejection({ name, message }: RemoteFailure): DOMException {
  if (name === "validation" || name === "internal") return new RemotePipelineError(message, { reason: name });
  return new DOMException(message, name);
}

/** @throws DOMException NotSupportedError */
export function notSupported(what: string): never {
  throw new DOMException(
    `Cannot ${what} here: this device has buffers and compute passes, and neither textures, render passes nor immediate data`,
    "NotSupportedError",
  );
}
