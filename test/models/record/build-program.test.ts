import { describe, expect, it } from "vitest";
import { checkProgram } from "../../../kernels/program/parse.ts";
import type { Program } from "../../../kernels/program/program.ts";
import { buildProgram } from "../../../models/record/build-program.ts";
import type { RecordedBuffer, RecordedPipeline, StreamEvent } from "../../../models/record/stream.ts";

const pipeline: RecordedPipeline = {
  code: `
    @group(0) @binding(0) var<storage, read> a: array<f32>;
    @group(0) @binding(1) var<storage, read_write> b: array<f32>;
    @group(0) @binding(2) var<uniform> u: vec4f;
    @compute @workgroup_size(1) fn main() {}`,
  entryPoint: "main",
  constants: {},
};

let nextId = 0;
const buffer = (sizeBytes = 16): RecordedBuffer => ({ id: nextId++, gpu: {} as GPUBuffer, sizeBytes });
const spec = (name: string) => ({ name, dataType: "float32", shape: [4] }) as const;

/** Reads `a`, writes `b`, with the uniform `u`. */
function dispatch(a: RecordedBuffer, b: RecordedBuffer, u?: RecordedBuffer): StreamEvent {
  const bind = (binding: number, one: RecordedBuffer) => ({
    group: 0,
    binding,
    buffer: one,
    offset: 0,
    sizeBytes: 16,
  });
  return {
    type: "dispatch",
    pipeline,
    bindings: [bind(0, a), bind(1, b), ...(u === undefined ? [] : [bind(2, u)])],
    workgroups: [1, 1, 1],
  };
}

const clear = (one: RecordedBuffer): StreamEvent => ({
  type: "clear",
  buffer: one,
  offset: 0,
  sizeBytes: one.sizeBytes,
});
const hostWrite = (one: RecordedBuffer, value: number, offset = 0, length = 16): StreamEvent => ({
  type: "write",
  buffer: one,
  offset,
  data: new Uint8Array(length).fill(value),
});

function build(events: StreamEvent[], x: RecordedBuffer, y: RecordedBuffer): Program {
  const draft = buildProgram(
    { events, obstacles: [] },
    [{ spec: spec("x"), buffer: x }],
    [{ spec: spec("y"), buffer: y }],
  );
  const program = draft.finish(draft.weights.map((_, i) => `${i}`.padStart(64, "0")));
  checkProgram(program);
  return program;
}

const typesBound = (program: Program, step: number) => {
  const found = program.steps[step];
  if (found?.type !== "dispatch") throw new Error("no dispatch");
  return found.bindings.map((b) => program.buffers[b.buffer]!.type);
};

describe("buildProgram()", () => {
  it("makes a weight of what is read before it is written", () => {
    const [x, y, w, t] = [buffer(), buffer(), buffer(), buffer()];
    const program = build([dispatch(x, t), dispatch(w, t), dispatch(t, y)], x, y);
    expect(typesBound(program, 1)).toEqual(["weight", "temporary"]);
    expect(typesBound(program, 2)).toEqual(["temporary", "output"]);
  });

  it("gives each content of a uniform buffer that is written again to the dispatches submitted after it", () => {
    const [x, y, t, u] = [buffer(), buffer(), buffer(), buffer()];
    const program = build([hostWrite(u, 1), dispatch(x, t, u), hostWrite(u, 2), dispatch(t, y, u)], x, y);
    const dataOf = (step: number) => {
      const found = program.steps[step];
      if (found?.type !== "dispatch") throw new Error("no dispatch");
      const constant = program.buffers[found.bindings[2]!.buffer]!;
      return constant.type === "constant" ? Uint8Array.fromBase64(constant.data)[0] : undefined;
    };
    expect([dataOf(0), dataOf(1)]).toEqual([1, 2]);
  });

  it("keeps equal constants once", () => {
    const [x, y, t, u, v] = [buffer(), buffer(), buffer(), buffer(), buffer()];
    const program = build([hostWrite(u, 7), hostWrite(v, 7), dispatch(x, t, u), dispatch(t, y, v)], x, y);
    expect(program.buffers.filter(({ type }) => type === "constant")).toHaveLength(1);
  });

  it("begins another buffer when the run clears one to use it again, and leaves the clear to the executor", () => {
    const [x, y, t] = [buffer(), buffer(), buffer()];
    const program = build([dispatch(x, t), dispatch(t, y), clear(t), dispatch(x, t), dispatch(t, y)], x, y);
    expect(program.steps.every(({ type }) => type === "dispatch")).toBe(true);
    expect(program.buffers.filter(({ type }) => type === "temporary")).toHaveLength(2);
  });

  it("keeps a clear of a part", () => {
    const [x, y, t] = [buffer(), buffer(), buffer(32)];
    const part: StreamEvent = { type: "clear", buffer: t, offset: 16, sizeBytes: 16 };
    const program = build([dispatch(x, t), part, dispatch(t, y)], x, y);
    expect(program.steps.map(({ type }) => type)).toEqual(["dispatch", "clear", "dispatch"]);
  });

  it("copies an input that the run writes to, so that the Program does not", () => {
    const [x, y] = [buffer(), buffer()];
    const program = build([dispatch(y, x), dispatch(x, y)], x, y);
    expect(program.steps[0]).toMatchObject({ type: "copy", from: program.inputs[0]!.buffer });
  });

  it("puts host bytes into the middle of what the GPU wrote by a copy", () => {
    const [x, y, t] = [buffer(), buffer(), buffer(32)];
    const program = build([dispatch(x, t), hostWrite(t, 9, 16), dispatch(t, y)], x, y);
    expect(program.steps[1]).toMatchObject({ type: "copy", fromOffset: 0, toOffset: 16, sizeBytes: 16 });
  });

  it("copies an input that is handed out as an output", () => {
    const x = buffer();
    const program = build([], x, x);
    expect(program.steps).toEqual([
      {
        type: "copy",
        from: program.inputs[0]!.buffer,
        fromOffset: 0,
        to: program.outputs[0]!.buffer,
        toOffset: 0,
        sizeBytes: 16,
      },
    ]);
  });

  it("drops dispatches of no workgroups", () => {
    const [x, y] = [buffer(), buffer()];
    const empty = { ...dispatch(x, y), workgroups: [0, 1, 1] } as StreamEvent;
    expect(build([empty, dispatch(x, y)], x, y).steps).toHaveLength(1);
  });
});
