/** `function.json` of an ONNX bundle: which variants to compile at deploy. */
import * as v from "valibot";
import { DawnletError } from "../../kernels/errors.ts";

const schema = v.strictObject({
  kind: v.literal("onnx"),
  description: v.exactOptional(v.string()),
  /** Path of the model in the bundle; read where the bundle is opened. */
  model: v.exactOptional(v.string()),
  /** Sizes of the free dimensions, one object a variant. Others are compiled when a call first needs them. */
  variants: v.exactOptional(
    v.array(v.record(v.string(), v.pipe(v.number(), v.safeInteger(), v.minValue(1)))),
  ),
});

export interface ModelManifest {
  readonly variants: ReadonlyArray<Readonly<Record<string, number>>>;
}

/** @throws DawnletError INVALID_BUNDLE naming the path. */
export function readModelManifest(json: unknown): ModelManifest {
  if (json === undefined) return { variants: [] };
  const result = v.safeParse(schema, json);
  if (result.success) return { variants: result.output.variants ?? [] };
  const [issue] = result.issues;
  throw new DawnletError(
    "INVALID_BUNDLE",
    `Cannot read function.json: ${v.getDotPath(issue) ?? "(root)"}: ${issue.message}`,
  );
}
