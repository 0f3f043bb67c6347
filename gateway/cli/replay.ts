/** The command `dawnlet replay`: its options. What it does is in run-replay.ts, which is not loaded for other commands. */
import { type Command, InvalidArgumentError } from "commander";
import type { CliContext } from "./terminal.ts";

export interface ReplayOptions {
  /** Numbers of steps, from 1; true for all. */
  readonly steps?: StepRange | true;
  readonly function?: string;
  readonly json?: true;
}

export interface StepRange {
  readonly first: number;
  /** Included. */
  readonly last: number;
}

export function addReplay(program: Command, context: CliContext): void {
  program
    .command("replay")
    .description(
      "do again what the scheduler did, from a log of 'serve --schedule-log', and say what that was",
    )
    .argument("<file>", "the log")
    .option("--steps [from-to]", "show each event with what was done, in place of a summary", parseSteps)
    .option("--function <name>", "of one function only: its name, name@version or id")
    .option("--json", "print JSON: the summary, or a line a step")
    .action(async (file: string, options: ReplayOptions) => {
      const { replayFile } = await import("./run-replay.ts");
      await replayFile(file, options, context);
    });
}

/** `5-9`, `5-` or `5`, which is that step alone. */
function parseSteps(text: string): StepRange {
  const [, from, dash, to] = /^(\d+)(-?)(\d*)$/.exec(text) ?? [];
  if (from === undefined || (dash === "" && to !== ""))
    throw new InvalidArgumentError("expected numbers of steps such as 5, 5-9 or 5-");
  const first = Number(from);
  if (dash === "") return { first, last: first };
  return { first, last: to === "" ? Number.POSITIVE_INFINITY : Number(to) };
}
