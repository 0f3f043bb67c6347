/**
 * JSON whose integers beyond 2^53 become `bigint` instead of losing digits. A reviver would be called for each number,
 * a microsecond each: here such integers are put into marked strings before the text is parsed, and taken out of them
 * afterwards.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { endOfString } from "./json-structure.ts";

/** Integers of fewer digits are exact as numbers. */
const fewestDigits = 16;
const candidate = new RegExp(`"|\\d{${fewestDigits},}`, "g");
/** What may stand before and behind the digits of an integer, beside spaces. */
const before = /[\s,:[-]/;
const behind = /[\s,\]}]/;

/**
 * @param text whose depth was checked.
 * @param most integers of so many digits; each takes two microseconds.
 * @throws DawnletError PAYLOAD_TOO_LARGE where there are more; SyntaxError as JSON.parse.
 */
export function parseExactIntegers(text: string, most: number): unknown {
  // Nobody who writes a text knows what its strings would have to begin with.
  const mark = `${crypto.randomUUID()}:`;
  const marked = markIntegers(text, mark, most);
  const value: unknown = JSON.parse(marked);
  return marked === text ? value : unmark(value, mark);
}

function markIntegers(text: string, mark: string, most: number): string {
  const parts: string[] = [];
  let copied = 0;
  candidate.lastIndex = 0;
  for (let found = candidate.exec(text); found !== null; found = candidate.exec(text)) {
    const [digits] = found;
    if (digits === '"') {
      candidate.lastIndex = endOfString(text, candidate.lastIndex);
      continue;
    }
    const end = candidate.lastIndex;
    const isNegative = text[found.index - 1] === "-";
    const start = isNegative ? found.index - 1 : found.index;
    // Else it is part of a fraction or of an exponent, or no JSON, which is for the parser to say.
    if (digits.startsWith("0") || !isAt(text, start - 1, before) || !isAt(text, end, behind)) continue;
    if (text[start - 1] === "-") continue;
    parts.push(text.slice(copied, start), `"${mark}${text.slice(start, end)}"`);
    copied = end;
    if (parts.length > 2 * most)
      throw new DawnletError(
        "PAYLOAD_TOO_LARGE",
        `Cannot read JSON of more than ${most} integers that have ${fewestDigits} digits or more: send them as bytes`,
      );
  }
  return copied === 0 ? text : parts.join("") + text.slice(copied);
}

/** Also where the text ends. */
function isAt(text: string, index: number, what: RegExp): boolean {
  const letter = text[index];
  return letter === undefined || what.test(letter);
}

function unmark(value: unknown, mark: string): unknown {
  if (typeof value === "string") return value.startsWith(mark) ? integer(value.slice(mark.length)) : value;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      // Most are numbers, and there may be millions of them.
      if (typeof value[i] !== "number") value[i] = unmark(value[i], mark);
    }
    return value;
  }
  for (const [key, one] of Object.entries(value)) {
    const exact = unmark(one, mark);
    // No assignment: a key may be `__proto__`.
    if (exact !== one) Object.defineProperty(value, key, { value: exact, ...plain });
  }
  return value;
}

const plain = { writable: true, enumerable: true, configurable: true } as const;

function integer(digits: string): number | bigint {
  const value = Number(digits);
  return Number.isSafeInteger(value) ? value : BigInt(digits);
}
