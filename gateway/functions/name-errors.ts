/**
 * What is said of a function's name, in one wording wherever it is found out: a tenant must not learn from an answer
 * whether a name is free or somebody else's.
 */
import { DawnletError } from "../../kernels/errors.ts";

/** Nobody has deployed it, or whoever asks may not know that somebody has. */
export function unknownFunction(name: string): DawnletError {
  return new DawnletError("NOT_FOUND", `There is no function '${name}'`);
}

/** Names are one space for all: deploying is where a tenant learns that one is not free. */
export function takenName(name: string): DawnletError {
  return new DawnletError("NAME_TAKEN", `Cannot deploy function '${name}' as the name is taken: use another`);
}
