/** Values of command-line options, from text. */
import { InvalidArgumentError } from "commander";
import * as v from "valibot";
import { parseByteSize } from "../../kernels/manifest/byte-size.ts";
import { handlerLimitsSchema } from "../../kernels/manifest/handler-manifest.ts";
import { type HandlerLimits, maxHandlerLimits } from "../handlers/limits.ts";

/** `4GiB`, `512M`, `65536`: bytes, in powers of 1024 whatever the unit is called. */
export function parseSize(text: string): number {
  const bytes = parseByteSize(text);
  if (bytes !== undefined) return bytes;
  throw new InvalidArgumentError("expected a size such as 512MiB or 4GiB");
}

/** 0 means any port that is free. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError("expected a port from 0 to 65535");
}

export function parseCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(count)) return count;
  throw new InvalidArgumentError("expected a whole number");
}

/** Each option adds one. */
export function parseAdapters(text: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), text];
}

/** Each is a process that holds memory on the GPU. */
export function parseDevices(text: string): number {
  const count = parseCount(text);
  if (count >= 1 && count <= maxDevices) return count;
  throw new InvalidArgumentError(`expected a number from 1 to ${maxDevices}`);
}

const maxDevices = 16;

/** Each is a core that models keep busy. */
export function parseLanes(text: string): number {
  const count = parseCount(text);
  if (count >= 1 && count <= maxLanes) return count;
  throw new InvalidArgumentError(`expected a number from 1 to ${maxLanes}`);
}

const maxLanes = 64;

/** Of a variable of the environment as well, where `0` is to mean no. */
export function parseYes(text: string): boolean {
  if (/^(yes|true|1)$/i.test(text)) return true;
  if (/^(no|false|0|)$/i.test(text)) return false;
  throw new InvalidArgumentError("expected yes or no");
}

/** `memoryBytes=1GiB,instances=8`, or JSON of the same; names and values as in `limits` of a handler's function.json. */
export function parseHandlerLimits(text: string): Partial<HandlerLimits> {
  const result = v.safeParse(handlerLimitsSchema, text.startsWith("{") ? jsonOf(text) : pairsOf(text));
  if (result.success) return result.output;
  const [issue] = result.issues;
  const name = v.getDotPath(issue) ?? "limits";
  const known = Object.keys(maxHandlerLimits);
  if (!known.includes(name)) throw new InvalidArgumentError(`'${name}' is none of ${known.join(", ")}`);
  throw new InvalidArgumentError(`${name}: ${issue.message}`);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InvalidArgumentError("it is no JSON");
  }
}

function pairsOf(text: string): Record<string, unknown> {
  const pairs = text.split(",").map((pair) => {
    const [, name, value] = /^\s*(\w+)\s*=\s*(\S+)\s*$/.exec(pair) ?? [];
    if (name === undefined) throw new InvalidArgumentError("expected name=value,name=value");
    return [name, Number.isNaN(Number(value)) ? value : Number(value)];
  });
  return Object.fromEntries(pairs);
}
