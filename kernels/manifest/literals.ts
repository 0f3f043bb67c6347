/**
 * Numbers of a manifest as bytes: uniform blocks, packed at each call by the layout that the shader
 * declares, and constants, packed once.
 */
import { DawnletError } from "../errors.ts";
import { elementBytes } from "../tensor.ts";
import { type Expression, evaluate, type Scope } from "./expression.ts";
import type { LiteralBlock, ShaderDataType } from "./manifest.ts";
import type { MemberLayout, Scalar, ShaderBinding } from "./reflect.ts";

/** A struct (or a scalar or vector) whose values come with the call. */
export interface UniformBlock {
  readonly sizeBytes: number;
  readonly fields: readonly UniformField[];
}

export interface UniformField {
  readonly member: string;
  readonly offset: number;
  readonly scalar: Exclude<Scalar, "f16">;
  readonly expression: Expression;
}

/**
 * Matches literals with the members of what they are bound to. A member whose name begins with `_` is
 * padding and may be left out.
 * @param where path in the manifest, for errors.
 * @throws DawnletError INVALID_SHADER
 */
export function planBlock(where: string, layout: ShaderBinding, literals: LiteralBlock): UniformBlock {
  const { members, variable } = layout;
  const fail = (what: string) =>
    new DawnletError("INVALID_SHADER", `Cannot bind literals at ${where} as ${what}`);
  if (members === undefined) {
    throw fail(`variable '${variable}' is an array: declare a constant and bind it by name`);
  }
  const known = members.map((member) => member.name);
  for (const name of literals.keys()) {
    if (!known.includes(name))
      throw fail(`'${variable}' has no member '${name}': it has ${known.join(", ")}`);
  }
  const fields: UniformField[] = [];
  for (const member of members) {
    const values = literals.get(member.name);
    if (values === undefined) {
      if (member.name.startsWith("_")) continue;
      throw fail(`member '${member.name}' of '${variable}' has no value`);
    }
    fields.push(...fieldsOf(member, values, fail));
  }
  // Bindings are whole words; only structs of f16 are not, and they take no literals.
  return { sizeBytes: layout.minimumBytes, fields };
}

function fieldsOf(
  { name, offset, components }: MemberLayout,
  values: readonly Expression[],
  fail: (what: string) => DawnletError,
): UniformField[] {
  const scalar = components?.scalar;
  if (components === undefined || scalar === undefined || scalar === "f16") {
    throw fail(`member '${name}' is no f32, i32, u32 or vector of them`);
  }
  if (values.length !== components.count) {
    throw fail(`member '${name}' has ${components.count} components and ${values.length} values`);
  }
  return values.map((expression, i) => ({ member: name, offset: offset + 4 * i, scalar, expression }));
}

/** @throws DawnletError INVALID_ARGUMENT when a value does not fit its type. */
export function packBlock(block: UniformBlock, scope: Scope): Uint8Array {
  const bytes = new Uint8Array(block.sizeBytes);
  const view = new DataView(bytes.buffer);
  for (const { member, offset, scalar, expression } of block.fields) {
    const value = evaluate(expression, scope);
    if (!fits(value, scalarTypes[scalar])) {
      throw new DawnletError(
        "INVALID_ARGUMENT",
        `Cannot set '${member}' to ${value} ('${expression.source}'): it is of type ${scalar}`,
      );
    }
    writers[scalarTypes[scalar]](view, offset, value);
  }
  return bytes;
}

/**
 * Little-endian bytes of a constant, without padding.
 * @param where path in the manifest, for errors.
 * @throws DawnletError INVALID_BUNDLE when a value does not fit the type.
 */
export function packValues(where: string, type: ShaderDataType, values: readonly number[]): Uint8Array {
  const step = elementBytes[type];
  const bytes = new Uint8Array(values.length * step);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    if (!fits(value, type)) {
      throw new DawnletError("INVALID_BUNDLE", `Cannot use ${where}[${i}] = ${value}: it is of type ${type}`);
    }
    writers[type](view, i * step, value);
  });
  return bytes;
}

/** True where a value of the type can stand for the number: floats round, integers must be exact. */
export function fits(value: number, type: ShaderDataType): boolean {
  if (type === "float32") return Number.isFinite(Math.fround(value));
  if (type === "float16") return Number.isFinite(Math.f16round(value));
  const bits = elementBytes[type] * 8;
  const isSigned = type.startsWith("int");
  const minimum = isSigned ? -(2 ** (bits - 1)) : 0;
  return Number.isInteger(value) && value >= minimum && value < minimum + 2 ** bits;
}

const scalarTypes = { f32: "float32", i32: "int32", u32: "uint32" } as const;

const writers: Readonly<Record<ShaderDataType, (view: DataView, offset: number, value: number) => void>> = {
  float32: (view, offset, value) => view.setFloat32(offset, value, true),
  float16: (view, offset, value) => view.setFloat16(offset, value, true),
  int32: (view, offset, value) => view.setInt32(offset, value, true),
  int16: (view, offset, value) => view.setInt16(offset, value, true),
  int8: (view, offset, value) => view.setInt8(offset, value),
  uint32: (view, offset, value) => view.setUint32(offset, value, true),
  uint16: (view, offset, value) => view.setUint16(offset, value, true),
  uint8: (view, offset, value) => view.setUint8(offset, value),
};
