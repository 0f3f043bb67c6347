/**
 * What a client of a remote device and the device's owner say to each other. A message of the client holds commands
 * in their order, as words, with descriptors as JSON beside them; ids of objects are the client's own choice. Messages
 * of the owner answer requests, and tell of errors that no scope caught and of the loss of the device.
 */

/** In words: the code, then what is named beside it. `long` takes two words. */
export const command = {
  /** kind, id, index of the descriptor */
  create: 1,
  /** id of the pipeline, group, id of the layout */
  bindGroupLayout: 2,
  /** id of the command buffer, index of the descriptor, number of words, words of the encoder */
  finish: 3,
  /** count, ids of command buffers */
  submit: 4,
  /** id of the buffer, long offset, attachment */
  writeBuffer: 5,
  /** request, id of the buffer, mode, long offset, long size */
  map: 6,
  /** id of the buffer, number of ranges, of each: long offset from the start of the buffer, attachment */
  unmap: 7,
  /** id of the object */
  destroy: 8,
  /** count, ids of objects that the client has forgotten */
  release: 9,
  /** index in `errorFilters` */
  pushErrorScope: 10,
  /** request */
  popErrorScope: 11,
  /** request */
  workDone: 12,
  /** request, id of the pipeline, index of the descriptor */
  createPipelineAsync: 13,
  /** request, id of the module */
  compilationInfo: 14,
  /** index of the message: the client has noticed something that is a validation error. */
  invalid: 15,
  /** The client's device is destroyed. */
  destroyDevice: 16,
} as const;

/** Of a command encoder, in the words that `finish` carries. */
export const encode = {
  beginPass: 1,
  endPass: 2,
  setPipeline: 3,
  /** group, id or 0, number of dynamic offsets, offsets */
  setBindGroup: 4,
  dispatch: 5,
  /** id of the buffer, long offset */
  dispatchIndirect: 6,
  /** source, long offset, target, long offset, long size */
  copyBuffer: 7,
  /** id, long offset, long size */
  clearBuffer: 8,
  /** query set, first, count, target, long offset */
  resolveQuerySet: 9,
  /** index of the text */
  pushDebugGroup: 10,
  popDebugGroup: 11,
  insertDebugMarker: 12,
} as const;

/** Of one message. More would keep the owner busy for seconds. */
export const maxWords = 2 ** 22;
/** Of a buffer that is mapped, and of one attachment. */
export const maxMappedBytes = 2 ** 29;
/** Names no object. */
export const noObject = 0xffff_ffff;

/** Kinds of objects that `create` makes, by their code. */
export const createdKinds = [
  "buffer",
  "bindGroupLayout",
  "pipelineLayout",
  "bindGroup",
  "shaderModule",
  "computePipeline",
  "querySet",
] as const;
export type CreatedKind = (typeof createdKinds)[number];

export const errorFilters = ["validation", "out-of-memory", "internal"] as const;

/**
 * Header of a client's message; its first attachment is the words, those after it are the bytes that they name. Each
 * descriptor, text and attachment is named once.
 */
export interface CommandsHeader {
  readonly descriptors: readonly unknown[];
}

/** An error as it travels. */
export interface RemoteError {
  readonly type: GPUErrorFilter;
  readonly message: string;
}

/** `[request, value]`, or `[request, null, error]`; where `value` is bytes, it is the number of the attachment. */
export type Answer =
  | readonly [request: number, value: unknown]
  | readonly [request: number, value: null, error: RemoteFailure];

/** A promise of the client is rejected with it. */
export interface RemoteFailure {
  /** `OperationError`, `AbortError`, or of a GPUPipelineError `validation`, `internal`. */
  readonly name: "OperationError" | "AbortError" | "validation" | "internal";
  readonly message: string;
}

/** Header of an owner's message. */
export interface AnswersHeader {
  readonly answers?: readonly Answer[];
  /** That no scope caught. */
  readonly uncaptured?: readonly RemoteError[];
  readonly lost?: { readonly reason: GPUDeviceLostReason; readonly message: string };
}

/** What an adapter says of itself, as plain data. */
export interface RemoteAdapterDescription {
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
  readonly info: {
    readonly vendor: string;
    readonly architecture: string;
    readonly device: string;
    readonly description: string;
    readonly isFallbackAdapter: boolean;
  };
}
