/**
 * What handlers meet at run time, as types: the handler itself, its context, the functions that it uses and the
 * tensors that they give. The process that runs handlers implements them; nothing here is left when it runs.
 */
import type { TensorSignature } from "../../kernels/tensor.ts";
import type { ArrayTypes, NumericType, TypedArray } from "./typed-arrays.ts";

/**
 * What the main file of a handler exports by default:
 *
 * ```ts
 * import type { DawnletFunction, Handler } from "dawnlet";
 *
 * interface Env {
 *   blur: DawnletFunction<{ image: "uint8" }>; // "uses": { "blur": "filter" } in function.json
 *   GREETING: string; // "variables": { "GREETING": "Hello" }
 * }
 *
 * export default {
 *   async fetch(request, env, context) {
 *     return new Response(env.GREETING);
 *   },
 * } satisfies Handler<Env>;
 * ```
 *
 * A Hono app is one too.
 */
export interface Handler<Env = unknown> {
  /**
   * Answers a request. What it throws becomes an answer: of a `DawnletError` its code and message, of anything
   * else status 500; the log has the rest.
   */
  fetch(request: Request, env: Env, context: HandlerContext): Response | Promise<Response>;
}

/** The third argument of `fetch`: what belongs to this one request. */
export interface HandlerContext {
  /** Lets work go on after the response was given, until the deadline. */
  waitUntil(promise: Promise<unknown>): void;
  /** Writes to the function's log. `console` does too, without fields. */
  readonly log: HandlerLog;
  /** When the request ends whatever the handler does, in milliseconds since 1970 as of `Date.now()`. */
  readonly deadline: number;
  /** Aborted when the client has gone or the deadline has passed. */
  readonly signal: AbortSignal;
  /**
   * A file of the bundle, by its path in it, such as `model/labels.json`. The bytes are the caller's own.
   * @throws DawnletError NOT_FOUND where the bundle has no such file.
   */
  file(path: string): Promise<Uint8Array<ArrayBuffer>>;
  /** Does nothing: frameworks that run elsewhere too call it. */
  passThroughOnException(): void;
  /** The handler itself. */
  readonly function: { readonly name: string; readonly version: number };
}

/** Messages by level, each with fields that are kept apart from the text. */
export interface HandlerLog {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** Values that JSON has. */
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * A deployed function that the manifest names under `uses`.
 * @typeParam Outputs data types of its outputs by name, as in `DawnletFunction<{ scores: "float32" }>`: what is
 * read has a type then.
 */
export interface DawnletFunction<Outputs extends OutputTypes = OutputTypes> {
  /** What `run` takes, by name. Named dimensions are free. */
  readonly inputs: readonly TensorSignature[];
  /** What `run` gives. */
  readonly outputs: readonly TensorSignature[];
  /**
   * Runs the function on the device. Large outputs stay there: given to another `run` they move no bytes.
   * @param inputs by name.
   * @throws DawnletError as a call over HTTP fails: INVALID_ARGUMENT for inputs that do not fit, for one.
   */
  run(
    inputs: Readonly<Record<string, TensorLike>>,
    options?: RunOptions,
  ): Promise<{ readonly [Name in keyof Outputs]: DeviceTensor<Outputs[Name]> }>;
  /**
   * Sends a request, where the function is a handler.
   * @param input a path such as `/image.png?zoom=2`, or a request, of whose URL the path and the query count.
   */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
}

export type OutputTypes = Readonly<Record<string, NumericType>>;

export interface RunOptions {
  /** Values of the function's parameters, by name; those left out have their defaults. */
  readonly parameters?: Readonly<Record<string, number>>;
  /** Ends the wait. Work that the device has begun is finished there. */
  readonly signal?: AbortSignal;
}

/**
 * What may be an input: numbers with a shape, numbers in a row, one number, or what another function gave. Numbers without
 * a shape take that of the function's signature, where it has no free dimensions and as many elements.
 */
export type TensorLike = TensorData | TypedArray | readonly number[] | number | DeviceTensor;

/** Numbers with a shape. `tensor()` makes one that is checked. */
export interface TensorData {
  readonly data: TypedArray;
  readonly shape: readonly number[];
  /** Left out: what the array holds. To be stated where that is ambiguous, as for bool. */
  readonly dataType?: NumericType;
}

/**
 * An output of a function: it stays on the device until it is read. Its memory is the handler's to give back, by
 * `dispose()` or `using`; of what nobody can name any more it is given back in time.
 */
export interface DeviceTensor<Type extends NumericType = NumericType> extends Disposable {
  readonly shape: readonly number[];
  readonly dataType: Type;
  /** Elements. */
  readonly size: number;
  /**
   * Reads the elements, in row-major order. The array is the caller's own.
   * @throws DawnletError DEVICE_LOST where the tensor has gone with its device: call again.
   */
  data(): Promise<ArrayTypes[Type]>;
  /** Gives the memory back. Using the tensor afterwards is a mistake. */
  dispose(): void;
}
