/** What the cold-start benchmark asks of its child process. */
import * as v from "valibot";

export const recordParams = v.object({
  backend: v.optional(v.literal("null")),
  modelPath: v.string(),
  /** Where the Program (`program.json`) and its weights (`blobs/`) go. */
  folder: v.string(),
});

export const ortParams = v.object({ backend: v.optional(v.literal("null")), modelPath: v.string() });

export type RecordParams = v.InferOutput<typeof recordParams>;
export type OrtParams = v.InferOutput<typeof ortParams>;

/** Milliseconds of ONNX Runtime Web's way to a first output, after its process had started. */
export interface OrtPhases {
  /** Opening WebGPU and loading the library. */
  readonly engineMs: number;
  /** Reading the file and creating the session: compiles wasm, plans, uploads weights. */
  readonly sessionMs: number;
  /** The first run: compiles shaders, computes, reads back. */
  readonly runMs: number;
}
