/** `dawnlet replay`: reads a schedule log piece by piece, and has the policy that it names do the same again. */
import { createReadStream } from "node:fs";
import { DawnletError } from "../../kernels/errors.ts";
import { EventLogReader } from "../scheduler/core/read-event-log.ts";
import { type ReplayedStep, replayStep } from "../scheduler/core/replay.ts";
import { createScheduler, type Scheduler } from "../scheduler/core/scheduler.ts";
import { namedPolicy } from "../scheduler/policies/named-policy.ts";
import { SummaryCount } from "../scheduler/replay/summary.ts";
import { stepLines, summaryLines } from "../scheduler/replay/text.ts";
import { isMeant, Trail, type TrailedStep } from "../scheduler/replay/trail.ts";
import { printable } from "./log-text.ts";
import type { ReplayOptions } from "./replay.ts";
import type { Terminal } from "./terminal.ts";

/**
 * @throws DawnletError INVALID_ARGUMENT where the file cannot be read, or names a policy that there is not; NOT_FOUND for a
 *   function that it does not name.
 */
export async function replayFile(
  path: string,
  options: ReplayOptions,
  { terminal }: { readonly terminal: Pick<Terminal, "out"> },
): Promise<void> {
  const { function: wanted, json, steps } = options;
  const reader = new EventLogReader();
  const names = new Set<string>();
  const trail = new Trail();
  const count = new SummaryCount(wanted);
  const out = (line: string) => terminal.out(printable(line));
  for await (const replayed of stepsOf(path, reader)) {
    const step = trail.follow(replayed);
    if (step.event.type === "function") names.add(step.event.function.id);
    count.add(step);
    if (!isShown(step, options)) continue;
    const { number, now, event, actions } = step;
    if (json) out(JSON.stringify({ step: number, now, event, actions }));
    else for (const line of stepLines(step, reader.header)) out(line);
  }
  if (wanted !== undefined && ![...names].some((id) => isMeant(id, wanted))) throw noFunction(wanted, names);
  if (steps !== undefined) return;
  const { header, ending } = reader;
  const summary = count.summary(trail.open());
  if (json) out(JSON.stringify({ header, ...summary, ending }, null, 2));
  else for (const line of summaryLines(summary, header, ending)) out(line);
}

async function* stepsOf(path: string, reader: EventLogReader): AsyncGenerator<ReplayedStep> {
  let scheduler: Scheduler | undefined;
  for await (const line of linesOf(path)) {
    const event = reader.read(line);
    scheduler ??= createScheduler(namedPolicy(reader.header));
    if (event !== undefined) yield replayStep(scheduler, event);
  }
  // Says that it is empty.
  void reader.header;
}

/** Steps in which a function has a part are shown with all that was done in them: who had to leave for it. */
function isShown(step: TrailedStep, { steps, function: wanted }: ReplayOptions): boolean {
  if (steps === undefined) return false;
  if (steps !== true && (step.number < steps.first || step.number > steps.last)) return false;
  if (wanted === undefined) return true;
  return [step.eventFunction, ...step.trailed.map((one) => one.function)].some((id) => isMeant(id, wanted));
}

/** With their ends: the last may have none. */
async function* linesOf(path: string): AsyncGenerator<string> {
  let rest = "";
  try {
    for await (const text of createReadStream(path, { encoding: "utf8" })) {
      const lines = `${rest}${text}`.split(/(?<=\n)/);
      rest = lines.at(-1)!.endsWith("\n") ? "" : lines.pop()!;
      yield* lines;
    }
  } catch (cause) {
    if (cause instanceof DawnletError) throw cause;
    const why = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
    throw new DawnletError("INVALID_ARGUMENT", `Cannot read the schedule log '${path}': ${why}`, { cause });
  }
  if (rest !== "") yield rest;
}

function noFunction(wanted: string, ids: ReadonlySet<string>): DawnletError {
  const names = [...new Set([...ids].map((id) => id.split("@")[0]))].sort().join(", ");
  return new DawnletError(
    "NOT_FOUND",
    `Cannot find function '${wanted}' in the log: it has ${names || "no function"}`,
  );
}
