/** The example `fractal`; in place of its pictures come patterns, since what is drawn is another function's. */
import { readFile } from "node:fs/promises";
import { decodeImage } from "dawnlet";
import { describe, expect, test, vi } from "vitest";
import { readManifest } from "../../../kernels/manifest/manifest.ts";
import type { View } from "../../kernels/reference/mandelbrot.ts";
import { fakeContext, fakeFunction } from "./fake-function.ts";

vi.mock("../../../gateway/examples/fractal/page.html", async () => ({
  default: await readFile(new URL("../../../gateway/examples/fractal/page.html", import.meta.url), "utf8"),
}));

const { default: app } = await import("../../../gateway/examples/fractal/handler.ts");
const manifest = new URL("../../../kernels/bundles/mandelbrot/function.json", import.meta.url);
const { parameters: declared } = readManifest(new Uint8Array(await readFile(manifest)));

/** Notes the parameters of each run, after the checks that the runtime would make. */
function drawing(draw: (view: View) => Uint8Array) {
  const views: View[] = [];
  const run = fakeFunction<{ image: "uint8" }>([], async (_, given) => {
    expect(Object.keys(given).sort()).toEqual([...declared.keys()].sort());
    for (const [name, { minimum, maximum }] of declared) {
      expect(given[name]).toBeGreaterThanOrEqual(minimum ?? -1e38);
      expect(given[name]).toBeLessThanOrEqual(maximum ?? 1e38);
    }
    const view = { ...given } as unknown as View;
    views.push(view);
    return { image: { dataType: "uint8", shape: [view.height, view.width, 4], data: draw(view) } };
  });
  return { views, env: { mandelbrot: run } };
}

const pattern = (view: View) => blank(view).map((_, index) => (index * 7 + (index >> 9)) % 256);
const blank = ({ width, height }: View) => new Uint8Array(width * height * 4);
const get = (path: string, env: ReturnType<typeof drawing>["env"]) =>
  app.fetch(new Request(`http://localhost${path}`), env, {
    ...fakeContext(),
    passThroughOnException() {},
    props: {},
  });

/** Links of the page by their words. */
async function linksOf(query: string): Promise<Readonly<Record<string, URLSearchParams>>> {
  const response = await get(`/${query}`, drawing(blank).env);
  expect(response.headers.get("content-type")).toMatch(/^text\/html/);
  const page = await response.text();
  expect(page).not.toContain("{{");
  const links = [...page.matchAll(/<a href="\?([^"]*)">([^<]+)<\/a>/g)];
  const image = page.match(/<img src="image\.png\?([^"]*)"/);
  const decoded = (text: string) => new URLSearchParams(text.replaceAll("&amp;", "&"));
  return {
    ...Object.fromEntries(links.map(([, query, word]) => [word!, decoded(query!)])),
    image: decoded(image![1]!),
  };
}

const numbers = (query: URLSearchParams | undefined) => [...query!.values()].map(Number);

describe("the example `fractal`", () => {
  test("links to what lies beside, above, below and behind", async () => {
    const links = await linksOf("?x=-1&y=0.25&zoom=4");
    expect(numbers(links.image)).toEqual([-1, 0.25, 4]);
    expect(numbers(links.left)).toEqual([-1.2, 0.25, 4]);
    expect(numbers(links.right)).toEqual([-0.8, 0.25, 4]);
    expect(numbers(links.up)).toEqual([-1, 0.45, 4]);
    expect(numbers(links.down)).toEqual([-1, 0.05, 4].map((value) => expect.closeTo(value, 12)));
    expect(numbers(links["zoom in"])).toEqual([-1, 0.25, 8]);
    expect(numbers(links["zoom out"])).toEqual([-1, 0.25, 2]);
    expect(numbers((await linksOf("")).image)).toEqual([-0.65, 0, 1]);
  });

  test("puts nothing of the query into the page but numbers", async () => {
    const links = await linksOf(`?x=${encodeURIComponent('"><script>')}&y=Infinity&zoom=NaN`);
    expect(numbers(links.image)).toEqual([0, 3, 0.25]);
  });

  test("has its links below the path that clients know it by", async () => {
    const request = (prefix: string) =>
      new Request("http://localhost/", { headers: { "x-forwarded-prefix": prefix } });
    const baseOf = async (prefix: string) => {
      const context = { ...fakeContext(), passThroughOnException() {}, props: {} };
      const response = await app.fetch(request(prefix), drawing(blank).env, context);
      return (await response.text()).match(/<base href="([^"]*)">/)?.[1];
    };
    expect(await baseOf("/function/fractal")).toBe("/function/fractal/");
    expect(await baseOf('"><script>')).toBe("%22%3E%3Cscript%3E/");
  });

  test("draws what the query says, as PNG", async () => {
    const { views, env } = drawing(pattern);
    const response = await get("/image.png?x=-1.9&y=1.1&zoom=2", env);
    expect(response.headers.get("content-type")).toBe("image/png");
    const view = { width: 480, height: 320, centerX: -1.9, centerY: 1.1, scale: 1.6, iterations: 192 };
    expect(views).toEqual([view]);
    const { width, height, data } = await decodeImage(await response.arrayBuffer());
    expect([width, height]).toEqual([480, 320]);
    // Compared here: a test's words for 1.5 MB that differ take minutes.
    const expected = pattern(view);
    expect(data.every((byte, index) => byte === expected[index])).toBe(true);
  });

  test.each(["", "?zoom=1e300", "?zoom=-1", "?x=1e300&y=-1e300"])(
    "asks for nothing that the function refuses: '%s'",
    async (query) => {
      const { views, env } = drawing(blank);
      expect((await get(`/image.png${query}`, env)).status).toBe(200);
      expect(views).toHaveLength(1);
    },
  );

  test("knows no other pages", async () => {
    expect((await get("/elsewhere", drawing(blank).env)).status).toBe(404);
  });
});
