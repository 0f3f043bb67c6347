/** The library as handlers get it: in one file, where there is nothing of a host but what the web has. */
import { createContext, runInContext } from "node:vm";
import { build, stop } from "esbuild";
import { afterAll, expect, test } from "vitest";
import { projectFolder } from "../../source-imports.ts";

afterAll(() => stop());

/** Does a bit of everything, so that what a codec asks of its host is asked for. */
const handler = `
  import * as dawnlet from "dawnlet";
  globalThis.result = (async () => {
    const image = { width: 2, height: 1, channels: 3, data: new Uint8Array([9, 8, 7, 200, 100, 50]) };
    const png = await dawnlet.decodeImage(dawnlet.encodePng(image));
    const jpeg = await dawnlet.decodeImage(dawnlet.encodeJpeg(image, { quality: 100 }));
    const wav = dawnlet.decodeWav(dawnlet.encodeWav({ sampleRate: 8000, samples: [new Float32Array([0.5])] }));
    const npy = dawnlet.decodeNpy(dawnlet.encodeNpy(dawnlet.imageToTensor(image)));
    return JSON.stringify({
      png: [...dawnlet.toRgb(png).data],
      jpeg: [jpeg.width, jpeg.height],
      wav: [...wav.samples[0]],
      npy: npy.shape,
      similarity: dawnlet.cosineSimilarity([1, 2], [2, 4]),
    });
  })();
`;

test("the library runs in one file without a host's own names", async () => {
  const { outputFiles, metafile } = await build({
    stdin: { contents: handler, resolveDir: projectFolder },
    ...{ bundle: true, platform: "neutral", format: "iife", target: "esnext" },
    ...{ write: false, metafile: true, logLevel: "silent" },
  });
  expect(Object.values(metafile.outputs)[0]!.imports).toEqual([]);
  // What JavaScript itself has comes with the context; these are what the web adds.
  const web = { TextDecoder, TextEncoder, Blob, DecompressionStream, queueMicrotask };
  const context = createContext({ ...web });
  runInContext(outputFiles[0]!.text, context);
  expect(JSON.parse(await context.result)).toEqual({
    png: [9, 8, 7, 200, 100, 50],
    jpeg: [2, 1],
    wav: [0.5],
    npy: [1, 3, 1, 2],
    similarity: 1,
  });
  expect(runInContext("typeof Buffer + typeof process + typeof require", context)).toBe(
    "undefined".repeat(3),
  );
});
