import { describe, expect, it } from "vitest";
import { bundleHandler } from "../../../gateway/handlers/bundle-handler.ts";
import { mapStack } from "../../../gateway/handlers/source-positions.ts";
import { bundleOf, loadHandler } from "./bundles.ts";

const files = bundleOf({
  "handler.ts": `import { fail } from "./lib/fail.ts";

export default {
  fetch(): Response {
    return fail("no");
  },
};
`,
  "lib/fail.ts":
    "interface Unused { a: string }\n\nexport const fail = (why: string): never => {\n  throw new Error(why);\n};\n",
});

/** The stack of what `fetch` throws. */
async function thrownStack(code: string): Promise<string> {
  const handler = await loadHandler(code);
  try {
    await handler.fetch(new Request("http://localhost/"));
  } catch (error) {
    return error instanceof Error ? (error.stack ?? "") : "";
  }
  throw new Error("it threw nothing");
}

describe("mapStack()", () => {
  it("turns positions of the bundle into those of the files that were deployed", async () => {
    const { code, map } = await bundleHandler(files, "handler.ts");
    // As whoever runs a handler has to name it: engines name a module by where it came from.
    const stack = (await thrownStack(code)).replaceAll(/data:text[^\s():]*/g, "handler.js");
    const mapped = mapStack(stack, map).split("\n");
    expect(mapped[0]).toBe("Error: no");
    expect(mapped[1]).toMatch(/^ {4}at fail \(lib\/fail\.ts:4:\d+\)$/);
    expect(mapped[2]).toMatch(/^ {4}at .*fetch \(handler\.ts:5:\d+\)$/);
    // This test's own file called it.
    expect(stack).toContain("source-positions.test");
    expect(mapped).toHaveLength(3);
  });

  it("drops what is not the bundle's, and leaves messages as they are", async () => {
    const { map } = await bundleHandler(files, "handler.ts");
    const stack = [
      "TypeError: first line",
      "second line of the message",
      "    at fail (file:///handler/handler.js:3:9)",
      "    at handler.js:3:9",
      "    at async fetch (handler.js:9:12)",
      "    at run (/srv/host/secret/handler.js:1:1)",
      "    at node:internal/process:1:2",
      "    at fail (handler.js:99999:1)",
      "left over",
    ].join("\n");
    const mapped = mapStack(stack, map);
    expect(mapped).not.toMatch(/secret|node:internal|left over|handler\.js/);
    expect(
      mapped.startsWith("TypeError: first line\nsecond line of the message\n    at fail (lib/fail.ts:"),
    ).toBe(true);
    expect(mapped).toContain("\n    at lib/fail.ts:");
    expect(mapped).toContain("at async fetch (handler.ts:");
  });

  it("takes any text for a stack and for a map", () => {
    expect(mapStack("", "")).toBe("");
    expect(mapStack("Error: x\n    at f (handler.js:1:1)", "no map")).toBe("Error: x");
    const long = `Error\n${"    at f (handler.js:1:1)\n".repeat(100_000)}`;
    expect(mapStack(long, "{}").length).toBeLessThan(100);
    expect(mapStack(`    at ${"(".repeat(60_000)}`, "{}")).toBe("");
  });
});
