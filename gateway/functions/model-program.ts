/** A compiled variant of a model, from the store to what a device runs. */
import { isDivisible } from "../../kernels/program/analyze.ts";
import { parseProgram } from "../../kernels/program/parse.ts";
import type { Program } from "../../kernels/program/program.ts";
import { type TimeLimitSources, timeLimitFor } from "../../runtime/supervisor/time-limit.ts";
import { type OwnedProgram, weightsOf } from "../devices/owner.ts";
import type { Store } from "../store/store.ts";
import type { CompiledVariant } from "./record.ts";

export interface ModelProgram {
  readonly inputs: Program["inputs"];
  readonly outputs: Program["outputs"];
  readonly stored: OwnedProgram;
}

type Programs = Pick<Store["programs"], "read">;

/** @param limits on its time: the manifest's, its owner's. @throws DawnletError CORRUPT_DATA, NOT_FOUND where it is damaged. */
export async function openModelProgram(
  programs: Programs,
  { program: digest, writesBeforeReads, slowestRunMs }: CompiledVariant,
  limits: Omit<TimeLimitSources, "verifiedMs">,
): Promise<ModelProgram> {
  const program = await readProgram(programs, digest);
  const { inputs, outputs } = program;
  const stored: OwnedProgram = {
    id: digest,
    options: { writesBeforeReads },
    weights: weightsOf(program),
    isDivisible: isDivisible(program),
    timeLimitMs: timeLimitFor({ ...limits, verifiedMs: slowestRunMs }),
    readJson: () => programs.read(digest),
  };
  return { inputs, outputs, stored };
}

export async function readProgram(programs: Programs, digest: string): Promise<Program> {
  return parseProgram(JSON.parse(new TextDecoder().decode(await programs.read(digest))));
}
