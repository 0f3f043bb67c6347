/**
 * What a JSON text would become, seen before it is parsed: how deep it nests, and how many values it makes that each
 * take memory and time of their own. `{},` 22 million times are 64 MiB of text, and 19 seconds and 2 GB to parse;
 * as many bytes of numbers in one array are half a second.
 */

export interface StructureLimits {
  /** Arrays and objects inside one another. */
  readonly depth: number;
  /** Arrays, objects and strings, names of fields among them. */
  readonly values: number;
}

/** @returns which limit the text goes beyond; undefined where it keeps both. Text that is no JSON may give either. */
export function excessOf(text: string, { depth: maxDepth, values: maxValues }: StructureLimits) {
  if (text.length <= maxDepth || isPlain(text, maxDepth, maxValues)) return undefined;
  // A search by regular expression passes numbers 20 times as fast as a loop over characters.
  const structural = /["[\]{}]/g;
  let depth = 0;
  let values = 0;
  while (structural.test(text)) {
    const code = text.charCodeAt(structural.lastIndex - 1);
    const isString = code === quote;
    if (isString) structural.lastIndex = endOfString(text, structural.lastIndex);
    else if (code === openBracket || code === openBrace) {
      if (++depth > maxDepth) return "depth";
    } else {
      depth--;
      continue;
    }
    if (++values > maxValues) return "values";
  }
  return undefined;
}

/** The position after the closing quote of a string whose content begins at `start`. */
export function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start); at >= 0; at = text.indexOf('"', at + 1)) {
    let before = at;
    while (before > start && text.charCodeAt(before - 1) === backslash) before--;
    if ((at - before) % 2 === 0) return at + 1;
  }
  return text.length;
}

const quote = 0x22;
const backslash = 0x5c;
const openBracket = 0x5b;
const openBrace = 0x7b;

/** Few brackets and quotes, wherever they stand. Flat data, however long, passes at the speed of `memchr`. */
function isPlain(text: string, maxOpeners: number, maxStrings: number): boolean {
  const openers = countUpTo(text, "[", maxOpeners);
  if (openers + countUpTo(text, "{", maxOpeners - openers) > maxOpeners) return false;
  const strings = maxStrings - maxOpeners;
  return countUpTo(text, '"', 2 * strings) <= 2 * strings;
}

/** How often a character occurs; counting ends beyond `limit`. */
function countUpTo(text: string, character: string, limit: number): number {
  let count = 0;
  for (let at = text.indexOf(character); at >= 0 && count <= limit; at = text.indexOf(character, at + 1))
    count++;
  return count;
}
