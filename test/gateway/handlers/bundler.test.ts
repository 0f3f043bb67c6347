import { describe, expect, it } from "vitest";
import { withBundler } from "../../../gateway/handlers/bundler.ts";

const shorten = (code: string) =>
  withBundler("a", async (bundler) => (await bundler.transform(code, { minify: true })).code.trim());

describe("withBundler()", () => {
  it("lets one after the other have it, each with a process of its own", async () => {
    const order: string[] = [];
    const use = (name: string) =>
      withBundler("a", async (bundler) => {
        order.push(`${name} begins`);
        await bundler.transform("1");
        order.push(`${name} ends`);
      });
    await Promise.all([use("a"), use("b")]);
    expect(order).toEqual(["a begins", "a ends", "b begins", "b ends"]);
  });

  it("gives up what takes too long, and serves the next", async () => {
    const hung = withBundler("a", () => new Promise(() => {}), 20);
    const next = shorten("x = 1 + 1;");
    await expect(hung).rejects.toMatchObject({ code: "INVALID_BUNDLE", message: /longer than 20 ms/ });
    expect(await next).toBe("x=2;");
  });

  it("passes on what goes wrong, and serves the next", async () => {
    await expect(shorten("1 +")).rejects.toThrow("Unexpected end of file");
    expect(await shorten("x = 1 + 2;")).toBe("x=3;");
  });
});
