/** What `dawnlet dev` says of what went wrong: positions first, as editors and terminals find them. */
import { basename } from "node:path";
import { DawnletError } from "../../kernels/errors.ts";
import { printable } from "./log-text.ts";

/** `file:line:column: ` */
const position = String.raw`[^\s:()]+:\d+:\d+`;
const beforePosition = new RegExp(String.raw`^(?:Cannot deploy|Cannot compile)[^\n]*? (?=${position}: )`);
const stackFrame = new RegExp(String.raw`^    at (?:.*\()?(${position})\)?$`, "m");
const beforeFailure = /^Cannot (?:deploy|start) function '[^']*': (?:Cannot start function '[^']*': )?/;

/** An error of a deploy: `handler.ts:3:14: Expected ";"`, also of what a module throws, whose stack stays below. */
export function problemText(error: unknown): string {
  if (!(error instanceof DawnletError)) return error instanceof Error ? String(error.stack) : String(error);
  const { code, message } = error;
  if (code !== "FUNCTION_FAILED") return printable(message.replace(beforePosition, ""));
  return failureText(message.replace(beforeFailure, ""));
}

/** A stack with the position of its first frame before it; other texts as they are. */
export function failureText(stack: string): string {
  const [, where] = stackFrame.exec(stack) ?? [];
  return printable(where === undefined ? stack : `${where}: ${stack}`);
}

/** What comes alone is called so in its bundle. */
const bareNames = /(?<![\w/.-])(?:handler\.tsx?|main\.wgsl)(?=:\d+:\d+)/g;

/** Puts the name that a file has here in place of that in its bundle. @param path of a file or a folder. */
export function renamer(path: string, isFolder: boolean): (text: string) => string {
  return isFolder ? (text) => text : (text) => text.replaceAll(bareNames, () => basename(path));
}
