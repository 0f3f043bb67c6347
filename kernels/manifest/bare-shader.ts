/**
 * A lone `.wgsl` file as a function, by convention and without a manifest:
 * - its one compute entry point runs once over n elements, ceil(n / workgroup_size.x) workgroups;
 * - `var<storage, read>` arrays are inputs, `read_write` arrays outputs, called like the variable. Runtime-sized
 *   ones have n elements, the same n for all; an element is f32, i32, u32, or a vec2 or vec4 of them;
 * - members of a uniform struct are parameters, but for a u32 called n, length, count or size, which is n.
 * What does not fit the convention needs a `function.json`.
 */
import { DawnletError } from "../errors.ts";
import { type Manifest, parseManifest } from "./manifest.ts";
import type { ShaderBinding, ShaderModule } from "./reflect.ts";

const lengthNames = ["n", "length", "count", "size"];

const typeOf = { f32: "float32", i32: "int32", u32: "uint32", f16: undefined } as const;

/** @throws DawnletError INVALID_SHADER saying what does not fit the convention. */
export function bareShaderManifest({ file, entryPoints }: ShaderModule): Manifest {
  const fail = (what: string) =>
    new DawnletError("INVALID_SHADER", `Cannot use shader '${file}' without a function.json as ${what}`);
  const [entryPoint] = entryPoints.values();
  if (entryPoint === undefined || entryPoints.size > 1) {
    throw fail(`it has the entry points ${[...entryPoints.keys()].join(", ")}: expected one`);
  }
  const { bindings, workgroupSize } = entryPoint;
  if (workgroupSize[1] !== 1 || workgroupSize[2] !== 1) {
    throw fail(`its workgroup size is [${workgroupSize.join(", ")}]: expected one dimension`);
  }
  const arrays = bindings.filter((layout) => layout.array !== undefined && layout.access !== "uniform");
  const blocks = bindings.filter((layout) => !arrays.includes(layout));
  const inputs = arrays.filter((layout) => layout.access === "read");
  const outputs = arrays.filter((layout) => layout.access === "read_write");
  if (outputs.length === 0) throw fail("it writes no 'var<storage, read_write>' array");

  const length = lengthOf(inputs, outputs, fail);
  const parameters: Record<string, { type: string }> = {};
  const bind: Record<string, string | Record<string, string | number>> = {};
  for (const { variable } of arrays) bind[variable] = variable;
  for (const layout of blocks) bind[layout.variable] = literalsOf(layout, length, parameters, fail);

  const tensors = (layouts: readonly ShaderBinding[]) =>
    Object.fromEntries(layouts.map((layout) => [layout.variable, tensorOf(layout, fail)]));
  return parseManifest({
    kind: "wgsl",
    inputs: tensors(inputs),
    outputs: tensors(outputs),
    parameters,
    kernels: { main: { file } },
    steps: [{ kernel: "main", bind, workgroups: [`ceil(${length} / ${workgroupSize[0]})`] }],
  });
}

type Fail = (what: string) => DawnletError;

/** `n`, or a number where all arrays are of fixed length. */
function lengthOf(inputs: readonly ShaderBinding[], outputs: readonly ShaderBinding[], fail: Fail): string {
  const isOpen = (layout: ShaderBinding) => layout.array?.length === undefined;
  if (inputs.some(isOpen)) return "n";
  const open = outputs.find(isOpen);
  if (open !== undefined) {
    throw fail(`output '${open.variable}' has n elements, and no input says how many n is`);
  }
  return String(Math.max(...outputs.map((layout) => layout.array?.length ?? 0)));
}

function tensorOf({ variable, element, array }: ShaderBinding, fail: Fail) {
  const type = element && typeOf[element.scalar];
  if (element === undefined || type === undefined || element.count === 3) {
    throw fail(`the elements of '${variable}' are not f32, i32, u32 or a vec2 or vec4 of them`);
  }
  const length = array?.length ?? "n";
  return { type, shape: element.count === 1 ? [length] : [length, element.count] };
}

/** Adds the parameters that a uniform takes, and says where each member's value comes from. */
function literalsOf(
  { variable, members, element, access }: ShaderBinding,
  length: string,
  parameters: Record<string, { type: string }>,
  fail: Fail,
): Record<string, string> {
  if (members === undefined || access === "read_write") {
    throw fail(`'${variable}' is neither an array of elements nor a uniform of scalars`);
  }
  const literals: Record<string, string> = {};
  for (const member of members) {
    if (member.name.startsWith("_")) continue;
    // A uniform that is no struct goes by its own name.
    const name = element === undefined ? member.name : variable;
    const type = member.components?.count === 1 ? typeOf[member.components.scalar] : undefined;
    if (type === undefined) throw fail(`'${name}' of '${variable}' is no f32, i32 or u32`);
    if (type === "uint32" && lengthNames.includes(name)) {
      literals[member.name] = length;
      continue;
    }
    if (name === "n") throw fail(`'n' of '${variable}' is ${type}: the number of elements is a u32`);
    const before = parameters[name];
    if (before !== undefined && before.type !== type) throw fail(`parameter '${name}' has two types`);
    parameters[name] = { type };
    literals[member.name] = name;
  }
  return literals;
}
