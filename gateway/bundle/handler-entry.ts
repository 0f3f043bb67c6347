/** Which file of a handler bundle has its default export: the one that is named, or the one called `handler`. */
import { DawnletError } from "../../kernels/errors.ts";
import { manifestFileName } from "../../kernels/manifest/manifest.ts";
import { showPath } from "./zip-paths.ts";

/** What a handler is called that came alone: TypeScript, which JavaScript is as well. */
export const bareHandlerName = "handler.ts";

const names: readonly string[] = [bareHandlerName, "handler.tsx", "handler.js", "handler.mjs"];

/** Files at the root that are taken for an entry by their name. */
export function handlerEntries(paths: Iterable<string>): readonly string[] {
  return [...paths].filter((path) => names.includes(path));
}

/**
 * The entry of a bundle.
 * @param stated `entry` of the manifest.
 * @throws DawnletError INVALID_BUNDLE where it is not there, or where more than one file may be meant.
 */
export function findHandlerEntry(paths: Iterable<string>, stated?: string): string {
  const all = [...paths];
  if (stated !== undefined) {
    if (all.includes(stated)) return stated;
    throw invalid(`its ${manifestFileName} names the entry ${showPath(stated)}, which is not in it`);
  }
  const entries = handlerEntries(all);
  const [entry] = entries;
  if (entry === undefined)
    throw invalid(`it has no ${names.join(", ")}: name its file as "entry" in ${manifestFileName}`);
  if (entries.length > 1)
    throw invalid(`it has ${entries.join(" and ")}: name one as "entry" in ${manifestFileName}`);
  return entry;
}

function invalid(reason: string): DawnletError {
  return new DawnletError("INVALID_BUNDLE", `Cannot deploy the bundle as ${reason}`);
}
