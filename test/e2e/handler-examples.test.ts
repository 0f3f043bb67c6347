/** The example handlers, deployed as folders and asked over HTTP. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { openBundleSource } from "../../gateway/cli/bundle-source.ts";
import { exampleEmbedding } from "../../gateway/examples/example-embedding.ts";
import { decodeImage, encodePng } from "../../runtime/library/image-files.ts";
import { decodeWav, encodeWav } from "../../runtime/library/wav.ts";
import { missingFiles, sharedFolder } from "../models/onnx/shared-files.ts";
import { gatewayFor } from "./running-gateway.ts";

const server = gatewayFor("all tests");
const shared = (name: string) => new Uint8Array(readFileSync(join(sharedFolder, "models", name)));

/** As `dawnlet deploy` does. */
async function deployFolder(folder: string): Promise<void> {
  const path = fileURLToPath(new URL(`../../${folder}`, import.meta.url));
  const { defaultName, open } = await openBundleSource(path);
  await server.client.mustDeploy(defaultName, new Uint8Array(await new Response(open()).arrayBuffer()));
}

async function ask(path: string, body?: BodyInit): Promise<Response> {
  const response = await fetch(
    `${server.client.url}/function/${path}`,
    body === undefined ? {} : { method: "POST", body },
  );
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return response;
}

type Colour = readonly [red: number, green: number, blue: number];

function draw(width: number, height: number, colour: (x: number, y: number) => Colour) {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) data.set(colour(i % width, Math.floor(i / width)), i * 3);
  return encodePng({ width, height, channels: 3, data });
}

describe("the example `edges`", () => {
  test("finds the outline of a rectangle, and nothing inside and outside", async () => {
    await deployFolder("gateway/examples/edges");
    const isInside = (x: number, y: number) => x >= 40 && x < 160 && y >= 30 && y < 90;
    const picture = draw(200, 120, (x, y) => (isInside(x, y) ? [250, 200, 40] : [20, 30, 90]));
    const response = await ask("edges", picture);
    expect(response.headers.get("content-type")).toBe("image/png");
    const { width, height, data } = await decodeImage(await response.arrayBuffer());
    expect([width, height]).toEqual([200, 120]);
    const wrong: string[] = [];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        // The operator looks at the pixels around each.
        const around = [-1, 0, 1].flatMap((dy) => [-1, 0, 1].map((dx) => isInside(x + dx, y + dy)));
        const isEdge = new Set(around).size > 1;
        const found = data[(y * width + x) * 4]!;
        if (isEdge ? found < 128 : found > 0) wrong.push(`${x}, ${y}: ${found}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test("refuses what is no picture in its own words", async () => {
    const response = await fetch(`${server.client.url}/function/edges`, {
      method: "POST",
      body: "no picture",
    });
    expect([response.status, await response.json()]).toEqual([
      415,
      { error: "Cannot read the image as it is neither PNG nor JPEG", code: "UNSUPPORTED" },
    ]);
  });
});

describe("the example `fractal`", () => {
  test.each(["fractal", "fractal/"])(
    "at /function/%s has a page whose image and links work",
    async (path) => {
      await deployFolder("kernels/bundles/mandelbrot");
      await deployFolder("gateway/examples/fractal");
      const response = await ask(path);
      expect(response.headers.get("content-type")).toMatch(/^text\/html/);
      const page = await response.text();
      const base = new URL(page.match(/<base href="([^"]*)"/)![1]!, response.url);
      const linked = (text: string) => new URL(text.replaceAll("&amp;", "&"), base).href;
      const links = [...page.matchAll(/<a href="([^"]*)">/g)].map(([, link]) => linked(link!));
      expect(links).toHaveLength(7);
      for (const link of links) {
        expect(link).toContain("/function/fractal/?");
        const next = await fetch(link);
        expect([next.status, (await next.text()).includes("Mandelbrot set")]).toEqual([200, true]);
      }
      const image = await fetch(linked(page.match(/<img src="([^"]*)"/)![1]!));
      expect(image.headers.get("content-type")).toBe("image/png");
      const { width, height, data } = await decodeImage(await image.arrayBuffer());
      const direct = await ask("mandelbrot?width=480&height=320&iterations=128", "{}");
      const drawn = Uint8Array.from((await direct.json()).image.flat(2) as number[]);
      expect([width, height, drawn.byteLength]).toEqual([480, 320, data.byteLength]);
      expect(data.every((byte, i) => byte === drawn[i])).toBe(true);
      const at = (x: number, y: number) => data.subarray((y * width + x) * 4, (y * width + x) * 4 + 3).join();
      // All of the set has one colour, and what is around it others.
      expect(at(width / 2, height / 2)).toBe(at(width / 2 + 20, height / 2 + 10));
      expect(at(5, 5)).not.toBe(at(width / 2, height / 2));
    },
  );
});

describe("the example `similar`", () => {
  test("finds a picture wholly like itself, and others less", { timeout: 120_000 }, async () => {
    await server.client.mustDeploy("embedding", exampleEmbedding());
    await deployFolder("gateway/examples/similar");
    const disc = draw(96, 80, (x, y) => (Math.hypot(x - 48, y - 40) < 30 ? [230, 60, 40] : [20, 40, 120]));
    const smaller = draw(96, 80, (x, y) => (Math.hypot(x - 48, y - 40) < 27 ? [220, 70, 40] : [20, 50, 110]));
    const stripes = draw(96, 80, (x) => (x % 16 < 8 ? [240, 240, 240] : [10, 90, 10]));
    const compare = async (first: Uint8Array<ArrayBuffer>, second: Uint8Array<ArrayBuffer>) => {
      const form = new FormData();
      form.append("first", new Blob([first]), "first.png");
      form.append("second", new Blob([second]), "second.png");
      return (await (await ask("similar", form)).json()).similarity as number;
    };
    expect(await compare(disc, disc)).toBeCloseTo(1, 5);
    const [like, unlike] = [await compare(disc, smaller), await compare(disc, stripes)];
    expect(like).toBeLessThan(1);
    expect(like).toBeGreaterThan(0.8);
    expect(unlike).toBeLessThan(like - 0.1);
  });
});

// Where there are no models, shared-files.ts has said so.
describe.skipIf(missingFiles !== undefined)("an example with a real model", () => {
  test("`digits` reads digits", { timeout: 120_000 }, async () => {
    await server.client.mustDeploy("mnist", shared("mnist.onnx"));
    await deployFolder("gateway/examples/digits");
    for (const digit of [0, 3, 5, 7]) {
      const answer = await (await ask("digits", shared(`digit-${digit}.jpg`))).json();
      expect(answer.digit).toBe(digit);
      expect(answer.probabilities[digit]).toBeGreaterThan(0.5);
    }
  });

  test("`voice` finds speech between silences", { timeout: 120_000 }, async () => {
    await server.client.mustDeploy("silero-vad", shared("silero-vad-16k.onnx"));
    await deployFolder("gateway/examples/voice");
    const speech = decodeWav(shared("speech.wav")).samples[0]!.subarray(0, 3 * 16_000);
    const sound = new Float32Array(5 * 16_000);
    sound.set(speech, 16_000);
    const wav = encodeWav({ sampleRate: 16_000, samples: [sound] });
    const answer = await (await ask("voice", wav)).json();
    expect(answer.seconds).toBe(5);
    expect(answer.speech.length).toBeGreaterThan(0);
    for (const { start, end } of answer.speech) {
      expect(start).toBeGreaterThan(0.9);
      expect(end).toBeLessThan(4.5);
      expect(end).toBeGreaterThan(start);
    }
  });
});
