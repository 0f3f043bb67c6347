/**
 * When a caller wants its answer, by headers that hold for every protocol: `dawnlet-deadline: 80`, milliseconds from now,
 * by which the scheduler orders calls; and `dawnlet-late: refuse`, to be told at once where that cannot be. An answer that
 * is late comes all the same: for a time after which nobody waits there is the protocol's timeout.
 */
import { DawnletError } from "../../kernels/errors.ts";

export interface CallDeadline {
  readonly deadlineMs: number | undefined;
  readonly refuseLate: boolean;
}

const longestMs = 24 * 3_600_000;

/** @throws DawnletError INVALID_ARGUMENT naming the header. */
export function readCallDeadline(headers: Headers): CallDeadline {
  const given = headers.get("dawnlet-deadline");
  const late = headers.get("dawnlet-late");
  if (late !== null && late !== "refuse" && late !== "answer")
    throw new DawnletError(
      "INVALID_ARGUMENT",
      "Cannot read the header dawnlet-late: expected 'refuse' or 'answer'",
    );
  return { deadlineMs: given === null ? undefined : parseMs(given), refuseLate: late === "refuse" };
}

function parseMs(text: string): number {
  const ms = /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (ms > 0 && ms <= longestMs) return ms;
  throw new DawnletError(
    "INVALID_ARGUMENT",
    `Cannot read the header dawnlet-deadline: expected milliseconds, above 0 and at most ${longestMs}`,
  );
}
