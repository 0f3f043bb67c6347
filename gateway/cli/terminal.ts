/**
 * What commands know of the terminal and the machine: handed to them, so that tests read what they print.
 * Results go to stdout, everything else (progress, logs, errors) to stderr.
 */
import type { Platform } from "../../runtime/platform/platform.ts";

export interface Terminal {
  /** A line of the command's result. */
  out(line: string): void;
  /** A line for the person in front. */
  err(line: string): void;
  /** True where stderr is a terminal: colours, and lines that are written over. */
  readonly isInteractive: boolean;
  /** Shows a line in place of the one shown before; does nothing where stderr is no terminal. */
  status(line: string): void;
}

export interface CliContext {
  readonly terminal: Terminal;
  readonly platform: Platform;
  /** Of Dawnlet, and of what runs it: "node 26.10.0". */
  readonly versions: { readonly dawnlet: string; readonly runtime: string };
  /** What is piped or typed into the command. */
  input(): AsyncIterable<Uint8Array>;
  /** The command has done its work, and its answer is no: the process is to end with 1. */
  fail(): void;
}
