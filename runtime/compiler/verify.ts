/**
 * Checks a recorded Program against the reference before anybody is served by it: replayed on fresh buffers, with
 * inputs that the recording may not have seen, in memory that held garbage before.
 */
import { planSlots } from "../../kernels/program/analyze.ts";
import { poisonProgram } from "../../kernels/program/poison.ts";
import type { Program } from "../../kernels/program/program.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { compareTensors } from "../../models/verify/compare.ts";
import type { DeviceApi } from "../device/api.ts";

/** Inputs in the Program's order, and what the reference answers, by output name. */
export interface VerificationCase {
  readonly inputs: readonly Tensor[];
  readonly expected: ReadonlyMap<string, Tensor>;
}

export interface Verification {
  readonly maxAbsoluteError: number;
  /** No output depends on what activation memory held before: it need not be cleared. */
  readonly writesBeforeReads: boolean;
  /** What disagrees, in words; undefined where all agrees. */
  readonly disagreement: string | undefined;
}

/** As floats these are a NaN and an innocent 1.23: a kernel that reads garbage shows at least one of them. */
const patterns = [0xffffffff, 0x3f9d70a4] as const;

export async function verifyProgram(
  device: DeviceApi,
  program: Program,
  cases: readonly VerificationCase[],
): Promise<Verification> {
  const writesBeforeReads = await ignoresGarbage(device, program, cases[0]!);
  const id = "verified";
  await device.load(id, program, { writesBeforeReads });
  try {
    let maxAbsoluteError = 0;
    for (const { inputs, expected } of cases) {
      const { outputs } = await device.run({ program: id, inputs: inputs.map((tensor) => tensor.data) });
      for (const [i, { name, shape }] of program.outputs.entries()) {
        const reference = expected.get(name);
        const disagreement = (what: string) => ({
          maxAbsoluteError,
          writesBeforeReads,
          disagreement: `output '${name}' ${what}`,
        });
        if (reference === undefined) return disagreement("is missing from the reference");
        if (`${reference.shape}` !== `${shape}`)
          return disagreement(`has shape [${shape}], the reference [${reference.shape}]`);
        const difference = compareTensors(outputs[i]!, reference);
        maxAbsoluteError = Math.max(maxAbsoluteError, difference.maxAbsoluteError);
        if (difference.firstBad !== undefined)
          return disagreement(
            `differs from the reference at element ${difference.firstBad} (largest error ${difference.maxAbsoluteError})`,
          );
      }
    }
    return { maxAbsoluteError, writesBeforeReads, disagreement: undefined };
  } finally {
    await device.unload(id);
  }
}

/** True where the outputs are bit-equal whatever the slots held before. */
async function ignoresGarbage(
  device: DeviceApi,
  program: Program,
  { inputs }: VerificationCase,
): Promise<boolean> {
  const { slotBytes } = planSlots(program);
  const bytes = inputs.map((tensor) => tensor.data);
  await device.load("unverified", program, { writesBeforeReads: true });
  try {
    const outcomes: Uint8Array[][] = [];
    for (const pattern of patterns) {
      const id = `poison-${pattern}`;
      await device.load(id, poisonProgram(slotBytes, pattern), { writesBeforeReads: true });
      await device.run({ program: id, inputs: [] });
      const { outputs } = await device.run({ program: "unverified", inputs: bytes });
      outcomes.push([...outputs]);
      await device.unload(id);
    }
    const [first, second] = outcomes as [Uint8Array[], Uint8Array[]];
    return first.every((output, i) => output.every((byte, at) => byte === second[i]![at]));
  } finally {
    await device.unload("unverified");
  }
}
