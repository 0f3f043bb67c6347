/**
 * Unknown data → Program. First the form (valibot), then what the form cannot say: indices, ranges, alignment,
 * who may write what. Every error is INVALID_PROGRAM and names the path, such as `steps[3].bindings[1].buffer`.
 * What a particular device allows is checked there, against `requirements()` of analyze.ts.
 */
import * as v from "valibot";
import { DawnletError } from "../errors.ts";
import { type DataType, elementBytes, tensorBytes } from "../tensor.ts";
import {
  type Binding,
  type BufferIndex,
  type ClearStep,
  type CopyStep,
  type DispatchStep,
  type Program,
  programFormat,
} from "./program.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const words = v.pipe(
  count,
  v.check((n) => n % 4 === 0, "is not a multiple of 4"),
);
const wordsNotZero = v.pipe(words, v.minValue(4));

const tensor = v.strictObject({
  name: v.string(),
  dataType: v.picklist(Object.keys(elementBytes) as DataType[]),
  shape: v.array(count),
  buffer: count,
});

const buffer = v.variant("type", [
  v.strictObject({ type: v.literal("input"), sizeBytes: wordsNotZero }),
  v.strictObject({ type: v.literal("output"), sizeBytes: wordsNotZero }),
  v.strictObject({ type: v.literal("temporary"), sizeBytes: wordsNotZero }),
  v.strictObject({
    type: v.literal("weight"),
    sizeBytes: wordsNotZero,
    digest: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "is no SHA-256 digest in lower-case hex")),
  }),
  v.strictObject({
    type: v.literal("constant"),
    sizeBytes: wordsNotZero,
    data: v.pipe(v.string(), v.base64()),
  }),
]);

const dispatch = v.strictObject({
  type: v.literal("dispatch"),
  pipeline: count,
  bindings: v.array(
    v.strictObject({
      group: count,
      binding: count,
      buffer: count,
      offset: words,
      sizeBytes: wordsNotZero,
      access: v.picklist(["uniform", "read", "read_write"]),
    }),
  ),
  workgroups: v.strictTuple([count, count, count]),
});

const copy = v.strictObject({
  type: v.literal("copy"),
  from: count,
  fromOffset: words,
  to: count,
  toOffset: words,
  sizeBytes: wordsNotZero,
});

const clear = v.strictObject({
  type: v.literal("clear"),
  buffer: count,
  offset: words,
  sizeBytes: wordsNotZero,
});

const simpleSteps = [dispatch, copy, clear] as const;

const repeat = v.strictObject({
  type: v.literal("repeat"),
  count,
  steps: v.array(v.variant("type", simpleSteps)),
});

const form = v.strictObject({
  format: v.literal(programFormat),
  inputs: v.array(tensor),
  outputs: v.array(tensor),
  buffers: v.array(buffer),
  shaders: v.array(v.string()),
  pipelines: v.array(
    v.strictObject({
      shader: count,
      entryPoint: v.string(),
      constants: v.exactOptional(v.record(v.string(), v.pipe(v.number(), v.finite()))),
    }),
  ),
  steps: v.array(v.variant("type", [...simpleSteps, repeat])),
  features: v.array(v.string()),
});

/**
 * @param data parsed JSON of any origin.
 * @throws DawnletError INVALID_PROGRAM naming the path of the first thing that is wrong.
 */
export function parseProgram(data: unknown): Program {
  const result = v.safeParse(form, data, { abortEarly: true });
  if (!result.success) {
    const issue = result.issues[0];
    throw invalid(pathOf(issue), issue.message);
  }
  checkProgram(result.output);
  return result.output;
}

/** Checks what the types of a Program cannot say. Compilers call it on what they built. */
export function checkProgram(program: Program): void {
  for (const [i, tensor] of program.inputs.entries())
    checkTensorBuffer(program, "input", tensor, `inputs[${i}]`);
  for (const [i, tensor] of program.outputs.entries())
    checkTensorBuffer(program, "output", tensor, `outputs[${i}]`);
  program.pipelines.forEach((p, i) => {
    if (p.shader >= program.shaders.length)
      throw invalid(
        `pipelines[${i}].shader`,
        `is ${p.shader}, but there are ${program.shaders.length} shaders`,
      );
  });
  for (const [i, step] of program.steps.entries()) {
    const simple = step.type === "repeat" ? step.steps : [step];
    for (const [j, s] of simple.entries())
      checkStep(program, s, step.type === "repeat" ? `steps[${i}].steps[${j}]` : `steps[${i}]`);
  }
}

function checkTensorBuffer(
  program: Program,
  type: "input" | "output",
  tensor: Program["inputs"][number],
  path: string,
): void {
  const target = bufferAt(program, tensor.buffer, `${path}.buffer`);
  if (target.type !== type) throw invalid(`${path}.buffer`, `names a buffer of type ${target.type}`);
  const bytes = tensorBytes(tensor.dataType, tensor.shape);
  if (tensor.dataType === "string" || bytes > target.sizeBytes)
    throw invalid(
      path,
      `${tensor.dataType}[${tensor.shape}] does not fit its buffer of ${target.sizeBytes} bytes`,
    );
}

function checkStep(program: Program, step: DispatchStep | CopyStep | ClearStep, path: string): void {
  switch (step.type) {
    case "dispatch":
      checkDispatch(program, step, path);
      return;
    case "copy":
      checkRange(program, step.from, step.fromOffset, step.sizeBytes, `${path}.from`);
      checkRange(program, step.to, step.toOffset, step.sizeBytes, `${path}.to`);
      checkWritable(program, step.to, `${path}.to`);
      if (step.from === step.to) throw invalid(path, "copies within one buffer");
      return;
    case "clear":
      checkRange(program, step.buffer, step.offset, step.sizeBytes, path);
      checkWritable(program, step.buffer, `${path}.buffer`);
      return;
    default:
      step satisfies never;
  }
}

function checkDispatch(program: Program, step: DispatchStep, path: string): void {
  if (step.pipeline >= program.pipelines.length)
    throw invalid(
      `${path}.pipeline`,
      `is ${step.pipeline}, but there are ${program.pipelines.length} pipelines`,
    );
  const seen = new Set<string>();
  const accessOf = new Map<BufferIndex, Binding["access"]>();
  step.bindings.forEach((b, i) => {
    const at = `${path}.bindings[${i}]`;
    checkRange(program, b.buffer, b.offset, b.sizeBytes, at);
    if (b.access === "read_write") checkWritable(program, b.buffer, `${at}.buffer`);
    const slot = `${b.group}.${b.binding}`;
    if (seen.has(slot)) throw invalid(at, `binds group ${b.group} binding ${b.binding} a second time`);
    seen.add(slot);
    const before = accessOf.get(b.buffer);
    if (before !== undefined && (before === "read_write" || b.access === "read_write"))
      throw invalid(
        at,
        `binds buffer ${b.buffer} twice in one dispatch, once writable, which WebGPU forbids`,
      );
    accessOf.set(b.buffer, b.access);
  });
}

function checkRange(
  program: Program,
  index: BufferIndex,
  offset: number,
  sizeBytes: number,
  path: string,
): void {
  const target = bufferAt(program, index, path);
  if (offset + sizeBytes > target.sizeBytes)
    throw invalid(
      path,
      `covers bytes ${offset} to ${offset + sizeBytes} of buffer ${index}, which has ${target.sizeBytes}`,
    );
}

function checkWritable(program: Program, index: BufferIndex, path: string): void {
  const { type } = bufferAt(program, index, path);
  if (type !== "temporary" && type !== "output")
    throw invalid(path, `writes buffer ${index}, which is of type ${type}`);
}

function bufferAt(program: Program, index: BufferIndex, path: string): Program["buffers"][number] {
  const found = program.buffers[index];
  if (found === undefined)
    throw invalid(path, `names buffer ${index}, but there are ${program.buffers.length}`);
  return found;
}

function pathOf(issue: v.BaseIssue<unknown>): string {
  let path = "";
  for (const item of issue.path ?? []) {
    path +=
      typeof item.key === "number"
        ? `[${item.key}]`
        : path === ""
          ? String(item.key)
          : `.${String(item.key)}`;
  }
  return path === "" ? "(root)" : path;
}

function invalid(path: string, what: string): DawnletError {
  return new DawnletError("INVALID_PROGRAM", `Cannot use this Program: ${path}: ${what}`);
}
