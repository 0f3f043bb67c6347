/**
 * A call's shapes and parameters against a manifest: what each dimension and each parameter is.
 * It runs at every call, so it does no more than that.
 */
import { DawnletError } from "../errors.ts";
import { evaluate, plainName, type Scope } from "./expression.ts";
import { fits } from "./literals.ts";
import type { Manifest, TensorDeclaration } from "./manifest.ts";
import type { ParameterSignature } from "./signature.ts";

/** @throws DawnletError INVALID_ARGUMENT naming the input or the parameter. */
export function bindScope(
  manifest: Manifest,
  inputShapes: Readonly<Record<string, readonly number[]>>,
  parameters: Readonly<Record<string, number>>,
): Scope {
  const scope = new Map<string, number>();
  bindParameters(manifest, parameters, scope);
  bindDimensions(manifest, inputShapes, scope);
  return scope;
}

function bindParameters(
  manifest: Manifest,
  given: Readonly<Record<string, number>>,
  scope: Map<string, number>,
): void {
  for (const name of Object.keys(given)) {
    if (manifest.parameters.has(name)) continue;
    throw invalid(`Cannot use parameter '${name}': the function takes ${list(manifest.parameters.keys())}`);
  }
  for (const signature of manifest.parameters.values()) {
    const { name } = signature;
    const value = Object.hasOwn(given, name) ? given[name] : signature.default;
    if (value === undefined) throw invalid(`Cannot call without parameter '${name}': it has no default`);
    const problem = parameterProblem(signature, value);
    if (problem !== undefined)
      throw invalid(`Cannot use parameter '${name}' = ${value}: expected ${problem}`);
    scope.set(name, value);
  }
}

/** What was expected of a value, where it does not fit its parameter. */
export function parameterProblem(
  { dataType, minimum, maximum }: ParameterSignature,
  value: number,
): string | undefined {
  if (!fits(value, dataType))
    return dataType === "float32" ? "a finite float32" : `an integer of type ${dataType}`;
  if (minimum !== undefined && value < minimum) return `at least ${minimum}`;
  if (maximum !== undefined && value > maximum) return `at most ${maximum}`;
  return undefined;
}

function bindDimensions(
  manifest: Manifest,
  shapes: Readonly<Record<string, readonly number[]>>,
  scope: Map<string, number>,
): void {
  for (const name of Object.keys(shapes)) {
    if (manifest.inputs.has(name)) continue;
    throw invalid(`Cannot use input '${name}': the function takes ${list(manifest.inputs.keys())}`);
  }
  const boundBy = new Map<string, string>();
  for (const [name, declaration] of manifest.inputs) {
    const shape = Object.hasOwn(shapes, name) ? shapes[name] : undefined;
    if (shape === undefined) throw invalid(`Cannot call without input '${name}'`);
    if (shape.length !== declaration.shape.length) throw wrongShape(name, shape, declaration);
    declaration.shape.forEach((expression, i) => {
      const size = shape[i] ?? 0;
      if (!Number.isSafeInteger(size) || size < 1) {
        throw invalid(`Cannot use input '${name}' of shape [${shape}]: each dimension is at least 1`);
      }
      const dimension = plainName(expression);
      if (dimension === undefined || scope.has(dimension)) return;
      scope.set(dimension, size);
      boundBy.set(dimension, name);
    });
  }
  // Second, as an expression may use names that a later input binds.
  for (const [name, declaration] of manifest.inputs) {
    const shape = shapes[name] ?? [];
    declaration.shape.forEach((expression, i) => {
      const expected = evaluate(expression, scope);
      if (shape[i] === expected) return;
      const dimension = plainName(expression);
      const other = dimension === undefined ? undefined : boundBy.get(dimension);
      if (other === undefined) throw wrongShape(name, shape, declaration, scope);
      throw invalid(
        `Cannot use input '${name}' of shape [${shape}] as its dimension ${dimension} is ${shape[i]}: ` +
          `input '${other}' has ${dimension} = ${expected}`,
      );
    });
  }
}

function wrongShape(
  name: string,
  shape: readonly number[],
  { shape: expected }: TensorDeclaration,
  scope?: Scope,
): DawnletError {
  const sources = expected.map((expression) => expression.source).join(", ");
  const values = scope && expected.map((expression) => evaluate(expression, scope)).join(", ");
  const meaning = values === undefined || values === sources ? "" : `, here [${values}]`;
  return invalid(
    `Cannot use input '${name}' of shape [${shape.join(", ")}]: expected [${sources}]${meaning}`,
  );
}

function list(names: Iterable<string>): string {
  return [...names].map((name) => `'${name}'`).join(", ") || "none";
}

function invalid(message: string): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", message);
}
