/**
 * What a gateway and the process of a handler say to each other, by channel of their one Port. Types and names only; the
 * gateway checks what comes from there against runtime/supervisor/isolate-messages.ts, as code of strangers can write
 * to the Port itself.
 */
import type { DataType, TensorSignature } from "../../kernels/tensor.ts";

/**
 * control: calls of the gateway. http: requests both ways. host: calls of the isolate. gpu: its devices. notes: messages
 * of the isolate that want no answer.
 */
export const channels = ["control", "http", "host", "gpu", "notes"] as const;

/** A function that the handler may use, as it is told of it: handlers have `fetch`, all others `run`. */
export interface UsableFunction {
  readonly kind: "program" | "handler";
  readonly inputs: readonly TensorSignature[];
  readonly outputs: readonly TensorSignature[];
}

/** Parameters of `start`, the one call of the control channel; its attachment is the handler as one module. */
export interface StartParams {
  readonly function: { readonly name: string; readonly version: number };
  /** The handler's file, for messages. */
  readonly entry: string;
  /** By their names in `env`. */
  readonly uses: Readonly<Record<string, UsableFunction>>;
  /** Variables, of any JSON, and secrets. */
  readonly variables: Readonly<Record<string, unknown>>;
}

/** Names the handler of `env` that a request of the http channel is for. Left out: it is for the world. */
export const useHeader = "dawnlet-use";

/** Of `run` on the host channel: bytes are attachments in their order, held tensors are named. */
export interface RunParams {
  readonly use: string;
  readonly inputs: readonly RunInput[];
  readonly parameters: Readonly<Record<string, number>>;
}

export interface RunInput {
  readonly name: string;
  readonly dataType: DataType;
  readonly shape: readonly number[];
  /** Left out: the next attachment. */
  readonly held?: number;
}

/** Outputs of a run: held by the gateway, or the next attachment. */
export interface RunReply {
  readonly outputs: readonly RunInput[];
}

/** Answer to `model`: a model that the handler gave as bytes can be run by this name from now on. */
export interface ModelReply extends UsableFunction {
  readonly use: string;
}

export type LogLevel = "debug" | "info" | "warn" | "error";

/** Characters of a line of a handler's log: longer ones are cut. */
export const maxLogCharacters = 8192;

export type Note =
  | {
      readonly type: "log";
      readonly level: LogLevel;
      readonly message: string;
      readonly fields?: Readonly<Record<string, unknown>>;
    }
  /** Promises given to `waitUntil` that have not settled. */
  | { readonly type: "background"; readonly pending: number };

/** Header of a message of the gpu channel; devices are opened by `openDevice` on the host channel. */
export interface GpuHeader {
  /** Counts up; chosen by the isolate. */
  readonly device: number;
  /** As runtime/remote-gpu says. Left out: the device is done with. */
  readonly data?: unknown;
}
