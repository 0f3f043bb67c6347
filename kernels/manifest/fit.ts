/**
 * Whether what a manifest binds fits what the shader declares: access, element type, and what WebGPU
 * allows to share a dispatch. Sizes are checked when they are known, in build.ts.
 */
import { DawnletError } from "../errors.ts";
import type { ShaderDataType } from "./manifest.ts";
import type { PlannedBinding, PlannedBuffer } from "./plan.ts";
import type { Scalar, ShaderBinding } from "./reflect.ts";

export function isWritable({ role }: PlannedBuffer): boolean {
  return role === "output" || role === "temporary";
}

export function checkAccess(where: string, { variable, access }: ShaderBinding, buffer: PlannedBuffer): void {
  if (access === "read_write" && !isWritable(buffer)) {
    throw unfit(
      where,
      `variable '${variable}' is read_write and '${buffer.name}' only for reading (${buffer.role}): declare 'var<storage, read>'`,
    );
  }
  if (access === "uniform" && buffer.role !== "input") {
    throw unfit(
      where,
      `variable '${variable}' is a uniform, which takes literals or an input: declare 'var<storage, read>'`,
    );
  }
}

/** Raw words (u32) may stand for any type; other scalars only for their own. */
const scalarsOf: Readonly<Record<ShaderDataType, readonly Scalar[]>> = {
  float32: ["f32", "u32"],
  int32: ["i32", "u32"],
  uint32: ["u32"],
  float16: ["f16", "u32"],
  int16: ["i32", "u32"],
  uint16: ["u32"],
  int8: ["i32", "u32"],
  uint8: ["u32"],
};

export function checkElement(
  where: string,
  { variable, element }: ShaderBinding,
  buffer: PlannedBuffer,
): void {
  if (element === undefined || scalarsOf[buffer.dataType].includes(element.scalar)) return;
  throw unfit(
    where,
    `variable '${variable}' is made of ${element.scalar} and '${buffer.name}' is ${buffer.dataType}: expected ${scalarsOf[buffer.dataType].join(" or ")}`,
  );
}

/** WebGPU takes one buffer in one dispatch several times for reading, or once for writing. */
export function checkSharing(where: string, bindings: readonly PlannedBinding[]): void {
  const first = new Map<PlannedBuffer, ShaderBinding>();
  for (const { layout, target } of bindings) {
    if (target.type !== "buffer") continue;
    const { buffer } = target;
    const other = first.get(buffer);
    if (other === undefined) first.set(buffer, layout);
    else if (other.access === "read_write" || layout.access === "read_write") {
      throw unfit(
        `${where}.bind`,
        `'${buffer.name}' is bound to '${other.variable}' and '${layout.variable}', and one of them writes: WebGPU forbids it, copy to a temporary`,
      );
    }
  }
}

export function unfit(where: string, what: string): DawnletError {
  return new DawnletError("INVALID_SHADER", `Cannot use ${where} of function.json: ${what}`);
}
