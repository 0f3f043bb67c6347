/**
 * Scalar parameters of a call against what the function declares. Defaults are the function's to fill in.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { ParameterSignature } from "../../kernels/manifest/signature.ts";
import type { FunctionSignature, FunctionVersion } from "../functions/functions.ts";

/** One value as a client sent it. */
export function checkParameter(parameter: ParameterSignature, value: unknown): number {
  const { name, dataType, minimum, maximum } = parameter;
  const fail = (what: string): never => {
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Cannot use parameter '${name}' as it is ${show(value)}: ${what}`,
    );
  };
  if (typeof value !== "number" || !Number.isFinite(value)) return fail("expected a number");
  if (dataType !== "float32") {
    const [least, most] = dataType === "uint32" ? [0, 2 ** 32 - 1] : [-(2 ** 31), 2 ** 31 - 1];
    const fits = Number.isInteger(value) && value >= least && value <= most;
    if (!fits) fail(`${dataType} takes whole numbers from ${least} to ${most}`);
  }
  if (minimum !== undefined && value < minimum) fail(`the least is ${minimum}`);
  if (maximum !== undefined && value > maximum) fail(`the most is ${maximum}`);
  return value;
}

/** A value of a query or header: the text of a number. */
export function checkParameterText(parameter: ParameterSignature, text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  return checkParameter(parameter, Number.isNaN(value) ? text : value);
}

export function findParameter(signature: FunctionSignature, name: string): ParameterSignature | undefined {
  return signature.parameters.find((parameter) => parameter.name === name);
}

/** @throws DawnletError INVALID_ARGUMENT naming a parameter that has no default and was not given. */
export function checkRequired(version: FunctionVersion, given: Readonly<Record<string, number>>): void {
  for (const { name, default: fallback } of version.signature.parameters) {
    if (fallback !== undefined || Object.hasOwn(given, name)) continue;
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Cannot call function '${version.name}' as parameter '${name}' is missing: it has no default`,
    );
  }
}

/** `a, b` or `none`, for messages that say what would have been right. */
export function listNames(named: ReadonlyArray<{ readonly name: string }>): string {
  return named.length === 0 ? "none" : named.map(({ name }) => name).join(", ");
}

function show(value: unknown): string {
  return (JSON.stringify(value) ?? "missing").slice(0, 40);
}
