/** Sizes that people write: `4GiB`, `512M`, `65536`. */

const factors: Readonly<Record<string, number>> = {
  "": 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
};

/** Bytes, in powers of 1024 whatever the unit is called. Undefined where the text is no size above zero. */
export function parseByteSize(text: string): number | undefined {
  const match = /^(\d{1,20}(?:\.\d{1,20})?)\s?([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  const bytes = match ? Math.floor(Number(match[1]) * factors[match[2]!.toLowerCase()]!) : Number.NaN;
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
}
