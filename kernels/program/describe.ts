/** A Program for people: what its steps do, how many bytes they bind, what a device must offer. */
import { planSlots, requirements, touches, traffic } from "./analyze.ts";
import type { ClearStep, CopyStep, DispatchStep, Program, ProgramTensor } from "./program.ts";

export interface ProgramDescription {
  readonly inputs: readonly TensorDescription[];
  readonly outputs: readonly TensorDescription[];
  readonly steps: readonly StepDescription[];
  readonly shaders: number;
  readonly pipelines: number;
  readonly features: readonly string[];
  readonly memory: {
    /** Of distinct weights. */
    readonly weightBytes: number;
    /** Of the slots that inputs, outputs and temporaries share. */
    readonly slotBytes: readonly number[];
    readonly constantBytes: number;
  };
  /** Bytes that the bindings and copies of one run cover. */
  readonly boundBytes: number;
  readonly dispatches: number;
  readonly requirements: Readonly<Record<string, number>>;
}

export interface TensorDescription {
  readonly name: string;
  readonly dataType: string;
  readonly shape: readonly number[];
}

export interface StepDescription {
  readonly step: number;
  readonly type: string;
  /** `entry point [x, y, z]`, `copy 1 → 2`, `clear 3`; within a repeat with its count. */
  readonly what: string;
  readonly readBytes: number;
  readonly writtenBytes: number;
}

export function describeProgram(program: Program): ProgramDescription {
  const { weightBytes, boundBytes, dispatches } = traffic(program);
  const constants = program.buffers.filter((buffer) => buffer.type === "constant");
  return {
    inputs: program.inputs.map(describeTensor),
    outputs: program.outputs.map(describeTensor),
    steps: program.steps.flatMap((step, index) =>
      step.type === "repeat"
        ? step.steps.map((inner) => describeStep(program, inner, index, `${step.count} × `))
        : [describeStep(program, step, index, "")],
    ),
    shaders: program.shaders.length,
    pipelines: program.pipelines.length,
    features: program.features,
    memory: {
      weightBytes,
      slotBytes: planSlots(program).slotBytes,
      constantBytes: constants.reduce((sum, buffer) => sum + buffer.sizeBytes, 0),
    },
    boundBytes,
    dispatches,
    requirements: { ...requirements(program) },
  };
}

function describeTensor({ name, dataType, shape }: ProgramTensor): TensorDescription {
  return { name, dataType, shape };
}

function describeStep(
  program: Program,
  step: DispatchStep | CopyStep | ClearStep,
  index: number,
  prefix: string,
): StepDescription {
  let readBytes = 0;
  let writtenBytes = 0;
  if (step.type === "dispatch") {
    for (const binding of step.bindings) {
      if (binding.access === "read_write") writtenBytes += binding.sizeBytes;
      else readBytes += binding.sizeBytes;
    }
  } else {
    for (const touch of touches(program, step)) {
      if (touch.writes) writtenBytes += step.sizeBytes;
      else readBytes += step.sizeBytes;
    }
  }
  return {
    step: index,
    type: step.type,
    what: prefix + describeAction(program, step),
    readBytes,
    writtenBytes,
  };
}

function describeAction(program: Program, step: DispatchStep | CopyStep | ClearStep): string {
  switch (step.type) {
    case "dispatch":
      return `${program.pipelines[step.pipeline]!.entryPoint} [${step.workgroups.join(", ")}]`;
    case "copy":
      return `copy ${step.from} → ${step.to}`;
    case "clear":
      return `clear ${step.buffer}`;
  }
}
