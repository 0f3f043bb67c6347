/** A rule of the executor, as a case that can be made anywhere: expected outputs are stated, not computed by a device. */
import type { ProgramWithWeights } from "../../../kernels/program/program.ts";
import { type ConformanceCase, exactly } from "../case.ts";

export interface Rule {
  readonly name: string;
  make(): Promise<ConformanceCase>;
}

export interface ExactRun {
  readonly inputs?: readonly Uint8Array[];
  readonly outputs: readonly Uint8Array[];
}

/** A rule whose outputs are known to the bit. */
export function rule(
  name: string,
  make: () => Promise<{ readonly made: ProgramWithWeights; readonly runs: readonly ExactRun[] }>,
): Rule {
  return {
    name,
    async make() {
      const { made, runs } = await make();
      return {
        name,
        ...made,
        writesBeforeReads: false,
        runs: runs.map(({ inputs = [], outputs }) => ({
          inputs,
          expected: outputs.map((bytes) => ({ bytes, tolerance: exactly })),
        })),
      };
    },
  };
}
