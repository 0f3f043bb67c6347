/** Traces that name each single call: when it began, which function, how long it took. Reads text; opens no file. */
import type { Arrivals } from "./arrivals.ts";

export interface InvocationTrace {
  readonly arrivals: Arrivals & { readonly tookMs: Float64Array };
  /** By position, in the order of their first lines. */
  readonly names: readonly string[];
}

/**
 * @param text a line of names, then a line a call, in any order: function, start and duration in seconds. The trace ends
 *   with the whole second after its last call.
 * @throws RangeError.
 */
export function parseInvocations(text: string): InvocationTrace {
  const positions = new Map<string, number>();
  const [, ...lines] = text.trim().split("\n");
  const calls = lines.map((line) => {
    const [name = "", ...cells] = line.split(",");
    const [startS = Number.NaN, tookS = Number.NaN] = cells.map(Number);
    if (name === "" || cells.length !== 2 || !isTime(startS) || !isTime(tookS))
      throw new RangeError(`Cannot read the trace as '${line}' is no name with two times in seconds`);
    if (!positions.has(name)) positions.set(name, positions.size);
    return { index: positions.get(name)!, startS, tookS };
  });
  calls.sort((a, b) => a.startS - b.startS || a.index - b.index);
  return {
    names: [...positions.keys()],
    arrivals: {
      timesMs: Float64Array.from(calls, ({ startS }) => startS * 1000),
      functionOf: Uint32Array.from(calls, ({ index }) => index),
      tookMs: Float64Array.from(calls, ({ tookS }) => tookS * 1000),
      functions: positions.size,
      durationMs: (Math.floor(calls.at(-1)?.startS ?? 0) + 1) * 1000,
    },
  };
}

function isTime(seconds: number): boolean {
  return seconds >= 0 && seconds < Infinity;
}
