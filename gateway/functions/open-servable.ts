/** What serves a version that was deployed before, by its kind. */
import { HandlerFunction } from "../handlers/handler-function.ts";
import { OnnxFunction } from "./onnx-function.ts";
import type { OnnxSource, VersionRecord } from "./record.ts";
import type { Backends, Servable } from "./servable.ts";
import { WgslFunction } from "./wgsl-function.ts";

export interface StoredVersion {
  readonly backends: Backends;
  readonly name: string;
  readonly number: number;
  readonly record: VersionRecord;
  /** Keeps variants of a model that calls have added. */
  readonly save: (source: OnnxSource) => Promise<void>;
}

export function openServable({ backends, name, number, record, save }: StoredVersion): Servable {
  const { source } = record;
  switch (source.type) {
    case "wgsl":
      return new WgslFunction(backends, record, source);
    case "onnx":
      return new OnnxFunction(backends, record, source, save);
    case "handler":
      return new HandlerFunction(backends, { name, number, record, source });
    default:
      return source satisfies never;
  }
}
