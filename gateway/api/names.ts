/** Names under which functions are deployed and called. */
import type { Context } from "hono";
import { DawnletError } from "../../kernels/errors.ts";

export const maxNameLength = 128;

/** @throws DawnletError INVALID_ARGUMENT saying what a name may be. */
export function checkFunctionName(name: string): void {
  if (name.length <= maxNameLength && /^[-a-zA-Z0-9_][-a-zA-Z0-9_.]*$/.test(name)) return;
  const shown = name.length > 40 ? `${name.slice(0, 40)}…` : name;
  throw new DawnletError(
    "INVALID_ARGUMENT",
    `Cannot use '${shown}' as a function's name: it has 1 to ${maxNameLength} letters, digits, '-', '_' or '.', and does not begin with a dot`,
  );
}

/** Of the path's `:name`. @throws DawnletError INVALID_ARGUMENT */
export function functionNameOf(c: Context): string {
  const name = c.req.param("name") ?? "";
  checkFunctionName(name);
  return name;
}
