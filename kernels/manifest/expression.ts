/**
 * Arithmetic in manifests: sizes, workgroup counts and uniform values as functions of dimensions and
 * parameters. Numbers, names, `+ - * / % ( )` and eight functions; no strings, no access to anything.
 * An expression is parsed once and evaluated at each call.
 */
import { DawnletError } from "../errors.ts";

export interface Expression {
  /** What the manifest says; equal sources have equal values in one scope. */
  readonly source: string;
  /** Dimensions and parameters that it reads. */
  readonly names: ReadonlySet<string>;
  readonly root: Node;
}

type Node =
  | { readonly type: "number"; readonly value: number }
  | { readonly type: "name"; readonly name: string }
  | { readonly type: "negate"; readonly operand: Node }
  | { readonly type: "binary"; readonly operator: string; readonly left: Node; readonly right: Node }
  | { readonly type: "call"; readonly function: string; readonly operands: readonly Node[] };

/** Values of dimensions and parameters. */
export type Scope = ReadonlyMap<string, number>;

const functions: ReadonlyMap<string, (...operands: number[]) => number> = new Map([
  ["ceil", Math.ceil],
  ["floor", Math.floor],
  ["round", Math.round],
  ["abs", Math.abs],
  ["sqrt", Math.sqrt],
  ["log2", Math.log2],
  ["min", Math.min],
  ["max", Math.max],
]);

/** Bounds keep the recursion of the parser and of the evaluation shallow. */
const longestSource = 1000;
const deepestNesting = 64;

const token = /\s*(?:(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|([-+*/%(),]))/y;

/** @throws DawnletError INVALID_BUNDLE naming the expression and the position (from 1). */
export function parseExpression(source: string): Expression {
  if (source.length > longestSource) {
    throw new DawnletError(
      "INVALID_BUNDLE",
      `Cannot parse an expression of ${source.length} characters: at most ${longestSource} are taken`,
    );
  }
  return new Parser(source).parse();
}

export function constantExpression(value: number): Expression {
  return { source: String(value), names: new Set(), root: { type: "number", value } };
}

/** The name, where the expression is nothing but one name. */
export function plainName(expression: Expression): string | undefined {
  return expression.root.type === "name" ? expression.root.name : undefined;
}

/** @throws DawnletError INVALID_ARGUMENT when the result is not finite, INVALID_BUNDLE when a name has no value. */
export function evaluate(expression: Expression, scope: Scope): number {
  const value = evaluateNode(expression.root, expression, scope);
  if (Number.isFinite(value)) return value;
  const values = [...expression.names].map((name) => `${name} = ${scope.get(name)}`).join(", ");
  throw new DawnletError(
    "INVALID_ARGUMENT",
    `Cannot evaluate '${expression.source}'${values && ` with ${values}`}: the result is ${value}`,
  );
}

function evaluateNode(node: Node, expression: Expression, scope: Scope): number {
  switch (node.type) {
    case "number":
      return node.value;
    case "name": {
      const value = scope.get(node.name);
      if (value !== undefined) return value;
      throw new DawnletError(
        "INVALID_BUNDLE",
        `Cannot evaluate '${expression.source}' as '${node.name}' has no value: use a dimension of an input or a parameter`,
      );
    }
    case "negate":
      return -evaluateNode(node.operand, expression, scope);
    case "binary": {
      const left = evaluateNode(node.left, expression, scope);
      const right = evaluateNode(node.right, expression, scope);
      return applyOperator(node.operator, left, right);
    }
    case "call": {
      const operands = node.operands.map((operand) => evaluateNode(operand, expression, scope));
      return functions.get(node.function)!(...operands);
    }
    default:
      return node satisfies never;
  }
}

function applyOperator(operator: string, left: number, right: number): number {
  if (operator === "+") return left + right;
  if (operator === "-") return left - right;
  if (operator === "*") return left * right;
  if (operator === "/") return left / right;
  return left % right;
}

interface Token {
  readonly text: string;
  readonly type: "number" | "name" | "symbol" | "end";
  /** Of the first character, from 0. */
  readonly start: number;
}

/** Recursive descent: sum → product → unary → primary. */
class Parser {
  readonly #source: string;
  readonly #tokens: readonly Token[];
  readonly #names = new Set<string>();
  #next = 0;

  constructor(source: string) {
    this.#source = source;
    this.#tokens = this.#scan();
  }

  parse(): Expression {
    const root = this.#binary(["+", "-"], 0);
    if (this.#peek().type !== "end") this.#fail("an operator or the end");
    return { source: this.#source.trim(), names: this.#names, root };
  }

  #scan(): Token[] {
    const tokens: Token[] = [];
    const end = this.#source.trimEnd().length;
    token.lastIndex = 0;
    while (token.lastIndex < end) {
      const from = token.lastIndex;
      const match = token.exec(this.#source);
      if (match === null) {
        const start = from + this.#source.slice(from).search(/\S/);
        this.#failAt(start, "a number, a name or an operator");
      }
      const text = match[1] ?? match[2] ?? match[3] ?? "";
      const type = match[1] !== undefined ? "number" : match[2] !== undefined ? "name" : "symbol";
      tokens.push({ text, type, start: token.lastIndex - text.length });
    }
    tokens.push({ text: "", type: "end", start: end });
    return tokens;
  }

  #binary(operators: readonly string[], depth: number): Node {
    const operand = () => (operators[0] === "+" ? this.#binary(["*", "/", "%"], depth) : this.#unary(depth));
    let left = operand();
    // A chain of operators is a tree as deep as it is long: bounded by the length of the source.
    while (this.#peek().type === "symbol" && operators.includes(this.#peek().text)) {
      const operator = this.#take().text;
      left = { type: "binary", operator, left, right: operand() };
    }
    return left;
  }

  #unary(depth: number): Node {
    if (depth > deepestNesting) this.#fail(`at most ${deepestNesting} levels of nesting`);
    const text = this.#peek().text;
    if (text !== "-" && text !== "+") return this.#primary(depth);
    this.#take();
    const operand = this.#unary(depth + 1);
    return text === "-" ? { type: "negate", operand } : operand;
  }

  #primary(depth: number): Node {
    const { text, type } = this.#peek();
    if (type === "number") {
      const value = Number(text);
      if (!Number.isFinite(value)) this.#fail("a finite number");
      this.#take();
      return { type: "number", value };
    }
    if (type === "name") {
      const next = this.#tokens[this.#next + 1];
      if (next?.text === "(") return this.#call(depth);
      this.#take();
      this.#names.add(text);
      return { type: "name", name: text };
    }
    if (text !== "(") this.#fail("a number, a name or '('");
    this.#take();
    const inner = this.#binary(["+", "-"], depth + 1);
    this.#expect(")");
    return inner;
  }

  #call(depth: number): Node {
    const name = this.#peek().text;
    const apply = functions.get(name);
    if (apply === undefined) this.#fail(`one of ${[...functions.keys()].join(", ")}`);
    this.#take();
    this.#expect("(");
    const operands = [this.#binary(["+", "-"], depth + 1)];
    const takesMany = name === "min" || name === "max";
    while (takesMany && this.#peek().text === ",") {
      this.#take();
      operands.push(this.#binary(["+", "-"], depth + 1));
    }
    if (takesMany && operands.length < 2) this.#fail(`',' as ${name} takes at least two values`);
    this.#expect(")");
    return { type: "call", function: name, operands };
  }

  #peek(): Token {
    return this.#tokens[this.#next]!;
  }

  #take(): Token {
    return this.#tokens[this.#next++]!;
  }

  #expect(symbol: string): void {
    if (this.#peek().text !== symbol) this.#fail(`'${symbol}'`);
    this.#take();
  }

  #fail(expected: string): never {
    return this.#failAt(this.#peek().start, expected);
  }

  #failAt(start: number, expected: string): never {
    const found = start < this.#source.trimEnd().length ? `found '${this.#source[start]}'` : "it ends there";
    throw new DawnletError(
      "INVALID_BUNDLE",
      `Cannot parse expression '${this.#source}' at position ${start + 1} (${found}): expected ${expected}`,
    );
  }
}
