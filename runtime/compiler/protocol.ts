/** What goes over the Port between a gateway and the compiler process. */
import * as v from "valibot";
import { DawnletError } from "../../kernels/errors.ts";
import type { TensorSignature } from "../../kernels/tensor.ts";
import type { BatchOf } from "../../models/batch-axis.ts";
import type { AdapterChoice, DeviceBounds } from "../device/open.ts";
import { adapterChoice } from "../device/protocol.ts";
import type { RpcClient } from "../port/rpc-client.ts";

export interface ModelSource {
  readonly modelPath: string;
  /** Paths of the files beside the model, by their name in it. */
  readonly files: Readonly<Record<string, string>>;
}

export interface CompileParams extends ModelSource {
  /** One size for each free dimension. */
  readonly dimensions: Readonly<Record<string, number>>;
  /** Left out: one call a run. Otherwise `dimensions` are those of one example. */
  readonly batch?: BatchOf;
  /** Where the weights go, each in a file named by its digest. */
  readonly outputFolder: string;
  readonly adapter: AdapterChoice;
  /** What all devices have that are to run it. Left out: they are on this adapter. */
  readonly most?: DeviceBounds | undefined;
}

export interface ModelDescription {
  readonly inputs: readonly TensorSignature[];
  readonly outputs: readonly TensorSignature[];
  readonly dimensions: readonly string[];
  readonly opset: number;
  readonly weightBytes: number;
}

/** A Program's JSON is the reply's attachment. */
export type CompileReply =
  | {
      readonly type: "program";
      readonly maxAbsoluteError: number;
      /** Of the verification, in milliseconds. */
      readonly slowestRunMs: number;
      readonly writesBeforeReads: boolean;
      readonly weights: ReadonlyArray<{ readonly digest: string; readonly sizeBytes: number }>;
    }
  | { readonly type: "fallback"; readonly reason: string }
  /** Of a batch: an example gives something else there than alone. */
  | { readonly type: "dependent"; readonly reason: string };

export interface CompileProgress {
  readonly phase: "compile" | "verify";
  readonly message: string;
}

const source = {
  modelPath: v.string(),
  files: v.record(v.string(), v.string()),
};

export const inspectSchema = v.strictObject(source);

export const compileSchema = v.strictObject({
  ...source,
  dimensions: v.record(v.string(), v.number()),
  batch: v.exactOptional(
    v.strictObject({
      rows: v.pipe(v.number(), v.safeInteger(), v.minValue(2)),
      dimension: v.exactOptional(v.string()),
    }),
  ),
  outputFolder: v.string(),
  adapter: v.strictObject(adapterChoice),
  most: v.optional(
    v.strictObject({ features: v.array(v.string()), limits: v.record(v.string(), v.number()) }),
  ),
});

export class CompilerClient {
  readonly #rpc: RpcClient;

  constructor(rpc: RpcClient) {
    this.#rpc = rpc;
  }

  /** What a model takes and gives, once the CPU provider has agreed to load it. */
  async inspect(params: ModelSource, signal: AbortSignal): Promise<ModelDescription> {
    return (await this.#rpc.call("inspect", params, [], { signal })).result as ModelDescription;
  }

  async compile(
    params: CompileParams,
    options: { signal: AbortSignal; onProgress: (progress: CompileProgress) => void },
  ): Promise<{ reply: CompileReply; programJson: Uint8Array | undefined }> {
    const { result, attachments } = await this.#rpc.call("compile", params, [], {
      signal: options.signal,
      onProgress: (value) => options.onProgress(value as CompileProgress),
    });
    const reply = result as CompileReply;
    const programJson = attachments[0];
    if (reply.type === "program" && programJson === undefined)
      throw new DawnletError("INTERNAL", "The compiler process answered without a Program");
    return { reply, programJson };
  }
}
