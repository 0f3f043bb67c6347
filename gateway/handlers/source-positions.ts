/**
 * From positions in a bundled handler to those in the files that were deployed. Stacks come from a handler's own
 * process and may be any text: frames that are not of its code, which would name files of this machine, are dropped.
 */
import { originalPositionFor, TraceMap } from "@jridgewell/trace-mapping";

/**
 * What the bundled module is called in stacks. Engines name a module by where it was imported from (a data: URL, for
 * one), whatever its `sourceURL` says: who runs it puts this name there.
 */
export const bundleFileName = "handler.js";

const longestStack = 64 * 1024;
const mostFrames = 50;

/** @param map JSON, read once; where it is none, frames are dropped. @returns `mapStack` for this map. */
export function stackMapper(map: string): (stack: string) => string {
  const positions = parseMap(map);
  return (stack) => mapped(stack, positions);
}

/**
 * A stack as V8 writes it, with `handler.js:1:46` turned into `handler.ts:3:14`. Its first lines, the message, stay.
 * @param map JSON; where it is none, the frames are dropped.
 */
export function mapStack(stack: string, map: string): string {
  return stackMapper(map)(stack);
}

function mapped(stack: string, positions: TraceMap | undefined): string {
  const lines: string[] = [];
  let frames = 0;
  for (const line of stack.slice(0, longestStack).split("\n")) {
    if (!/^\s{1,20}at /.test(line)) {
      // Lines behind the first frame are of no message.
      if (frames === 0) lines.push(line);
      continue;
    }
    frames += 1;
    const frame = positions && mapFrame(line, positions);
    if (frame !== undefined) lines.push(frame);
    if (lines.length >= mostFrames) break;
  }
  return lines.join("\n");
}

/** `at f (handler.js:1:2)` or `at handler.js:1:2`, where the file may have the folder of `import.meta.url`. */
const framePattern =
  /^\s{1,20}at (?:(?<name>[^()]{1,200}) \()?(?:async )?(?:file:\/\/\/handler\/)?handler\.js:(?<line>\d{1,9}):(?<column>\d{1,9})\)?$/;

function mapFrame(line: string, map: TraceMap): string | undefined {
  const groups = framePattern.exec(line)?.groups;
  if (groups === undefined) return undefined;
  const at = { line: Math.max(1, Number(groups.line)), column: Math.max(0, Number(groups.column) - 1) };
  const found = originalPositionFor(map, at);
  if (found.source === null) return undefined;
  const position = `${found.source}:${found.line}:${found.column + 1}`;
  return groups.name === undefined ? `    at ${position}` : `    at ${groups.name} (${position})`;
}

function parseMap(map: string): TraceMap | undefined {
  try {
    return new TraceMap(map);
  } catch {
    return undefined;
  }
}
