import { describe, expect, test } from "vitest";
import { readCallDeadline } from "../../../gateway/api/call-deadline.ts";
import { DawnletError } from "../../../kernels/errors.ts";

const read = (headers: Record<string, string>) => readCallDeadline(new Headers(headers));

describe("the deadline of a call", () => {
  test("is left to its function where no header states one", () => {
    expect(read({})).toEqual({ deadlineMs: undefined, refuseLate: false });
  });

  test.each([
    ["80", 80],
    [" 0.5 ", 0.5],
    ["86400000", 86_400_000],
  ])("is '%s' milliseconds where the header says so", (text, deadlineMs) => {
    expect(read({ "dawnlet-deadline": text })).toEqual({ deadlineMs, refuseLate: false });
  });

  test.each(["", "0", "-1", "1e3", "80ms", "NaN", "Infinity", "86400001"])("is not '%s'", (text) => {
    expect(() => read({ "dawnlet-deadline": text })).toThrow(DawnletError);
    expect(() => read({ "dawnlet-deadline": text })).toThrow("dawnlet-deadline");
  });

  test("is kept to by a refusal where the caller asks for that, and by nothing else", () => {
    expect(read({ "dawnlet-deadline": "5", "dawnlet-late": "refuse" }).refuseLate).toBe(true);
    expect(read({ "dawnlet-late": "answer" }).refuseLate).toBe(false);
    expect(() => read({ "dawnlet-late": "never" })).toThrow("dawnlet-late");
  });
});
