/** What `dawnlet dev` makes of messages and of files with secrets. */
import { describe, expect, test } from "vitest";
import { parseSecretsFile, readDevSecrets } from "../../../gateway/cli/dev-secrets.ts";
import { failureText, problemText, renamer } from "../../../gateway/cli/dev-text.ts";
import { DawnletError } from "../../../kernels/errors.ts";

describe("problemText()", () => {
  test.each([
    [
      "INVALID_BUNDLE",
      'Cannot deploy the bundle as handler.ts:3:14: Expected ";"\nlib/a.ts:1:2: No',
      'handler.ts:3:14: Expected ";"\nlib/a.ts:1:2: No',
    ],
    [
      "INVALID_SHADER",
      "Cannot deploy function 'x': Cannot compile main.wgsl:2:7: unknown",
      "main.wgsl:2:7: unknown",
    ],
    [
      "FUNCTION_FAILED",
      "Cannot deploy function 'x': Cannot start function 'x': Error: no\n    at f (a.ts:3:7)\n    at b.ts:1:1",
      "a.ts:3:7: Error: no\n    at f (a.ts:3:7)\n    at b.ts:1:1",
    ],
    ["FUNCTION_FAILED", "Cannot deploy function 'x': Cannot start function 'x': no", "no"],
    [
      "INVALID_BUNDLE",
      "Cannot deploy function 'x': Cannot read function.json as it is no JSON",
      "Cannot deploy function 'x': Cannot read function.json as it is no JSON",
    ],
  ] as const)("begins with the position where there is one: %s %s", (code, message, expected) => {
    expect(problemText(new DawnletError(code, message))).toBe(expected);
  });

  test("has the stack of what is a defect", () => {
    expect(problemText(new TypeError("odd"))).toMatch(/^TypeError: odd\n\s+at /);
  });
});

test("failureText() leaves alone what has no stack", () => {
  expect(failureText("at noon (or 3:4:5)")).toBe("at noon (or 3:4:5)");
  expect(failureText("no\n    at async Object.fetch (a.ts:1:2)")).toBe(
    "a.ts:1:2: no\n    at async Object.fetch (a.ts:1:2)",
  );
});

test("renamer() gives a file that came alone its own name", () => {
  const rename = renamer("/some/hello.ts", false);
  expect(rename("handler.ts:1:2: x\n    at f (handler.ts:3:4) of handler.ts lib/handler.ts:1:1")).toBe(
    "hello.ts:1:2: x\n    at f (hello.ts:3:4) of handler.ts lib/handler.ts:1:1",
  );
  expect(renamer("/some/handler", true)("handler.ts:1:2: x")).toBe("handler.ts:1:2: x");
});

describe("secrets of a file", () => {
  test("are its lines, with quotes, comments and 'export'", () => {
    const text = [
      "# a comment",
      "PLAIN=one two # behind",
      "export  EXPORTED = x#y",
      String.raw`DOUBLE="a\nb \"c\" # d"  # comment`,
      "SINGLE='a\\nb'",
      "",
    ].join("\r\n");
    expect(Object.fromEntries(parseSecretsFile(text, ".env"))).toEqual({
      PLAIN: "one two",
      EXPORTED: "x#y",
      DOUBLE: 'a\nb "c" # d',
      SINGLE: "a\\nb",
    });
  });

  test.each(["hunter2", 'KEY="hunter2', "KEY='hunter2", "KEY='a' hunter2", "a-b=hunter2", "KEY="])(
    "that are wrong are refused without saying what they are: %s",
    (text) => {
      let message = "";
      try {
        parseSecretsFile(`OK=1\n${text}`, ".env");
      } catch (error) {
        if (error instanceof DawnletError) message = error.message;
      }
      expect(message).toMatch(/^Cannot (read the secret at line 2 of '\.env'|use 'a-b'|set secret 'KEY')/);
      expect(message).not.toContain("hunter2");
    },
  );

  test("give way to those of options", async () => {
    expect(await readDevSecrets(["A=1", "B=x=y", "A=2"], undefined)).toEqual(
      new Map([
        ["A", "2"],
        ["B", "x=y"],
      ]),
    );
    await expect(readDevSecrets(["hunter2"], undefined)).rejects.toThrow(
      "Cannot read the secret at --secret number 1: expected KEY=value",
    );
    await expect(readDevSecrets([], "/nowhere/.env")).rejects.toThrow("ENOENT");
  });
});
