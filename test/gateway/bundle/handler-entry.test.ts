import { describe, expect, it } from "vitest";
import { findHandlerEntry } from "../../../gateway/bundle/handler-entry.ts";

describe("findHandlerEntry()", () => {
  it("takes the file that is named, or the one called handler at the root", () => {
    expect(findHandlerEntry(["a.ts", "handler.ts"], "a.ts")).toBe("a.ts");
    expect(findHandlerEntry(["a.ts", "lib/handler.ts", "handler.mjs"])).toBe("handler.mjs");
  });

  it.each<[string, readonly string[], string | undefined, string]>([
    ["a name that is not there", ["handler.ts"], "b.ts", "names the entry 'b.ts', which is not in it"],
    ["no handler", ["a.ts", "lib/handler.ts"], undefined, "it has no handler.ts, handler.tsx"],
    ["two", ["handler.ts", "handler.js"], undefined, "it has handler.ts and handler.js: name one"],
  ])("refuses %s", (_, paths, stated, message) => {
    expect(() => findHandlerEntry(paths, stated)).toThrow(message);
  });
});
