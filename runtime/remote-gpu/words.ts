/**
 * Commands as 32-bit words: what a client of a remote device writes and the device's owner reads. Numbers up to 2^53
 * take two words, texts lie beside the words and are named by index.
 */

/** Stands for a size that was left out. */
const absent = 0xffff_ffff;
const wordRange = 2 ** 32;
const firstCapacity = 256;

export class WordWriter {
  #words: Uint32Array<ArrayBuffer>;
  #length = 0;

  constructor(capacity = firstCapacity) {
    this.#words = new Uint32Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** @param value 0 to 2^32 - 1. */
  word(value: number): void {
    if (this.#length === this.#words.length) this.#grow(1);
    this.#words[this.#length++] = value;
  }

  words2(a: number, b: number): void {
    if (this.#length + 2 > this.#words.length) this.#grow(2);
    this.#words[this.#length++] = a;
    this.#words[this.#length++] = b;
  }

  words4(a: number, b: number, c: number, d: number): void {
    if (this.#length + 4 > this.#words.length) this.#grow(4);
    const at = this.#length;
    this.#words[at] = a;
    this.#words[at + 1] = b;
    this.#words[at + 2] = c;
    this.#words[at + 3] = d;
    this.#length = at + 4;
  }

  /** @param value a whole number of at most 2^53 - 1; undefined where the caller left it out. */
  long(value: number | undefined): void {
    if (value === undefined) this.words2(absent, absent);
    else this.words2(value % wordRange, Math.floor(value / wordRange));
  }

  append(words: Uint32Array): void {
    if (this.#length + words.length > this.#words.length) this.#grow(words.length);
    this.#words.set(words, this.#length);
    this.#length += words.length;
  }

  /** What was written, as a view that the next write may change. */
  view(): Uint32Array<ArrayBuffer> {
    return this.#words.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  #grow(least: number): void {
    const grown = new Uint32Array(Math.max(this.#words.length * 2, this.#length + least));
    grown.set(this.view());
    this.#words = grown;
  }
}

/** Thrown where words end too early: whoever wrote them does not keep to the protocol. */
export class WordsEnded extends Error {}

export class WordReader {
  readonly #words: Uint32Array;
  readonly #end: number;
  #at: number;

  constructor(words: Uint32Array, from = 0, to = words.length) {
    this.#words = words;
    this.#at = from;
    this.#end = to;
  }

  /** Words that are still to be read. */
  get left(): number {
    return this.#end - this.#at;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#end;
  }

  word(): number {
    if (this.#at >= this.#end) throw new WordsEnded("The commands end in the middle of one");
    return this.#words[this.#at++]!;
  }

  long(): number | undefined {
    const low = this.word();
    const high = this.word();
    if (low === absent && high === absent) return undefined;
    return high * wordRange + low;
  }

  /** A number of things of which each takes at least a word. */
  count(): number {
    const count = this.word();
    if (count > this.left) throw new WordsEnded("The commands end in the middle of one");
    return count;
  }

  /** A part of the words, to be read by itself. */
  part(length: number): WordReader {
    const from = this.#at;
    if (from + length > this.#end) throw new WordsEnded("The commands end in the middle of one");
    this.#at = from + length;
    return new WordReader(this.#words, from, from + length);
  }

  /** The next words, as a view. */
  view(length: number): Uint32Array {
    const from = this.#at;
    this.part(length);
    return this.#words.subarray(from, from + length);
  }
}
