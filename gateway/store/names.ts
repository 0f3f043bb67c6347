/**
 * What may become part of a path in the data folder: names of functions and records, digests.
 * Everything that a client sends passes here before it is joined to a path.
 */
import { DawnletError } from "../../kernels/errors.ts";

const namePattern = /^(?!\.)[-a-zA-Z0-9_.]{1,128}$/;
const digestPattern = /^[0-9a-f]{64}$/;

/** The rule for names of functions and for the parts of a record's path. */
export function isName(name: string): boolean {
  return namePattern.test(name);
}

/** @throws DawnletError INVALID_ARGUMENT stating the rule. */
export function checkFunctionName(name: string): void {
  checkName("function", name);
}

/** @throws DawnletError INVALID_ARGUMENT stating the rule. */
export function checkRecordName(name: string): void {
  checkName("record", name);
}

function checkName(kind: string, name: string): void {
  if (isName(name)) return;
  const shown = name.length > 130 ? `${name.slice(0, 130)}…` : name;
  throw new DawnletError(
    "INVALID_ARGUMENT",
    `Cannot use ${JSON.stringify(shown)} as the name of a ${kind}: names have 1 to 128 of the characters a-z, A-Z, 0-9, '-', '_' and '.', and do not start with '.'`,
  );
}

/** True for a SHA-256 as the store writes it. */
export function isDigest(digest: string): boolean {
  return digestPattern.test(digest);
}

/** @throws DawnletError INVALID_ARGUMENT */
export function checkDigest(digest: string): void {
  if (isDigest(digest)) return;
  const shown = digest.length > 80 ? `${digest.slice(0, 80)}…` : digest;
  throw new DawnletError(
    "INVALID_ARGUMENT",
    `Cannot use ${JSON.stringify(shown)} as a digest: a SHA-256 has 64 hex digits in lower case`,
  );
}
