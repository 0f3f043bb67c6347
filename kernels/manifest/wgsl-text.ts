/**
 * What can be read from WGSL without understanding it: comments, enable directives, and where functions
 * begin and end. It hands the declarations to the reflection library with empty function bodies, and
 * for each function the identifiers that it mentions.
 *
 * The library (wgsl_reflect 1.6.0) refuses valid function bodies (nested comments, `const_assert`) and needs time
 * exponential in the depth of the call graph: 0.4 s at depth 16, hours at 30. So it never sees a body.
 */
import { DawnletError } from "../errors.ts";

export interface WgslText {
  /** The module without comments and with empty function bodies; same line numbers. */
  readonly declarations: string;
  readonly functions: ReadonlyMap<string, FunctionText>;
  /** Names after `enable`, such as `f16`. */
  readonly enables: readonly string[];
}

export interface FunctionText {
  /** Identifiers in the body, but for parameters and what follows a `.`. */
  readonly mentions: ReadonlySet<string>;
}

const directives = ["enable", "requires", "diagnostic"];

/** Declared types, and types within one when all are written out. No kernel comes near. */
const mostTypes = 1000;

/** @throws DawnletError INVALID_SHADER naming the file and the line. */
export function readWgslText(file: string, source: string): WgslText {
  const text = stripComments(file, source);
  const functions = new Map<string, FunctionText>();
  const enables: string[] = [];
  const types = new Map<string, readonly string[]>();
  let declarations = "";
  let copied = 0;
  const scanner = new Scanner(file, text);
  let previous = "";
  for (let word = scanner.next(); word !== undefined; word = scanner.next()) {
    // The library does not take directives that list several names. `@diagnostic` is an attribute.
    if (directives.includes(word) && previous !== "@") {
      const start = scanner.position - word.length;
      const names = scanner.words(";").filter((name) => name !== ",");
      if (word === "enable") enables.push(...names);
      declarations += text.slice(copied, start) + newlinesOf(text.slice(start, scanner.position));
      copied = scanner.position;
    } else if (word === "fn") {
      const name = scanner.next() ?? "";
      const parameters = scanner.parameters();
      scanner.skipTo("{");
      const bodyStart = scanner.position;
      functions.set(name, { mentions: scanner.body(parameters) });
      declarations += `${text.slice(copied, bodyStart)}${newlinesOf(text.slice(bodyStart, scanner.position))}}`;
      copied = scanner.position;
    } else if (word === "struct") {
      const name = scanner.next() ?? "";
      scanner.skipTo("{");
      types.set(name, scanner.words("}"));
    } else if (word === "alias") {
      const name = scanner.next() ?? "";
      types.set(name, scanner.words(";"));
    }
    previous = word;
  }
  if (types.size > mostTypes) throw invalid(file, undefined, `it declares more than ${mostTypes} types`);
  const counts = new Map<string, number>();
  for (const name of types.keys()) refuseExplosion(file, name, types, counts);
  declarations += text.slice(copied);
  return { declarations: simplifyAttributes(declarations), functions, enables };
}

/**
 * Types within types: the library visits each as often as it is mentioned, so 30 structs that hold the
 * one before twice would keep it busy for hours.
 * @returns how many types the one of that name comes to.
 */
function refuseExplosion(
  file: string,
  name: string,
  types: ReadonlyMap<string, readonly string[]>,
  counts: Map<string, number>,
): number {
  const known = counts.get(name);
  if (known !== undefined) return known;
  // Until it is counted it is endless, so a type that contains itself is refused.
  counts.set(name, Number.POSITIVE_INFINITY);
  let count = 1;
  for (const word of types.get(name) ?? []) {
    if (types.has(word)) count += refuseExplosion(file, word, types, counts);
  }
  if (count > mostTypes) {
    throw invalid(file, undefined, `type '${name}' holds more than ${mostTypes} types within each other`);
  }
  counts.set(name, count);
  return count;
}

/** Comments become spaces; block comments nest. */
function stripComments(file: string, source: string): string {
  const comment = /\/\/[^\n\v\f\r\u0085\u2028\u2029]*|\/\*/g;
  const edge = /\/\*|\*\//g;
  let text = "";
  let copied = 0;
  for (let match = comment.exec(source); match !== null; match = comment.exec(source)) {
    text += source.slice(copied, match.index);
    let end = comment.lastIndex;
    if (match[0] === "/*") {
      edge.lastIndex = end;
      for (let depth = 1; depth > 0; ) {
        const next = edge.exec(source);
        if (next === null) throw invalid(file, lineOf(source, match.index), "a comment does not end");
        depth += next[0] === "/*" ? 1 : -1;
        end = edge.lastIndex;
      }
    }
    text += ` ${newlinesOf(source.slice(match.index, end))}`;
    copied = end;
    comment.lastIndex = end;
  }
  return text + source.slice(copied);
}

/** Reads words and single symbols; numbers are words. */
class Scanner {
  readonly #file: string;
  readonly #text: string;
  readonly #word = /[\p{XID_Start}_][\p{XID_Continue}]*|\d[\w.]*|\S/gu;
  /** Just after the last word. */
  position = 0;

  constructor(file: string, text: string) {
    this.#file = file;
    this.#text = text;
  }

  next(): string | undefined {
    this.#word.lastIndex = this.position;
    const match = this.#word.exec(this.#text);
    if (match === null) return undefined;
    this.position = this.#word.lastIndex;
    return match[0];
  }

  skipTo(symbol: string): void {
    this.words(symbol);
  }

  /** All words before the symbol, which is taken too. */
  words(symbol: string): string[] {
    const words: string[] = [];
    const from = this.position;
    for (let word = this.next(); word !== symbol; word = this.next()) {
      if (word === undefined) throw invalid(this.#file, lineOf(this.#text, from), `expected '${symbol}'`);
      words.push(word);
    }
    return words;
  }

  /** From the `(` after a function's name to its `)`. */
  parameters(): ReadonlySet<string> {
    const names = new Set<string>();
    this.skipTo("(");
    const from = this.position;
    let previous = "";
    for (let depth = 1; depth > 0; ) {
      const word = this.next();
      if (word === undefined) throw invalid(this.#file, lineOf(this.#text, from), "expected ')'");
      if (word === "(") depth++;
      if (word === ")") depth--;
      if (word === ":" && depth === 1) names.add(previous);
      previous = word;
    }
    return names;
  }

  /**
   * From after a `{` to after its `}`. A local variable with the name of a module's variable counts as a
   * mention of it: at worst a binding is asked for that the function does not need.
   */
  body(parameters: ReadonlySet<string>): ReadonlySet<string> {
    const mentions = new Set<string>();
    const from = this.position;
    let previous = "";
    for (let depth = 1; depth > 0; ) {
      const word = this.next();
      if (word === undefined) throw invalid(this.#file, lineOf(this.#text, from), "'{' without '}'");
      if (word === "{") depth++;
      else if (word === "}") depth--;
      else if (previous !== "." && /^[\p{XID_Start}_]/u.test(word) && !parameters.has(word))
        mentions.add(word);
      previous = word;
    }
    return mentions;
  }
}

/** The library takes only single words in these attributes: `@workgroup_size(TILE * 2, 1,)` gets a constant for its product. */
function simplifyAttributes(declarations: string): string {
  let constants = "";
  let count = 0;
  const attribute =
    /@\s*(workgroup_size|group|binding|id|align|size)\s*\(([^@;{}]*?)\)(?=\s*(?:@|fn\b|var\b|override\b|[\p{XID_Start}_]))/gu;
  const text = declarations.replace(attribute, (_, name: string, list: string) => {
    const values = splitAtCommas(list).map((value) => {
      if (/^\w+$/.test(value)) return value;
      const constant = `dawnlet_attribute_${count++}`;
      constants += ` const ${constant} = ${value};`;
      return constant;
    });
    return `@${name}(${values.join(", ")})${newlinesOf(list)}`;
  });
  return text + constants;
}

function splitAtCommas(list: string): string[] {
  const parts = [""];
  let depth = 0;
  for (const character of list) {
    if (character === "(") depth++;
    if (character === ")") depth--;
    if (character === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += character;
  }
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}

/** What stays of a piece that is left out, so that lines keep their numbers. */
function newlinesOf(text: string): string {
  return text.replace(/[^\n]/g, "");
}

function lineOf(text: string, position: number): number {
  return text.slice(0, position).split("\n").length;
}

export function invalid(file: string, line: number | undefined, what: string): DawnletError {
  const where = line === undefined ? "" : ` at line ${line}`;
  return new DawnletError("INVALID_SHADER", `Cannot read shader '${file}'${where}: ${what}`);
}
