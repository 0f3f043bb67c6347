/**
 * What a WGSL module declares: its compute entry points, and for each the bindings that it uses, with
 * the layout of what is bound. It reads, it does not check: the device's compiler does that, with
 * messages that have line and column.
 */
import {
  type MemberInfo,
  ResourceType,
  type TypeInfo,
  type VariableInfo,
  WgslParser,
  WgslReflect,
} from "wgsl_reflect/wgsl_reflect.module.js";
import type { BindingAccess } from "../program/program.ts";
import { invalid, readWgslText, type WgslText } from "./wgsl-text.ts";

export interface ShaderModule {
  readonly file: string;
  readonly source: string;
  readonly entryPoints: ReadonlyMap<string, EntryPoint>;
  /** Names and numeric ids of `override` declarations. */
  readonly overrides: ReadonlySet<string>;
  /** WebGPU features that its `enable` directives need. */
  readonly features: readonly string[];
}

export interface EntryPoint {
  readonly name: string;
  /** With the default values of overrides; 1 where an override has none. */
  readonly workgroupSize: readonly [number, number, number];
  /** In the order of group and binding. */
  readonly bindings: readonly ShaderBinding[];
}

export interface ShaderBinding {
  readonly group: number;
  readonly binding: number;
  readonly variable: string;
  readonly access: BindingAccess;
  /** The smallest range that can be bound; all of it where the type has a fixed size. */
  readonly minimumBytes: number;
  /** What a fixed or runtime-sized array, a vector or a scalar is made of. Undefined for structs and matrices. */
  readonly element: Components | undefined;
  readonly array: ArrayLayout | undefined;
  /** What literals can be written to: a struct's members, or one called `value`. Undefined for arrays. */
  readonly members: readonly MemberLayout[] | undefined;
}

export type Scalar = "f32" | "i32" | "u32" | "f16";

/** A scalar (`count` 1) or a vector. */
export interface Components {
  readonly scalar: Scalar;
  readonly count: number;
  readonly isAtomic: boolean;
}

export interface ArrayLayout {
  /** Undefined where it is as long as what is bound. */
  readonly length: number | undefined;
  readonly strideBytes: number;
}

export interface MemberLayout {
  readonly name: string;
  readonly offset: number;
  /** Undefined for matrices, arrays and structs, which no literal fits. */
  readonly components: Components | undefined;
}

const featureOfEnable: ReadonlyMap<string, string> = new Map([
  ["f16", "shader-f16"],
  ["subgroups", "subgroups"],
]);

/** @throws DawnletError INVALID_SHADER naming the file, and the line where it is known. */
export function reflectShader(file: string, source: string): ShaderModule {
  const text = readWgslText(file, source);
  const library = parseDeclarations(file, text.declarations);
  const features = text.enables.map((name) => {
    const feature = featureOfEnable.get(name);
    if (feature === undefined)
      throw invalid(file, undefined, `it enables '${name}', which no kernel can use`);
    return feature;
  });

  const variables = [...library.uniforms, ...library.storage, ...library.textures, ...library.samplers];
  const entryPoints = new Map<string, EntryPoint>();
  for (const { name, workgroupSize } of library.entry.compute) {
    const mentioned = mentionedFrom(file, name, text);
    const bindings = variables
      .filter((variable) => mentioned.has(variable.name))
      .map((variable) => bindingOf(file, variable))
      .sort((a, b) => a.group - b.group || a.binding - b.binding);
    entryPoints.set(name, { name, workgroupSize: workgroupSize ?? [1, 1, 1], bindings });
  }
  if (entryPoints.size === 0) throw invalid(file, undefined, "it has no '@compute' entry point");
  const overrides = new Set(
    library.overrides.flatMap(({ name, id, attributes }) => {
      const hasId = attributes?.some((attribute) => attribute.name === "id") === true;
      return hasId ? [name, String(id)] : [name];
    }),
  );
  return { file, source, entryPoints, overrides, features };
}

function parseDeclarations(file: string, declarations: string): WgslReflect {
  try {
    const nodes = new WgslParser().parse(declarations);
    const library = new WgslReflect();
    library.updateAST(nodes);
    return library;
  } catch (error) {
    // The library throws its own errors, which end in "Line: n", TypeErrors, and for some input plain strings.
    const reason = error instanceof Error ? error.message : String(error);
    const [, what = reason, line] = /^([\s\S]*?)\.?\.? Line:? (\d+)/.exec(reason) ?? [];
    const isReadable = error instanceof Error && !(error instanceof TypeError || error instanceof RangeError);
    throw invalid(
      file,
      line === undefined ? undefined : Number(line),
      isReadable ? what : "its declarations are no WGSL that can be understood",
    );
  }
}

/** Everything that a function mentions, and what the functions mention that it calls. */
function mentionedFrom(file: string, entryPoint: string, { functions }: WgslText): ReadonlySet<string> {
  const mentioned = new Set<string>();
  const waiting = [entryPoint];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const text = functions.get(name);
    if (text === undefined) throw invalid(file, undefined, `function '${name}' has no body`);
    for (const mention of text.mentions) {
      if (mentioned.has(mention)) continue;
      mentioned.add(mention);
      if (functions.has(mention)) waiting.push(mention);
    }
  }
  return mentioned;
}

function bindingOf(file: string, info: VariableInfo): ShaderBinding {
  const { name: variable, group, binding, type } = info;
  if (info.resourceType !== ResourceType.Uniform && info.resourceType !== ResourceType.Storage) {
    throw invalid(
      file,
      undefined,
      `variable '${variable}' is a texture or a sampler: use a storage buffer, functions take and give tensors`,
    );
  }
  const access = accessOf(info);
  if (access === undefined) {
    throw invalid(
      file,
      undefined,
      `variable '${variable}' has the access '${info.access}': expected read or read_write`,
    );
  }
  const array = info.isArray ? arrayOf(info.count, info.stride) : undefined;
  const layout = { group, binding, variable, access, array };
  if (array !== undefined) {
    const element = info.format === null ? undefined : componentsOf(info.format);
    const minimumBytes = (array.length ?? 1) * array.strideBytes;
    return { ...layout, minimumBytes, element, members: undefined };
  }
  const members = info.members;
  if (members === null) {
    const element = componentsOf(type);
    return {
      ...layout,
      minimumBytes: info.size,
      element,
      members: [{ name: "value", offset: 0, components: element }],
    };
  }
  const last = members.at(-1);
  const isRuntimeSized = last?.isArray === true && arrayOf(last.count, last.stride).length === undefined;
  return {
    ...layout,
    minimumBytes: isRuntimeSized ? last.offset + last.stride : info.size,
    element: undefined,
    members: isRuntimeSized ? undefined : members.map(memberOf),
  };
}

function accessOf(info: VariableInfo): BindingAccess | undefined {
  if (info.resourceType === ResourceType.Uniform) return "uniform";
  // `var<storage>` without an access mode is read-only.
  if (info.access === "" || info.access === "read") return "read";
  return info.access === "read_write" ? "read_write" : undefined;
}

function arrayOf(count: number, stride: number): ArrayLayout {
  return { length: count > 0 ? count : undefined, strideBytes: stride };
}

function memberOf(member: MemberInfo): MemberLayout {
  return { name: member.name, offset: member.offset, components: componentsOf(member.type) };
}

/** Reads `f32`, `vec3<u32>`, `vec4f`, `atomic<i32>`; anything else is undefined. */
function componentsOf(type: TypeInfo): Components | undefined {
  const name = type.getTypeName();
  const [, vector, atomic, scalar] = /^(?:vec([234])<?|(atomic)<)?(\w+?)>?$/.exec(name) ?? [];
  const count = vector === undefined ? 1 : Number(vector);
  const named = scalars.get(scalar ?? "");
  if (named === undefined || (vector === undefined && scalar?.length === 1)) return undefined;
  return { scalar: named, count, isAtomic: atomic !== undefined };
}

/** The one-letter forms are those of `vec2f` and its like. */
const scalars: ReadonlyMap<string, Scalar> = new Map([
  ["f32", "f32"],
  ["i32", "i32"],
  ["u32", "u32"],
  ["f16", "f16"],
  ["f", "f32"],
  ["i", "i32"],
  ["u", "u32"],
  ["h", "f16"],
]);
