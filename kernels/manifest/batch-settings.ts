/**
 * `batch` of `function.json`: how many rows of several calls one run may take. Of a model, axis 0 is the batch; a bundle
 * of shaders names its dimension. What it means is decided in gateway/functions.
 */
import * as v from "valibot";
import { invalid } from "./data-flow.ts";
import { plainName } from "./expression.ts";
import type { Manifest, TensorDeclaration } from "./manifest.ts";

/** Rows of a run, where nothing is stated. */
export const defaultBatchRows = 16;
/** A model is compiled for each size; a bundle's rows may be single numbers. */
const maxModelRows = 256;
const maxBundleRows = 2 ** 24;

const rows = (most: number) =>
  v.pipe(
    v.number(),
    v.safeInteger("expected a whole number"),
    v.minValue(2, "expected at least 2 rows"),
    v.maxValue(most, `expected at most ${most} rows`),
  );

const dimension = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z_]\w*$/, "expected the name of a dimension that inputs have"),
);

/** By the type of the value, so that an error speaks of the form that was meant. */
const orFalse = <Schema extends v.GenericSchema>(schema: Schema) =>
  v.lazy((value): Schema | v.LiteralSchema<false, undefined> =>
    typeof value === "object" && value !== null ? schema : v.literal(false),
  );

export const modelBatchSchema = orFalse(v.strictObject({ max: v.exactOptional(rows(maxModelRows)) }));

export const bundleBatchSchema = orFalse(
  v.strictObject({ dimension, max: v.exactOptional(rows(maxBundleRows)) }),
);

/** What is stated; false turns batching off. */
export type ModelBatchSettings = v.InferOutput<typeof modelBatchSchema>;
export type BundleBatchSettings = v.InferOutput<typeof bundleBatchSchema>;

/** How calls of a bundle are joined: tensors whose first dimension is this one, along it. */
export interface BundleBatch {
  readonly dimension: string;
  /** Of a run. */
  readonly maxRows: number;
}

/**
 * What a manifest states, once its tensors were found to have such rows: the dimension comes first in some inputs and in
 * all outputs, and nowhere else in them.
 * @throws DawnletError INVALID_BUNDLE naming the path in the manifest.
 */
export function bundleBatch({
  batch = false,
  inputs,
  outputs,
  parameters,
}: Manifest): BundleBatch | undefined {
  if (batch === false) return undefined;
  const { dimension: name, max = defaultBatchRows } = batch;
  if (parameters.has(name))
    throw invalid("batch.dimension", `'${name}' is a parameter: expected a dimension of inputs`);
  for (const [key, tensors] of [["inputs", inputs] as const, ["outputs", outputs] as const])
    for (const [tensor, declaration] of tensors) checkAxes(`${key}.${tensor}`, declaration, name);
  if (![...inputs.values()].some((declaration) => hasRows(declaration, name)))
    throw invalid("batch.dimension", `no input has '${name}' as its first dimension`);
  const whole = [...outputs].find(([, declaration]) => !hasRows(declaration, name));
  if (whole !== undefined)
    throw invalid(
      "batch.dimension",
      `output '${whole[0]}' does not have '${name}' as its first dimension: it could not be divided among calls`,
    );
  return { dimension: name, maxRows: max };
}

export function hasRows({ shape }: TensorDeclaration, dimensionName: string): boolean {
  return shape[0] !== undefined && plainName(shape[0]) === dimensionName;
}

function checkAxes(where: string, { shape }: TensorDeclaration, name: string): void {
  for (const [axis, expression] of shape.entries()) {
    if (!expression.names.has(name) || (axis === 0 && plainName(expression) === name)) continue;
    throw invalid(
      `${where}.shape[${axis}]`,
      `it depends on '${name}', the dimension of the batch, which may only be the whole first dimension`,
    );
  }
}
