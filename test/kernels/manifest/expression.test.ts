import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DawnletError } from "../../../kernels/errors.ts";
import {
  constantExpression,
  evaluate,
  parseExpression,
  plainName,
} from "../../../kernels/manifest/expression.ts";

const scope = new Map([
  ["n", 100],
  ["m", 7],
  ["a_1", -2.5],
]);

function resultOf(source: string): number {
  return evaluate(parseExpression(source), scope);
}

describe("evaluate()", () => {
  it.each([
    ["1 + 2 * 3", 7],
    ["(1 + 2) * 3", 9],
    ["10 - 4 - 3", 3],
    ["100 / 10 / 5", 2],
    ["n % m", 2],
    ["-n + +m", -93],
    ["--m", 7],
    ["2 * -m", -14],
    ["ceil(n / 64)", 2],
    ["floor(-1.5)", -2],
    ["round(2.5)", 3],
    ["abs(a_1)", 2.5],
    ["sqrt(n)", 10],
    ["log2(8)", 3],
    ["min(n, m, 3)", 3],
    ["max(n, max(m, 300))", 300],
    [".5e1 + 1.", 6],
    ["  n\n", 100],
  ])("gives %s = %d", (source, expected) => {
    expect(resultOf(source)).toBe(expected);
  });

  it.each([
    ["n / (m - 7)", "with n = 100, m = 7: the result is Infinity"],
    ["sqrt(a_1)", "with a_1 = -2.5: the result is NaN"],
    ["1 / 0", "Cannot evaluate '1 / 0': the result is Infinity"],
  ])("refuses %s as it is not finite, and names the values", (source, message) => {
    expect(() => resultOf(source)).toThrow(message);
  });

  it("refuses a name without a value", () => {
    expect(() => resultOf("n + k")).toThrow("'k' has no value");
    expect(resultOf("n + m")).toBe(107);
  });
});

describe("parseExpression()", () => {
  it.each([
    ["ceil(n / )", "position 10 (found ')'): expected a number, a name or '('"],
    ["n +", "position 4 (it ends there)"],
    ["", "position 1 (it ends there)"],
    ["2 n", "position 3 (found 'n'): expected an operator or the end"],
    ["(n", "expected ')'"],
    ["n $ 2", "position 3 (found '$'): expected a number, a name or an operator"],
    ["eval(n)", "position 1 (found 'e'): expected one of ceil, floor"],
    ["constructor(n)", "expected one of ceil"],
    ["min(n)", "expected ',' as min takes at least two values"],
    ["ceil(n, 2)", "expected ')'"],
    ["n ** 2", "position 4 (found '*')"],
    ["1e999", "expected a finite number"],
    ["n.length", "position 2 (found '.')"],
  ])("refuses %j", (source, message) => {
    expect(() => parseExpression(source)).toThrow(message);
  });

  it("refuses nesting that would exhaust the stack, and takes less", () => {
    const nested = (depth: number) => `${"(".repeat(depth)}1${")".repeat(depth)}`;
    expect(() => parseExpression(nested(100))).toThrow("64 levels of nesting");
    expect(() => parseExpression("-".repeat(100))).toThrow("64 levels of nesting");
    expect(() => parseExpression(nested(1000))).toThrow("2001 characters");
    expect(resultOf(nested(50))).toBe(1);
    expect(resultOf(`1${" + 1".repeat(200)}`)).toBe(201);
  });

  it("reports the names that it uses, functions left out", () => {
    expect([...parseExpression("max(n, ceil(m / n)) + a_1").names]).toEqual(["n", "m", "a_1"]);
    expect([...constantExpression(3).names]).toEqual([]);
  });

  it("knows a plain name from an expression", () => {
    expect(plainName(parseExpression(" n "))).toBe("n");
    expect(plainName(parseExpression("n + 1"))).toBeUndefined();
  });

  it("throws nothing but INVALID_BUNDLE, whatever the text", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(..."n1.+-*/%(), \tceilmaxe$"), maxLength: 30 }),
        (source) => {
          try {
            parseExpression(source);
          } catch (error) {
            expect(error).toBeInstanceOf(DawnletError);
            expect(error).toHaveProperty("code", "INVALID_BUNDLE");
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("agrees with JavaScript on arithmetic", () => {
    const { expression } = fc.letrec<{ expression: string }>((tie) => ({
      expression: fc.oneof(
        { maxDepth: 5 },
        fc.constantFrom("n", "m", "a_1"),
        fc.nat({ max: 50 }).map(String),
        fc
          .tuple(tie("expression"), fc.constantFrom(" + ", "-", "*", "/", "%"), tie("expression"))
          // A space keeps JavaScript from seeing `--`.
          .map(([left, operator, right]) => `${left}${operator} ${right}`),
        tie("expression").map((inner) => `(${inner})`),
        tie("expression").map((inner) => `- (${inner})`),
      ),
    }));
    fc.assert(
      fc.property(expression, (source) => {
        const expected: unknown = new Function(...scope.keys(), `return ${source}`)(...scope.values());
        if (typeof expected === "number" && Number.isFinite(expected))
          expect(resultOf(source)).toBe(expected);
        else expect(() => resultOf(source)).toThrow("Cannot evaluate");
      }),
      { numRuns: 500 },
    );
  });
});
