/**
 * Inputs for a function of which nothing is known but its signature: pseudo-random values, free dimensions of 1, unless
 * something else is given. Whether the function takes them, it says itself.
 */
import { DawnletError } from "../../../kernels/errors.ts";
import { evaluate, parseExpression } from "../../../kernels/manifest/expression.ts";
import type { Tensor, Tensors } from "../../../kernels/tensor.ts";
import { sampleDomains, sampleTensor } from "../../../models/verify/samples.ts";
import type { FunctionSignature, FunctionVersion } from "../functions.ts";

/** What somebody states of the calls that are measured; the rest is made up. */
export interface GivenCall {
  readonly inputs: Tensors;
  readonly parameters: Readonly<Record<string, number>>;
  /** Sizes of free dimensions. */
  readonly dimensions: Readonly<Record<string, number>>;
}

type Called = Pick<FunctionVersion, "name" | "kind" | "signature">;

/** @throws DawnletError INVALID_ARGUMENT for names that the function does not know, and for inputs that cannot be made up. */
export function sampleCall(version: Called, given: GivenCall): Omit<GivenCall, "dimensions"> {
  const { signature } = version;
  checkNames(version, given);
  const parameters = { ...requiredParameters(signature), ...given.parameters };
  const sizes = new Map<string, number>([
    ...signature.parameters.flatMap(({ name, default: stated }) =>
      numbered(name, parameters[name] ?? stated),
    ),
    ...sizesOf(signature, given.inputs),
    ...Object.entries(given.dimensions),
  ]);
  const sizeOf = (dimension: string): number =>
    sizes.get(dimension) ?? (version.kind === "wgsl" ? evaluated(dimension, sizes) : 1);
  const inputs: Record<string, Tensor> = {};
  for (const [seed, { name, dataType, shape }] of signature.inputs.entries()) {
    const own = Object.hasOwn(given.inputs, name) ? given.inputs[name] : undefined;
    if (own === undefined && dataType === "string")
      throw refused(version, `input '${name}' is text, which cannot be made up: give it`);
    const sized = shape.map((size) => (typeof size === "number" ? size : sizeOf(size)));
    inputs[name] = own ?? sampleTensor({ name, dataType, shape: sized }, sampleDomains[0]!, seed);
  }
  return { inputs, parameters };
}

/** Those that have no default, with values that they may take. */
function requiredParameters({ parameters }: FunctionSignature): Readonly<Record<string, number>> {
  const required = parameters.filter((one) => one.default === undefined);
  return Object.fromEntries(required.map(({ name, minimum }) => [name, minimum ?? 1]));
}

/** Of free dimensions, as the given inputs show them. Contradictions are found when the call is prepared. */
function sizesOf({ inputs }: FunctionSignature, given: Tensors): ReadonlyArray<readonly [string, number]> {
  return inputs.flatMap(({ name, shape }) => {
    const actual = Object.hasOwn(given, name) ? given[name]!.shape : [];
    return shape.flatMap((size, axis) => (typeof size === "string" ? numbered(size, actual[axis]) : []));
  });
}

function numbered(name: string, value: number | undefined): ReadonlyArray<readonly [string, number]> {
  return value === undefined ? [] : [[name, value]];
}

/** A name, or arithmetic on names, as manifests have it. */
function evaluated(dimension: string, sizes: ReadonlyMap<string, number>): number {
  const expression = parseExpression(dimension);
  return evaluate(expression, new Map([...expression.names].map((name) => [name, sizes.get(name) ?? 1])));
}

function checkNames(version: Called, given: GivenCall): void {
  const { inputs, parameters } = version.signature;
  const shapes = inputs.flatMap(({ shape }) => shape.filter((size) => typeof size === "string"));
  const dimensions =
    version.kind === "wgsl" ? shapes.flatMap((size) => [...parseExpression(size).names]) : shapes;
  const known: ReadonlyArray<readonly [kind: string, given: object, names: readonly string[]]> = [
    ["input", given.inputs, inputs.map(({ name }) => name)],
    ["parameter", given.parameters, parameters.map(({ name }) => name)],
    ["free dimension", given.dimensions, dimensions],
  ];
  for (const [kind, record, names] of known) {
    const unknown = Object.keys(record).find((name) => !names.includes(name));
    if (unknown === undefined) continue;
    const there = [...new Set(names)].map((name) => `'${name}'`).join(", ") || "none";
    throw refused(version, `there is no ${kind} '${unknown}': it has ${there}`);
  }
}

function refused({ name }: Called, why: string): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot profile function '${name}' as ${why}`);
}
