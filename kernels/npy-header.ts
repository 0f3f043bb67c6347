/**
 * The header of a .npy file: a Python dictionary literal with exactly the keys `descr`, `fortran_order`
 * and `shape`. A reader of that literal only, not of Python.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import { DawnletError } from "./errors.ts";

export interface NpyHeader {
  /** Such as `<f4`. */
  readonly descr: string;
  readonly isFortranOrder: boolean;
  readonly shape: readonly number[];
}

/** @throws DawnletError INVALID_ARGUMENT with the position of what is not understood. */
export function parseNpyHeader(text: string): NpyHeader {
  const cursor = new Cursor(text);
  const entries = new Map<string, string | boolean | readonly number[]>();
  cursor.expect("{");
  while (!cursor.accept("}")) {
    const key = cursor.string();
    if (entries.has(key)) throw cursor.failure(`the key '${key}' a second time`);
    cursor.expect(":");
    entries.set(key, cursor.value());
    if (cursor.accept(",")) continue;
    cursor.expect("}");
    break;
  }
  cursor.end();
  const descr = entries.get("descr");
  const isFortranOrder = entries.get("fortran_order");
  const shape = entries.get("shape");
  const isComplete = typeof descr === "string" && typeof isFortranOrder === "boolean" && Array.isArray(shape);
  if (isComplete && entries.size === 3) return { descr, isFortranOrder, shape };
  throw new DawnletError(
    "INVALID_ARGUMENT",
    "Cannot read the .npy header as it must state descr (a simple type), fortran_order and shape, and no more",
  );
}

class Cursor {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  accept(symbol: string): boolean {
    this.#skipSpace();
    if (!this.#text.startsWith(symbol, this.#at)) return false;
    this.#at += symbol.length;
    return true;
  }

  expect(symbol: string): void {
    if (!this.accept(symbol)) throw this.failure(`'${symbol}' missing`);
  }

  /** In single or double quotes, without escapes: type names have none. */
  string(): string {
    const quote = this.accept("'") ? "'" : '"';
    if (quote === '"') this.expect('"');
    const end = this.#text.indexOf(quote, this.#at);
    if (end < 0) throw this.failure("a string without end");
    const value = this.#text.slice(this.#at, end);
    this.#at = end + 1;
    return value;
  }

  value(): string | boolean | readonly number[] {
    if (this.accept("True")) return true;
    if (this.accept("False")) return false;
    if (this.accept("(")) return this.#tuple();
    return this.string();
  }

  #tuple(): readonly number[] {
    const numbers: number[] = [];
    while (!this.accept(")")) {
      numbers.push(this.#integer());
      if (this.accept(",")) continue;
      this.expect(")");
      break;
    }
    return numbers;
  }

  #integer(): number {
    this.#skipSpace();
    const start = this.#at;
    while (isDigit(this.#text.charCodeAt(this.#at))) this.#at++;
    const value = Number(this.#text.slice(start, this.#at));
    if (start === this.#at || !Number.isSafeInteger(value)) throw this.failure("no whole number");
    // Python 2 wrote its long integers with a suffix.
    this.accept("L");
    return value;
  }

  end(): void {
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.failure("more text");
  }

  failure(what: string): DawnletError {
    return new DawnletError(
      "INVALID_ARGUMENT",
      `Cannot read the .npy header as there is ${what} at ${this.#at}`,
    );
  }

  #skipSpace(): void {
    while (isSpace(this.#text.charCodeAt(this.#at))) this.#at++;
  }
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d);
}
