/**
 * The recorded traces that lie beside the repository, in ../shared/traces; they are no part of it. Where one is missing,
 * callers say so and go on without, or fail: nothing is made up in its place.
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { DawnletError } from "../../kernels/errors.ts";
import { type InvocationTrace, parseInvocations } from "./invocations.ts";
import { type MinuteTrace, parseMinuteTrace } from "./minute-trace.ts";

/** Where both are looked for unless another folder is named, as a URL that ends in a slash. */
export const sharedTraceFolder = new URL("../../../shared/traces/", import.meta.url);

/** Torpor's: 203 functions, 31 minutes, calls a minute. @throws DawnletError NOT_FOUND where the file is missing. */
export async function readTorporTrace(folder = sharedTraceFolder): Promise<MinuteTrace> {
  return parseMinuteTrace(await readTrace("torpor-203x31.csv", folder));
}

/** Of Azure Functions in 2021: 199 calls of 31 functions in 20 minutes. @throws DawnletError NOT_FOUND, as above. */
export async function readAzureSample(folder = sharedTraceFolder): Promise<InvocationTrace> {
  return parseInvocations(await readTrace("azure2021-198.csv", folder));
}

async function readTrace(name: string, folder: URL): Promise<string> {
  const file = new URL(name, folder);
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new DawnletError(
      "NOT_FOUND",
      `Cannot read the trace '${name}' as there is no file that can be read: ${fileURLToPath(file)}`,
      { cause },
    );
  }
}
