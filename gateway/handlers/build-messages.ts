/**
 * What esbuild says about a bundle, for the one who deploys it: `file:line:column: text`. Of messages about
 * files that are not the bundle's, only the text goes out, and none that names files of this machine.
 */
import type { Message, PartialMessage } from "esbuild";
import { DawnletError } from "../../kernels/errors.ts";

/** Namespaces of bundled files, as they stand in front of their paths. */
export const bundleNamespace = "bundle";
export const providedNamespace = "provided";

const mostLines = 10;
const longestText = 500;

/** `bundle:a/b.ts` → `a/b.ts`. Undefined for what has no name that may be shown. */
export function shownPath(path: string): string | undefined {
  const [, name] = /^(?:bundle|provided|runtime):(.*)$/s.exec(path) ?? [];
  return name;
}

/** True for what esbuild throws where code is wrong, and not where it broke itself. */
export function hasMessages(error: unknown): error is { readonly errors: readonly Message[] } {
  return error instanceof Error && "errors" in error && Array.isArray(error.errors);
}

/** A message about code that was parsed alone, as one about a file of the bundle. */
export function messageIn(path: string, { text, location }: Message): PartialMessage {
  if (location === null) return { text };
  const { line, column, lineText } = location;
  return { text, location: { file: path, namespace: bundleNamespace, line, column, lineText } };
}

export function describeMessage({ text, location }: Message): string {
  const shownText = text.length > longestText ? `${text.slice(0, longestText)}…` : text;
  if (location === null) return shownText;
  // A plugin's namespace comes with the location or in front of its file.
  const { file, namespace, line, column, lineText } = location;
  const path = shownPath(file) ?? (namespace === bundleNamespace ? file : undefined);
  if (path === undefined) return "a file of the bundle imports what is not part of it";
  return `${path}:${line}:${characterColumn(lineText, column)}: ${shownText}`;
}

/** INVALID_BUNDLE with up to ten lines. */
export function buildFailure(messages: readonly Message[]): DawnletError {
  const lines = [...new Set(messages.map(describeMessage))];
  const more = lines.length > mostLines ? [`… and ${lines.length - mostLines} more`] : [];
  return new DawnletError(
    "INVALID_BUNDLE",
    `Cannot deploy the bundle as ${[...lines.slice(0, mostLines), ...more].join("\n")}`,
  );
}

/** esbuild counts bytes from 0; people count characters from 1. */
function characterColumn(lineText: string, bytes: number): number {
  const line = new TextEncoder().encode(lineText);
  if (line.byteLength < bytes) return bytes + 1;
  return new TextDecoder().decode(line.subarray(0, bytes)).length + 1;
}
