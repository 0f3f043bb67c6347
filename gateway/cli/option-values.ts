/** Values of command-line options, from text. */
import { InvalidArgumentError } from "commander";
import { parseByteSize } from "../../kernels/manifest/byte-size.ts";

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
